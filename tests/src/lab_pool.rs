//! Labs for matrices: a world is a lab that was cleaned of everything that the world before it left, with a folder for
//! a master of its own. On its hosts a stand-in for `systemd-run` obeys the same faults as on paper hosts.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Condvar, Mutex, PoisonError};

use anyhow::Context;
use tempfile::TempDir;
use vsjob_engine::HostName;

use crate::hosts::{Host, World, on_all};
use crate::lab::{Lab, succeeded};
use crate::master::Life;
use crate::needs;
use crate::site;
use crate::vm_host::VmHost;

/// Labs that are lent out.
pub struct Labs {
    free: Mutex<Vec<Lab>>,
    returned: Condvar,
    hosts: u8,
}

impl Labs {
    /// As many labs of that many hosts as there are processors. `None` where the lab cannot run; this has said so.
    ///
    /// # Errors
    /// It could, and yet it failed.
    pub fn up(hosts: u8) -> anyhow::Result<Option<Self>> {
        Self::up_with_vms(hosts, 0)
    }

    /// The same, and the last `vms` hosts are virtual machines with a volume group, for who has asked for matrices on them.
    ///
    /// # Errors
    /// As [`Labs::up`].
    pub fn of_vms(hosts: u8, vms: u8) -> anyhow::Result<Option<Self>> {
        if !matches!(std::env::var("VSJOB_MATRIX").as_deref(), Ok("vms" | "all")) {
            needs::skip("VSJOB_MATRIX=vms (a quarter of an hour each, where processors are emulated)");
            return Ok(None);
        }
        Self::up_with_vms(hosts, vms)
    }

    fn up_with_vms(hosts: u8, vms: u8) -> anyhow::Result<Option<Self>> {
        let mut labs = Vec::new();
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            let Some(lab) = Lab::up_with_vms(hosts, vms)? else {
                return Ok(None);
            };
            for number in hosts - vms + 1..=hosts {
                lab.run(&called(number), "vgcreate -q vsh /dev/vdb")?;
            }
            labs.push(lab);
        }
        Ok(Some(Self {
            free: Mutex::new(labs),
            returned: Condvar::new(),
            hosts,
        }))
    }

    /// A clean world, when a lab is free.
    ///
    /// # Errors
    /// It does not become clean.
    pub fn world(&self) -> anyhow::Result<LabWorld<'_>> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self
            .returned
            .wait_while(free, |free| free.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        let lab = free.pop().context("no lab")?;
        drop(free);
        let world = LabWorld {
            hosts: (1..=self.hosts)
                .map(|number| host(&lab, &called(number)))
                .collect::<anyhow::Result<_>>()?,
            folder: tempfile::Builder::new().prefix("vsjob-world-").tempdir()?,
            lab: Some(lab),
            labs: self,
        };
        world.configure()?;
        on_all(world.hosts(), |host| {
            host.await_up()?;
            clean(host)
        })?;
        Ok(world)
    }
}

/// A lab that is lent out. Dropped, it is given back.
pub struct LabWorld<'a> {
    hosts: Vec<Box<dyn Host>>,
    folder: TempDir,
    lab: Option<Lab>,
    labs: &'a Labs,
}

impl LabWorld<'_> {
    fn configure(&self) -> anyhow::Result<()> {
        let lab = self.lab.as_ref().context("it was given back")?;
        let folder = self.folder.path();
        let hosts = std::fs::read_to_string(lab.slaves_conf())?;
        let hosts = hosts.lines().map(|line| match line.split_once(':') {
            Some((host, _)) if host.parse().is_ok_and(|host| lab.is_vm(&host)) => {
                line.replace("btrfs", "lvm") + "\n"
            }
            _ => format!("{line}\n"),
        });
        std::fs::write(folder.join("slaves.conf"), hosts.collect::<String>())?;
        let (connect, alive) = lab.patience();
        let settings = format!(
            "[master]\nstate = \"{0}/state\"\nsocket = \"{0}/vsjob.sock\"\n\
             [ssh]\nconfig = \"{1}\"\ncontrol-directory = \"{0}/ssh\"\nconnect-timeout = \"{connect}s\"\nkeep-alive = \"{alive}s\"\n",
            folder.display(),
            lab.ssh_config().display()
        );
        Ok(std::fs::write(folder.join("vsjob.toml"), settings)?)
    }
}

impl World for LabWorld<'_> {
    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn hosts(&self) -> Vec<&dyn Host> {
        self.hosts.iter().map(Box::as_ref).collect()
    }

    fn life(&self, operation: &str, args: &[(&str, &str)]) -> Life {
        let is_slow = |lab: &Lab| self.hosts.iter().any(|host| lab.is_vm(host.name()));
        Life {
            lab: self.lab.as_ref().map(|lab| lab.folder().to_owned()),
            hurry: if self.lab.as_ref().is_some_and(is_slow) {
                2
            } else {
                5
            },
            ..Life::new(self.folder(), operation, args)
        }
    }
}

impl Drop for LabWorld<'_> {
    fn drop(&mut self) {
        let mut free = self.labs.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.extend(self.lab.take());
        self.labs.returned.notify_one();
    }
}

/// A real host.
pub struct LabHost {
    name: HostName,
    pub(crate) lab: PathBuf,
}

