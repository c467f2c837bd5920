//! A guest on a paper host, a master that keeps generations of it, and what a test of those asks again and again.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::hosts::World as _;
use crate::house::House;
use crate::paper;
use crate::program::{Master, Said};

/// Where the guest's tree is on its host.
const TREE: &str = "var/lib/machines/ldap";

/// The guest `ldap`, and its generations.
pub struct Kept {
    // Dropped before the folder that it works in.
    master: Option<Master>,
    /// The hosts and the program.
    pub house: House,
    /// The folder of its generations.
    pub folder: PathBuf,
}

impl Kept {
    /// Of hosts that take snapshots.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn new() -> anyhow::Result<Self> {
        Self::on("")
    }

    /// Of hosts with these options in slaves.conf.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn on(options: &str) -> anyhow::Result<Self> {
        let house = House::on(&[options; 2], "")?;
        let folder = house.program.state().join("generations");
        Self::of(house, &folder)
    }

    /// Generations of that kind, in another folder than the master's own.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn elsewhere(folder: &Path, tree: &str) -> anyhow::Result<Self> {
        let settings = format!(
            "[generations]\nfolder = \"{}\"\ntree = \"{tree}\"\n",
            folder.display()
        );
        Self::of(House::with(&settings)?, folder)
    }

    /// Generations of that kind on LVM. The machine of the master is that of the second host.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn on_volumes(tree: &str) -> anyhow::Result<Self> {
        let mut house = House::with(&format!("[generations]\ntree = \"{tree}\"\n"))?;
        for (name, value) in paper::machine_of_master(&house.paper.paper_host(2).root) {
            house.program.master_env(name, Path::new(&value));
        }
        let folder = house.program.state().join("generations");
        Self::of(house, &folder)
    }

    /// Cuts the power of the machine of the master, if that is the second host, and starts both again.
    ///
    /// # Errors
    /// One does not start.
    pub fn power_cut(&mut self) -> anyhow::Result<()> {
        self.master = None;
        self.house.paper.host(2).reboot()?;
        self.master = Some(self.house.program.master()?);
        Ok(())
    }

    /// With the guest of that house, and the generations in that folder.
    ///
    /// # Errors
    /// Its master does not start.
    pub fn of(house: House, folder: &Path) -> anyhow::Result<Self> {
        let master = house.program.master()?;
        house.program.run(&["guest", "adopt"])?.ok()?;
        Ok(Self {
            master: Some(master),
            house,
            folder: folder.join("ldap"),
        })
    }

    /// `vsjob ARGS`.
    ///
    /// # Errors
    /// It cannot be run.
    pub fn vsjob(&self, args: &[&str]) -> anyhow::Result<Said> {
        self.house.program.run(args)
    }

    /// Backs the guest up; the job, once it has ended.
    ///
    /// # Errors
    /// It does not end.
    pub fn backup(&self, flags: &[&str]) -> anyhow::Result<Value> {
        let submit = ["submit", "backup", "--name=ldap"];
        let id = self.vsjob(&[&submit[..], flags].concat())?.ok()?;
        self.house.ended(&id)
    }

    /// A backup that is done; the folder of its generation.
    ///
    /// # Errors
    /// It is not done.
    pub fn backed_up(&self, flags: &[&str]) -> anyhow::Result<PathBuf> {
        let job = self.backup(flags)?;
        ensure!(job["state"] == "succeeded", "{job}");
        let folder = self.folder.join(self.names()?.pop().context("no generation")?);
        Ok(folder)
    }

    /// Every byte of the generation is as it was sealed.
    ///
    /// # Errors
    /// One is not.
    pub fn is_as_sealed(&self, generation: &Path) -> anyhow::Result<()> {
        let name = generation.file_name().and_then(|name| name.to_str());
        let verify = ["generation", "verify", "--name=ldap", name.context("no name")?];
        self.vsjob(&verify)?.ok().map(drop)
    }

    /// The generations, as `vsjob generation list` tells of them.
    ///
    /// # Errors
    /// The master does not tell.
    pub fn list(&self) -> anyhow::Result<Vec<Value>> {
        let list = self.vsjob(&["generation", "list", "--json"])?.json()?;
        Ok(list["generations"].as_array().context("no list")?.clone())
    }

    /// Their names, the oldest first.
    ///
    /// # Errors
    /// The master does not tell.
    pub fn names(&self) -> anyhow::Result<Vec<String>> {
        let names = self.list()?.into_iter();
        Ok(names
            .filter_map(|line| line["generation"].as_str().map(str::to_owned))
            .collect())
    }

    /// The tree of a generation is that of the guest.
    ///
    /// # Errors
    /// It is not.
    pub fn is_the_guest(&self, generation: &Path) -> anyhow::Result<()> {
        let tree = self.house.paper.host(1).path(TREE);
        let compared = Command::new("rsync")
            .args(["-naHAXSi", "--delete", "--checksum", "--modify-window=-1"])
            .arg(format!("{}/", tree.display()))
            .arg(format!("{}/", generation.join("tree").display()))
            .output()?;
        let said = String::from_utf8_lossy(&compared.stdout).into_owned();
        ensure!(compared.status.success() && said.is_empty(), "{said}");
        Ok(())
    }

    /// Writes a file of the guest.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        self.house.paper.host(1).write(&format!("{TREE}/{name}"), text)
    }

    /// Runs a script in the tree of the guest.
    ///
    /// # Errors
    /// It fails.
    pub fn run(&self, script: &str) -> anyhow::Result<String> {
        self.house
            .paper
            .host(1)
            .run(&format!("cd \"$R/{TREE}\"; {script}"), &[])
    }
}
