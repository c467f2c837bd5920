//! The crash and fault matrices of `rename` on paper hosts: whatever the moment of the SIGKILL, and whatever goes wrong in
//! a step, the guest lives and runs under its new name alone, or under its old one, to the last byte as before.

use anyhow::{Context, ensure};
use std::process::Command;
use tempfile::TempDir;
use vsjob_tests::hosts::{World, Worlds};
use vsjob_tests::lab_pool::Labs;
use vsjob_tests::master::{self, Life, Report};
use vsjob_tests::matrix::{self, Share, Subject};
use vsjob_tests::{faults, guests};

/// The files that have the guest's name in them, before and after.
const NAMED: [(&str, &str, &str); 2] = [
    ("etc/hostname", "ldap\n", "web\n"),
    (
        "etc/hosts",
        "127.0.0.1 localhost\n10.77.1.9 ldap.lab ldap openldap ldap-2\n",
        "127.0.0.1 localhost\n10.77.1.9 web.lab web openldap ldap-2\n",
    ),
];

struct Rename {
    reference: TempDir,
}

impl Rename {
    fn on(worlds: &Worlds) -> anyhow::Result<Self> {
        let reference = tempfile::tempdir()?;
        guests::tree(worlds, reference.path())?;
        for (file, text, _) in NAMED {
            std::fs::write(reference.path().join(file), text)?;
        }
        Ok(Self { reference })
    }
}

impl Subject for Rename {
    fn begin(&self, world: &dyn World) -> anyhow::Result<Life> {
        guests::settle(world.host(1), self.reference.path())?;
        let args = [("name", "ldap"), ("to", "web"), ("stop", "true")];
        Ok(Life {
            placed: vec![("ldap".to_owned(), world.host(1).name().clone())],
            ..world.life("rename", &args)
        })
    }

    fn is_done(&self, world: &dyn World, report: &Report) -> anyhow::Result<()> {
        let host = world.host(1);
        ensure!(report.placement == [("web".to_owned(), host.name().to_string())]);
        guests::nothing_left(host, &["web"])?;
        guests::is_nowhere(world, "ldap")?;
        for (file, _, text) in NAMED {
            let path = format!("var/lib/machines/web/{file}");
            ensure!(host.read(&path)? == text, "{}", host.read(&path)?);
            let was = self.reference.path().join(file);
            let copied = Command::new("cp")
                .arg("-a")
                .args([&was, &host.path(&path)])
                .status()?;
            ensure!(copied.success(), "cp: {copied}");
        }
        guests::same(self.reference.path(), host, "var/lib/machines/web")?;
        guests::called_so_comes_up_only_on(world, 1, "web")?;
        guests::nothing_left(host, &["web"]).context("after a reboot")
    }

    fn is_as_before(&self, world: &dyn World, report: &Report) -> anyhow::Result<()> {
        let host = world.host(1);
        ensure!(report.placement == [("ldap".to_owned(), host.name().to_string())]);
        guests::nothing_left(host, &["ldap"])?;
        guests::is_nowhere(world, "web")?;
        guests::lives_only_on(world, 1, self.reference.path())
    }
}

#[test]
fn a_master() -> anyhow::Result<()> {
    master::serve_if_asked()
}

#[test]
fn a_rename_killed_at_every_durable_write_is_done_or_as_before() -> anyhow::Result<()> {
    let worlds = Worlds::Paper(1);
    matrix::crash_matrix(&Rename::on(&worlds)?, &worlds, Share::THIRD)?
        .tell("rename on paper hosts", (24, 20))
}

#[test]
fn a_rename_with_any_fault_in_any_step_is_done_or_as_before() -> anyhow::Result<()> {
    let worlds = Worlds::Paper(1);
    faults::fault_matrix(&Rename::on(&worlds)?, &worlds, Share::THIRD)?
        .tell("rename on paper hosts", (13, 6, 4))
}

#[test]
fn on_real_hosts_a_rename_killed_at_a_durable_write_is_done_or_as_before() -> anyhow::Result<()> {
    let Some(labs) = Labs::up(1)? else { return Ok(()) };
    let worlds = Worlds::Lab(labs);
    matrix::crash_matrix(&Rename::on(&worlds)?, &worlds, Share::FIFTIETH)?
        .tell("rename on real hosts", (2, 1))
}
