//! The crash and fault matrices of `restore`, on paper hosts: whatever the moment of the SIGKILL, and whatever goes wrong
//! in a step, the guest lives as its generation has it, or there is nothing of it; and the generation is as it was sealed.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use tempfile::TempDir;
use vsjob_tests::hosts::{World, Worlds};
use vsjob_tests::master::{self, Life, Report};
use vsjob_tests::matrix::{self, Share, Subject};
use vsjob_tests::{faults, figures, guests};
use vsjob_workflows::{Generations, TreeKind};

struct Restore {
    reference: TempDir,
    /// Generations as a backup left them.
    kept: TempDir,
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let copied = Command::new("cp")
        .args(["-a", "--no-target-directory"])
        .args([from, to])
        .status()?;
    ensure!(copied.success(), "cp: {copied}");
    Ok(())
}

impl Restore {
    /// With a generation of a guest that ran and was enabled.
    fn on(worlds: &Worlds) -> anyhow::Result<Self> {
        let (reference, kept) = (tempfile::tempdir()?, tempfile::tempdir()?);
        guests::tree(worlds, reference.path())?;
        let world = worlds.world()?;
        guests::settle(world.host(1), reference.path())?;
        let life = Life {
            placed: vec![("ldap".to_owned(), world.host(1).name().clone())],
            ..world.life("backup", &[("name", "ldap")])
        };
        life.run()?.context("a life without a crash died")?;
        copy(
            &life.folder.join("state/generations"),
            &kept.path().join("generations"),
        )?;
        Ok(Self { reference, kept })
    }

    /// What the master keeps is what it kept.
    fn is_kept(world: &dyn World) -> anyhow::Result<()> {
        let generations = Generations {
            folder: world.folder().join("state/generations"),
            kind: TreeKind::Folder,
        };
        let guest = "ldap".parse()?;
        let names = generations.names_of(&guest);
        let left = std::fs::read_dir(generations.of(&guest))?.count();
        ensure!(
            names.len() == 1 && left == 1,
            "{left} things are there, {names:?}"
        );
        for name in names {
            let differs = generations.verify(&guest, &name, 9)?;
            ensure!(differs.is_empty(), "{name}: {differs:?}");
        }
        Ok(())
    }
}

impl Subject for Restore {
    fn begin(&self, world: &dyn World) -> anyhow::Result<Life> {
        let state = world.folder().join("state");
        std::fs::create_dir_all(&state)?;
        copy(&self.kept.path().join("generations"), &state.join("generations"))?;
        Ok(world.life("restore", &[("name", "ldap"), ("host", "vsh-02")]))
    }

    fn is_done(&self, world: &dyn World, report: &Report) -> anyhow::Result<()> {
        ensure!(
            report.placement == [("ldap".to_owned(), "vsh-02".to_owned())],
            "{:?}",
            report.placement
        );
        guests::nothing_left(world.host(1), &[])?;
        guests::nothing_left(world.host(2), &["ldap"])?;
        Self::is_kept(world)?;
        guests::lives_only_on(world, 2, self.reference.path())
    }

    fn is_as_before(&self, world: &dyn World, report: &Report) -> anyhow::Result<()> {
        ensure!(report.placement.is_empty(), "{:?}", report.placement);
        for host in world.hosts() {
            guests::nothing_left(host, &[])?;
        }
        Self::is_kept(world)
    }
}

#[test]
fn a_master() -> anyhow::Result<()> {
    master::serve_if_asked()
}

#[test]
fn a_restore_killed_at_every_durable_write_is_done_or_as_before() -> anyhow::Result<()> {
    let worlds = Worlds::Paper(2);
    let counts = matrix::crash_matrix(&Restore::on(&worlds)?, &worlds, Share::All)?;
    figures::tell(format_args!("restore on paper hosts: {counts}"));
    ensure!(
        counts.forward >= 30 && counts.unwinding >= 100,
        "too few: {counts:?}"
    );
    Ok(())
}

#[test]
fn a_restore_with_any_fault_in_any_step_is_done_or_as_before() -> anyhow::Result<()> {
    let worlds = Worlds::Paper(2);
    let counts = faults::fault_matrix(&Restore::on(&worlds)?, &worlds, Share::All)?;
    figures::tell(format_args!("restore on paper hosts: {counts}"));
    ensure!(
        counts.forward >= 50 && counts.unwinding >= 15 && counts.reboots >= 25,
        "too few: {counts:?}"
    );
    Ok(())
}
