//! The lab: real hosts on this machine, made by `tests/lab/lab`, one folder a lab. What the tool does and what its
//! hosts can and cannot do is in `tests/lab/README.md`; here are its commands, and the promise that a lab ends with
//! its test, even when the test is killed.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tempfile::TempDir;
use vsjob_engine::HostName;

use crate::needs;

const TOOL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/lab/lab");

/// The tool's exit status for "this machine cannot", with `needs X` on stderr.
const CANNOT: i32 = 3;

/// A running lab. Dropped, it ends.
pub struct Lab {
    folder: TempDir,
    vms: u8,
}

/// A guest's root, archived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Template {
    /// A Debian with slapd serving `dc=lab`.
    Debian,
    /// Two megabytes that start and stop at once.
    Tiny,
}

impl Lab {
    /// Starts one with that many hosts, `vsh-01` and so on, each answering SSH. `None` when this machine cannot: then
    /// the test is skipped, and this has said so.
    ///
    /// # Errors
    /// The machine could, and yet it failed.
    pub fn up(hosts: u8) -> anyhow::Result<Option<Self>> {
        Self::up_with_vms(hosts, 0)
    }

    /// Starts one whose last `vms` hosts are virtual machines: slower, with what the fast hosts' kernel lacks, and with
    /// an empty disk for volumes, `/dev/vdb`. All of [`Lab`] is the same for them.
    ///
    /// # Errors
    /// As [`Lab::up`].
    pub fn up_with_vms(hosts: u8, vms: u8) -> anyhow::Result<Option<Self>> {
        let lab = Self {
            folder: tempfile::Builder::new().prefix("vsjob-lab-").tempdir()?,
            vms,
        };
        let output = lab
            .tool("up")
            .args(["--hosts", &hosts.to_string(), "--vms", &vms.to_string()])
            .args(["--while", &std::process::id().to_string()])
            .output()?;
        if output.status.code() == Some(CANNOT) {
            let said = String::from_utf8_lossy(&output.stderr);
            let missing = said.trim().strip_prefix("needs ").unwrap_or(said.trim());
            needs::skip(missing);
            return Ok(None);
        }
        succeeded(output, "lab up")?;
        Ok(Some(lab))
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Whether that host is a virtual machine.
    #[must_use]
    pub fn is_vm(&self, host: &HostName) -> bool {
        self.folder()
            .join("hosts")
            .join(host.as_str())
            .join("vm")
            .exists()
    }

    /// How long a master may wait for a line to its hosts, and how often it has to hear of them, in seconds: an emulated
    /// processor takes its time.
    #[must_use]
    pub fn patience(&self) -> (u64, u64) {
        if self.vms > 0 { (60, 20) } else { (3, 1) }
    }

    /// The configuration with which OpenSSH reaches its hosts from where the master lives.
    #[must_use]
    pub fn ssh_config(&self) -> PathBuf {
        self.folder().join("ssh_config")
    }

    /// The master's list of its hosts.
    #[must_use]
    pub fn slaves_conf(&self) -> PathBuf {
        self.folder().join("slaves.conf")
    }

    /// Moves this thread to where the master lives: what it starts and what it connects to is on the hosts' network from
    /// then on. There is no Debian archive in it, so the template that tests use is made first.
    ///
    /// # Errors
    /// The network is gone, or the template cannot be made.
    pub fn enter_network(&self) -> anyhow::Result<()> {
        Template::Tiny.archive()?;
        let facts = std::fs::read_to_string(self.folder().join("env"))?;
        let network = facts
            .lines()
            .find_map(|line| line.strip_prefix("VSJOB_LAB_MASTER_NETNS="))
            .context("the master's network")?;
        let network = std::fs::File::open(Path::new("/run/netns").join(network))?;
        let network = std::os::fd::AsFd::as_fd(&network);
        move_into_link_name_space(network, Some(LinkNameSpaceType::Network))?;
        Ok(())
    }

    /// A command that runs `program` where the master lives: on the hosts' network, with `ssh vsh-01` working.
    pub fn master(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.tool("master");
        command.arg("--").arg(program);
        command
    }

    /// A command that runs `program` as root in a host, at its console: without network and SSH.
    pub fn at_console(&self, host: &str, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.tool("run");
        command.arg("--").arg(host).arg(program);
        command
    }

    /// Runs a shell text at a host's console, and answers what it wrote.
    ///
    /// # Errors
    /// The host is down, or the text failed.
    pub fn run(&self, host: &str, text: &str) -> anyhow::Result<String> {
        let output = self.at_console(host, "sh").args(["-euc", text]).output()?;
        succeeded(output, text)
    }

    /// The id of a host's present boot.
    ///
    /// # Errors
    /// The host is down.
    pub fn boot_id(&self, host: &str) -> anyhow::Result<String> {
        Ok(self
            .run(host, "cat /proc/sys/kernel/random/boot_id")?
            .trim()
            .to_owned())
    }

    /// An orderly reboot, until it answers again.
    ///
    /// # Errors
    /// The host is down, or does not come back.
    pub fn reboot(&self, host: &str) -> anyhow::Result<()> {
        self.befall("reboot", host)
    }

    /// An orderly shutdown.
    ///
    /// # Errors
    /// The host does not end.
    pub fn halt(&self, host: &str) -> anyhow::Result<()> {
        self.befall("halt", host)
    }

    /// Off at once: what was not written through to its disk is lost.
    ///
    /// # Errors
    /// The host does not end.
    pub fn power_cut(&self, host: &str) -> anyhow::Result<()> {
        self.befall("power-cut", host)
    }

    /// Boots a host that is down, until it answers.
    ///
    /// # Errors
    /// It is up, or does not come up.
    pub fn boot(&self, host: &str) -> anyhow::Result<()> {
        self.befall("boot", host)
    }

    /// Boots a host that is down from a copy of `disk`.
    ///
    /// # Errors
    /// It is up, or does not come up.
    pub fn boot_from(&self, host: &str, disk: &Path) -> anyhow::Result<()> {
        let output = self.tool("boot").arg("--disk").arg(disk).arg(host).output()?;
        succeeded(output, "lab boot").map(drop)
    }

    /// A host's disk as a power cut would leave it now.
    ///
    /// # Errors
    /// It cannot be copied.
    pub fn copy_disk(&self, host: &str, to: &Path) -> anyhow::Result<()> {
        succeeded(
            self.tool("copy-disk").arg(host).arg(to).output()?,
            "lab copy-disk",
        )
        .map(drop)
    }

    /// Unplugs a host's network cable.
    ///
    /// # Errors
    /// There is no such host.
    pub fn cut(&self, host: &str) -> anyhow::Result<()> {
        self.befall("cut", host)
    }

    /// Plugs it in again.
    ///
    /// # Errors
    /// There is no such host.
    pub fn heal(&self, host: &str) -> anyhow::Result<()> {
        self.befall("heal", host)
    }

    /// Lets two hosts, or a host and `master`, no longer hear each other.
    ///
    /// # Errors
    /// There is no such host.
    pub fn part(&self, one: &str, other: &str) -> anyhow::Result<()> {
        succeeded(self.tool("part").args([one, other]).output()?, "lab part").map(drop)
    }

    /// Lets them hear each other again.
    ///
    /// # Errors
    /// There is no such host.
    pub fn join(&self, one: &str, other: &str) -> anyhow::Result<()> {
        succeeded(self.tool("join").args([one, other]).output()?, "lab join").map(drop)
    }

    /// Puts a small file system on a folder of this machine, until the lab's end.
    ///
    /// # Errors
    /// It cannot be mounted.
    pub fn small_disk(&self, size: &str, folder: &Path) -> anyhow::Result<()> {
        let mut tool = self.tool("small-disk");
        succeeded(tool.arg(size).arg(folder).output()?, "lab small-disk").map(drop)
    }

    /// Kills each sshd of a host, with all connections; it starts again.
    ///
    /// # Errors
    /// The host is down, or none ran.
    pub fn kill_sshd(&self, host: &str) -> anyhow::Result<()> {
        self.befall("kill-sshd", host)
    }

    fn befall(&self, what: &str, host: &str) -> anyhow::Result<()> {
        succeeded(self.tool(what).arg(host).output()?, &format!("lab {what} {host}")).map(drop)
    }

    fn tool(&self, command: &str) -> Command {
        Self::tool_in(self.folder(), command)
    }

    /// What OpenSSH is for other programs, for the consoles of a lab in that folder: words that a host and a command follow.
    pub(crate) fn line_into(folder: &Path) -> String {
        format!("{TOOL} run --dir {} --", folder.display())
    }

    /// The lab's tool, for one in that folder.
    pub(crate) fn tool_in(folder: &Path, command: &str) -> Command {
        let mut tool = Command::new(TOOL);
        tool.arg(command).arg("--dir").arg(folder);
        tool.stdin(Stdio::null());
        tool
    }
}

impl Template {
    /// Its archive, made now if it is not cached.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn archive(self) -> anyhow::Result<PathBuf> {
        let name = match self {
            Self::Debian => "debian",
            Self::Tiny => "tiny",
        };
        let output = Command::new(TOOL).args(["template", name]).output()?;
        Ok(PathBuf::from(succeeded(output, "lab template")?.trim()))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // Should this fail, `lab down --all` remains; and the lab watches for the end of this process.
        let _ = self.tool("down").output();
    }
}

/// What a command wrote that ended well.
pub(crate) fn succeeded(output: Output, what: &str) -> anyhow::Result<String> {
    ensure!(
        output.status.success(),
        "{what}: {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).with_context(|| format!("what {what} wrote"))
}
