//! The crash and fault matrices of `create` on paper hosts: whatever the moment of the SIGKILL, and whatever goes wrong
//! in a step, there is a whole guest that runs and is enabled, or there is nothing.

use std::path::PathBuf;
use std::process::Command;

use anyhow::ensure;
use tempfile::TempDir;
use vsjob_tests::master::{self, Life, Report};
use vsjob_tests::matrix::{self, Subject};
use vsjob_tests::paper::PaperPool;
use vsjob_tests::{faults, guests};

struct Create {
    template: PathBuf,
}

impl Subject for Create {
    type World = PaperPool;

    fn world(&self) -> anyhow::Result<PaperPool> {
        PaperPool::new(2)
    }

    fn life(&self, world: &PaperPool) -> Life {
        let args = [
            ("name", "ldap"),
            ("interface", "10.77.1.9/16"),
            ("host", "vsh-01"),
            ("template", "paper"),
            ("start", "true"),
            ("enable", "true"),
        ];
        Life {
            folder: world.folder().to_owned(),
            operation: "create".to_owned(),
            args: args
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec(),
            placed: Vec::new(),
            templates: vec![("paper".to_owned(), self.template.clone())],
            crash: None,
            failing: None,
            reboot: None,
            limit: None,
        }
    }

    fn is_done(&self, world: &PaperPool, report: &Report) -> anyhow::Result<()> {
        ensure!(
            report.placement == [("ldap".to_owned(), "vsh-01".to_owned())],
            "{:?}",
            report.placement
        );
        let host = world.host(1);
        guests::nothing_left(host, &["ldap"])?;
        guests::nothing_left(world.host(2), &[])?;
        ensure!(
            host.read("var/lib/machines/ldap/etc/hostname")?.trim() == "ldap",
            "its host name"
        );
        ensure!(
            host.read("var/lib/machines/ldap/var/lib/data/7")? == "entry 7\n",
            "its content"
        );
        guests::comes_up_only_on(world, 1)
    }

    fn is_as_before(&self, world: &PaperPool, report: &Report) -> anyhow::Result<()> {
        ensure!(report.placement.is_empty(), "{:?}", report.placement);
        for host in world.hosts() {
            guests::nothing_left(host, &[])?;
        }
        Ok(())
    }
}

/// The archive of a guest's tree.
fn template(folder: &TempDir) -> anyhow::Result<PathBuf> {
    let (tree, archive) = (folder.path().join("tree"), folder.path().join("paper.tar"));
    std::fs::create_dir(&tree)?;
    guests::fill(&tree)?;
    let status = Command::new("tar")
        .arg("-cf")
        .arg(&archive)
        .arg("-C")
        .arg(&tree)
        .arg(".")
        .status()?;
    ensure!(status.success(), "tar: {status}");
    Ok(archive)
}

#[test]
fn a_master() -> anyhow::Result<()> {
    master::serve_if_asked()
}

#[test]
fn a_create_killed_at_every_durable_write_is_done_or_as_before() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let counts = matrix::crash_matrix(&Create {
        template: template(&folder)?,
    })?;
    println!("create: {counts}");
    ensure!(
        counts.forward >= 20 && counts.unwinding >= 100,
        "too few: {counts:?}"
    );
    Ok(())
}

#[test]
fn a_create_with_any_fault_in_any_step_is_done_or_as_before() -> anyhow::Result<()> {
    if !faults::asked_for() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let counts = faults::fault_matrix(&Create {
        template: template(&folder)?,
    })?;
    println!("create: {counts}");
    ensure!(
        counts.forward >= 50 && counts.unwinding >= 15 && counts.reboots >= 30,
        "too few: {counts:?}"
    );
    Ok(())
}
