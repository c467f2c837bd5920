//! A host of a lab that is a virtual machine: this machine sees its files over its console alone.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use vsjob_engine::HostName;

use crate::hosts::Host;
use crate::lab::{Lab, succeeded};
use crate::lab_pool::LabHost;

/// What a matrix does to one, and sees of it.
pub struct VmHost(pub(crate) LabHost);

impl Host for VmHost {
    fn name(&self) -> &HostName {
        self.0.name()
    }

    fn path(&self, path: &str) -> PathBuf {
        Path::new("/nowhere").join(path)
    }

    fn run(&self, text: &str, args: &[&str]) -> anyhow::Result<String> {
        self.0.run(text, args)
    }

    fn reboot(&self) -> anyhow::Result<()> {
        self.0.reboot()
    }

    fn onlooker(&self, program: &str) -> anyhow::Result<(Command, PathBuf)> {
        bail!("{program} does not see the files of {}", self.name())
    }

    fn rsync(&self) -> anyhow::Result<(Command, PathBuf)> {
        let mut rsync = Command::new("rsync");
        rsync.arg("-e").arg(Lab::line_into(&self.0.lab));
        Ok((rsync, PathBuf::from(format!("{}:/", self.name()))))
    }

    fn await_up(&self) -> anyhow::Result<()> {
        self.0.await_up()
    }

    fn has(&self, path: &str) -> bool {
        self.run("test -e \"/$1\" || test -L \"/$1\"", &[path]).is_ok()
    }

    fn read(&self, path: &str) -> anyhow::Result<String> {
        self.run("cat \"/$1\"", &[path])
    }

    fn write(&self, path: &str, text: &str) -> anyhow::Result<()> {
        let write = "mkdir -p \"$(dirname \"/$1\")\"; printf %s \"$2\" >\"/$1\"";
        self.run(write, &[path, text]).map(drop)
    }

    fn put(&self, from: &Path, to: &str) -> anyhow::Result<()> {
        let (mut rsync, root) = self.rsync()?;
        // A folder's content, not the folder.
        let from = if from.is_dir() {
            from.join("")
        } else {
            from.to_owned()
        };
        let output = rsync
            .args(["-aHAXS", "--numeric-ids"])
            .args([from, root.join(to)])
            .output()
            .context("rsync")?;
        succeeded(output, &format!("rsync of {to} to {}", self.name())).map(drop)
    }

    fn names(&self, folder: &str) -> anyhow::Result<Vec<String>> {
        let told = self.run("ls -A \"/$1\" 2>/dev/null || test ! -e \"/$1\"", &[folder])?;
        Ok(told.lines().map(str::to_owned).collect())
    }

    fn volumes(&self) -> anyhow::Result<Vec<String>> {
        let told = self.run("lvs --noheadings -o lv_name vsh", &[])?;
        Ok(told.split_whitespace().map(str::to_owned).collect())
    }
}