/// Ends every guest and removes all that is ours, or that a test has left.
const CLEAN: &str = r#"
    for unit in $(systemctl list-units --all --plain --no-legend 'systemd-nspawn@*' 'vsjob-*' | cut -d' ' -f1); do
        systemctl kill --signal=KILL "$unit" 2>/dev/null || true
        systemctl stop "$unit" 2>/dev/null || true
    done
    rm -rf /etc/systemd/nspawn/* /etc/systemd/system/machines.target.wants/* /etc/systemd/system.control \
        /etc/systemd/system/systemd-nspawn@*.service.d /var/lib/vsjob /fault
    systemctl daemon-reload
    systemctl reset-failed
    if command -v lvremove >/dev/null; then
        for folder in $(findmnt -rno TARGET,SOURCE | awk '$2 ~ "^/dev/mapper/vsh-" { print $1 }'); do umount "$folder"; done
        lvremove -q -f -y vsh
    fi
    for root in $(find /var/lib/machines -mindepth 1 -maxdepth 1); do
        btrfs -q property set "$root" ro false 2>/dev/null || true
        btrfs -q subvolume delete "$root" 2>/dev/null || rm -rf "$root"
    done
    nft list tables | while read -r table family name; do
        case $name in vsjob_*) nft delete "$table" "$family" "$name" ;; esac
    done
    sed -i /vsjob-/d /root/.ssh/authorized_keys
    mkdir /fault
"#;

fn clean(host: &dyn Host) -> anyhow::Result<()> {
    host.run(CLEAN, &[])?;
    let faults = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/lab/fault"));
    for (from, to) in [
        (faults.join("systemd-run"), "usr/local/bin/systemd-run"),
        (faults.join("cut"), "fault/cut"),
        (faults.join("reboot"), "fault/reboot"),
        (
            faults.join("../../paper/launch_fault.sh"),
            "fault/launch_fault.sh",
        ),
    ] {
        host.put(&from, to).with_context(|| from.display().to_string())?;
    }
    Ok(())
}

impl LabHost {
    /// The host of that name.
    ///
    /// # Errors
    /// It is no name.
    pub fn of(lab: &Lab, name: &str) -> anyhow::Result<Self> {
        Ok(Self {
            name: name.parse()?,
            lab: lab.folder().to_owned(),
        })
    }

    fn folder(&self) -> PathBuf {
        self.lab.join("hosts").join(self.name.as_str())
    }

    /// A process of the chain that leads from the host's supervisor, through its present life and systemd-nspawn, to
    /// the first process of the host itself.
    fn process(&self, below_supervisor: u8) -> Option<String> {
        let mut pid = std::fs::read_to_string(self.folder().join("supervisor")).ok()?;
        for _ in 0..below_supervisor {
            let id = pid.trim();
            let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).ok()?;
            pid = children.split(' ').next()?.to_owned();
        }
        Some(pid.trim().to_owned())
    }
}

/// How far below the supervisor a host's life is, whose mounts are this machine's and the host's disk.
const LIFE: u8 = 1;
/// How far below it the first process of the host is.
const FIRST_PROCESS: u8 = 3;

impl Host for LabHost {
    fn name(&self) -> &HostName {
        &self.name
    }

    fn path(&self, path: &str) -> PathBuf {
        let process = self.process(FIRST_PROCESS).unwrap_or_else(|| "none".to_owned());
        Path::new("/proc").join(process).join("root").join(path)
    }

    fn run(&self, text: &str, args: &[&str]) -> anyhow::Result<String> {
        let text = format!("R=; {text}");
        let output = Lab::tool_in(&self.lab, "run")
            .args(["--", self.name.as_str(), "sh", "-euc", &text, "test"])
            .args(args)
            .output()?;
        succeeded(output, &format!("{text} on {}", self.name))
    }

    fn reboot(&self) -> anyhow::Result<()> {
        reboot(&self.lab, &self.name)?;
        self.await_up()
    }

    fn await_up(&self) -> anyhow::Result<()> {
        site::until(&format!("{} is up", self.name), || {
            let state = self.run("systemctl is-system-running || true", &[]);
            // Something may have failed at the start: that is up, too.
            Ok(state.is_ok_and(|state| ["running", "degraded"].contains(&state.trim())))
        })
    }

    fn onlooker(&self, program: &str) -> anyhow::Result<(Command, PathBuf)> {
        let life = self.process(LIFE).context("the host is down")?;
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--target", &life, "--", program]);
        Ok((command, self.folder().join("root")))
    }
}

/// A host of a lab.
///
/// # Errors
/// That is no name.
pub fn host(lab: &Lab, name: &str) -> anyhow::Result<Box<dyn Host>> {
    let host = LabHost::of(lab, name)?;
    Ok(if lab.is_vm(host.name()) {
        Box::new(VmHost(host))
    } else {
        Box::new(host)
    })
}

/// The first `count` hosts of a lab.
///
/// # Errors
/// There are too many.
pub fn hosts(lab: &Lab, count: usize) -> anyhow::Result<Vec<Box<dyn Host>>> {
    (1..=count).map(|number| host(lab, &called(number))).collect()
}

/// What the host of that number is called.
fn called(number: impl std::fmt::Display) -> String {
    format!("vsh-{number:02}")
}

/// Reboots a host of the lab in that folder.
///
/// # Errors
/// It does not come back.
pub fn reboot(lab: &Path, host: &HostName) -> anyhow::Result<()> {
    let output = Lab::tool_in(lab, "reboot").arg(host.as_str()).output()?;
    succeeded(output, &format!("reboot {host}")).map(drop)
}
