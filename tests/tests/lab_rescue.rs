//! A consolidation that breaks in the middle, in each way, onto a master with a real LVM: the last generation is what it was each
//! time; and so it is on the two layouts that VS-Tools had, a logical volume a guest and one for all of them.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use vsjob_tests::hosts::Host as _;
use vsjob_tests::lab::{Lab, Template};
use vsjob_tests::lab_pool::LabHost;
use vsjob_tests::site::until;
use vsjob_tests::tree::Tree;
use vsjob_tests::vm_master::VmMaster;
use vsjob_tests::{figures, guests, needs};

const SOURCE: &str = "vsh-01";

/// Where generations are, and as what.
struct Layout {
    tree: &'static str,
    folder: &'static str,
    /// Made before it is used.
    make: &'static str,
    /// A folder of the file system that is received into.
    fills: &'static str,
}

const VOLUME_A_GUEST: Layout = Layout {
    tree: "lvm",
    folder: "/root/generations",
    make: ":",
    fills: "/root/generations/ldap/incoming-*/tree/",
};

const ONE_VOLUME: Layout = Layout {
    tree: "dir",
    folder: "/srv/generations",
    make: "lvcreate -q -y -L 1g -n shared vsh; mkfs.ext4 -q /dev/vsh/shared
           echo '/dev/vsh/shared /srv ext4 defaults,nofail 0 2' >>/etc/fstab; mount /srv; sync -f /etc",
    fills: "/srv",
};

/// What breaks it, in the middle of the transfer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// The line, and the administrator gives up.
    Line,
    /// The source reboots, and the administrator gives up.
    Source,
    /// The snapshot of the last generation's volume has no room left, and the group neither.
    Overflow,
    /// The disk that it is received on.
    Full,
    /// The master is killed.
    Killed,
    /// The machine of the master loses its power.
    Reset,
}

struct Rescue {
    master: VmMaster,
    source: LabHost,
    layout: &'static Layout,
}

impl Rescue {
    fn generation(&self, name: &str) -> PathBuf {
        PathBuf::from(self.layout.folder).join("ldap").join(name)
    }

    /// Something new in the guest, which takes a while to receive.
    fn news(&self, megabytes: u32) -> anyhow::Result<()> {
        let text = "head -c \"$1\" /dev/urandom >/var/lib/machines/ldap/var/lib/data/news";
        let bytes = (megabytes << 20).to_string();
        self.source.run(text, &[&bytes]).map(drop)
    }

    /// What tells one content of the guest from another.
    fn content(&self) -> anyhow::Result<String> {
        self.source.run(
            "cd /var/lib/machines/ldap/var/lib/data; cat news | sha256sum",
            &[],
        )
    }

    fn submit(&self) -> anyhow::Result<String> {
        Ok(self
            .master
            .vsjob("submit backup --name=ldap --hot")?
            .trim()
            .to_owned())
    }

    /// Returns when a third of a mebibyte of it has been received, and it goes on.
    fn in_the_middle(&self, id: &str) -> anyhow::Result<()> {
        until("it is received", || {
            let job = self.master.json(&format!("status {id}"))?;
            ensure!(job["over"] == false, "{job}");
            let receives = job["at"].as_str().is_some_and(|at| at.starts_with("receive"));
            Ok(receives && job["progress"]["bytes"].as_u64() > Some(300_000))
        })
    }

    /// The only thing that there is of the guest is this generation, and every byte of it is as it was sealed.
    fn is_all_there_is(&self, name: &str) -> anyhow::Result<()> {
        ensure!(self.master.generations("ldap")? == [name]);
        self.master
            .vsjob(&format!("generation verify --name=ldap {name}"))?;
        let left = self
            .master
            .on_machine(&format!("ls -A {}/ldap", self.layout.folder))?;
        ensure!(left.trim() == name, "{left}");
        if self.layout.tree == "lvm" {
            let volumes = self
                .master
                .on_machine("lvs --noheadings -o lv_name @vsjob.generation")?;
            ensure!(volumes.split_whitespace().count() == 1, "{volumes}");
        }
        guests::nothing_left(&self.source, &["ldap"])
    }

    /// A consolidation that breaks in that way: `last` is what it was, or another one is there that is the guest. The newest
    /// one.
    fn breaks(&self, way: Way, last: &str) -> anyhow::Result<String> {
        let machine = |text: &str| self.master.on_machine(text).map(drop);
        if way == Way::Overflow {
            machine("lvcreate -q -y -n filler -l 100%FREE vsh; lvreduce -q -y -L -32m vsh/filler")?;
        }
        self.news(if way == Way::Overflow { 60 } else { 12 })?;
        let id = self.submit()?;
        self.in_the_middle(&id)?;
        let cancel = || self.master.vsjob(&format!("cancel {id}")).map(drop);
        match way {
            Way::Line => {
                self.master.lab.cut(SOURCE)?;
                cancel()?;
                self.master.lab.heal(SOURCE)?;
            }
            Way::Source => {
                self.master.lab.reboot(SOURCE)?;
                cancel()?;
            }
            Way::Overflow => {}
            // Each as large as there is still room for; the last ones have none.
            Way::Full => machine(&format!(
                "cd {}
                 for megabytes in 512 512 256 128 64 32 16 8 4 2 1; do
                     fallocate -l \"${{megabytes}}m\" \".filler-$((fillers += 1))\" || true
                 done",
                self.layout.fills
            ))?,
            Way::Killed => {
                self.master.kill()?;
                self.master.start()?;
            }
            Way::Reset => {
                self.master.power_cut()?;
                self.master.start()?;
            }
        }
        let job = self.master.ended(&id)?;
        machine("rm -f /srv/.filler-*")?;
        if way == Way::Overflow {
            machine("lvremove -q -y vsh/filler")?;
            ensure!(job["why"]["code"] == "VSJ0567", "{job}");
        }
        let state = match way {
            Way::Line | Way::Source => "cancelled",
            Way::Full | Way::Overflow => "rolled back",
            Way::Killed | Way::Reset => "succeeded",
        };
        ensure!(job["state"] == state, "{job}");
        if state != "succeeded" {
            self.is_all_there_is(last)?;
            return Ok(last.to_owned());
        }
        let newest = self.master.generations("ldap")?.pop().unwrap_or_default();
        ensure!(newest != last);
        self.is_the_guest(&newest)?;
        Ok(newest)
    }

    /// The generation is the guest, and the only one that is kept.
    fn is_the_guest(&self, name: &str) -> anyhow::Result<()> {
        self.master.vsjob("generation prune --name=ldap --keep=1d")?;
        self.is_all_there_is(name)?;
        let received = format!(
            "sha256sum <{}/tree/var/lib/data/news",
            self.generation(name).display()
        );
        ensure!(self.master.on_machine(&received)? == self.content()?);
        Ok(())
    }
}

fn rescued(layout: &'static Layout, ways: &[Way]) -> anyhow::Result<()> {
    if !std::env::var("VSJOB_RESCUE").is_ok_and(|which| which == "all") {
        needs::skip("VSJOB_RESCUE=all (ten minutes, where processors are emulated)");
        return Ok(());
    }
    let Some(lab) = Lab::up_with_vms(2, 1)? else {
        return Ok(());
    };
    let source = LabHost::of(&lab, SOURCE)?;
    let tree = Tree::of(Template::Tiny)?;
    guests::fill(&tree.root())?;
    guests::settle(&source, &tree.root())?;
    let master = VmMaster::new(lab, &format!("{SOURCE}:bwlimit=1m\n"))?;
    master.on_machine(&format!("vgcreate -q vsh /dev/vdb; {}", layout.make))?;
    master.configure(&format!(
        "[generations]\nfolder = \"{}\"\ntree = \"{}\"\n",
        layout.folder, layout.tree
    ))?;
    master.start()?;
    master.vsjob("guest adopt")?;
    let rescue = Rescue {
        master,
        source,
        layout,
    };
    rescue.news(1)?;
    let id = rescue.submit()?;
    let first = rescue.master.ended(&id)?;
    ensure!(first["state"] == "succeeded", "{first}");
    let mut last = rescue.master.generations("ldap")?.pop().unwrap_or_default();
    rescue.is_the_guest(&last)?;
    for way in ways {
        let newest = rescue
            .breaks(*way, &last)
            .with_context(|| format!("{}, {way:?}", layout.tree))?;
        let became = if newest == last { "as before" } else { "done" };
        figures::tell(format_args!(
            "a consolidation onto {} broken by {way:?}: {became}",
            layout.tree
        ));
        last = newest;
    }
    Ok(())
}

#[test]
fn on_a_volume_of_its_guest_the_last_generation_outlives_whatever_breaks_the_next() -> anyhow::Result<()> {
    let ways = [
        Way::Line,
        Way::Source,
        Way::Full,
        Way::Overflow,
        Way::Killed,
        Way::Reset,
    ];
    rescued(&VOLUME_A_GUEST, &ways)
}

#[test]
fn on_one_volume_for_all_the_last_generation_outlives_whatever_breaks_the_next() -> anyhow::Result<()> {
    let ways = [Way::Line, Way::Source, Way::Full, Way::Killed, Way::Reset];
    rescued(&ONE_VOLUME, &ways)
}
