//! The crash and fault matrices of `undelete` on paper hosts: whatever the moment of the SIGKILL, and whatever goes wrong
//! in a step, the guest lives and runs as before it was removed, or what was removed waits for its purge, whole.

use anyhow::{Context, ensure};
use tempfile::TempDir;
use vsjob_tests::hosts::{World, Worlds};
use vsjob_tests::master::{self, Life, Report};
use vsjob_tests::matrix::{self, Share, Subject};
use vsjob_tests::{faults, guests};

struct Undelete {
    reference: TempDir,
}

impl Undelete {
    fn on(worlds: &Worlds) -> anyhow::Result<Self> {
        let reference = tempfile::tempdir()?;
        guests::tree(worlds, reference.path())?;
        Ok(Self { reference })
    }
}

impl Subject for Undelete {
    fn begin(&self, world: &dyn World) -> anyhow::Result<Life> {
        guests::settle(world.host(1), self.reference.path())?;
        let args = [("name", "ldap"), ("stop", "true"), ("no-keep", "true")];
        let remove = Life {
            placed: vec![("ldap".to_owned(), world.host(1).name().clone())],
            ..world.life("remove", &args)
        };
        remove.run()?.context("a life without a crash died")?;
        Ok(world.life("undelete", &[("name", "ldap")]))
    }

    fn is_done(&self, world: &dyn World, report: &Report) -> anyhow::Result<()> {
        let host = world.host(1);
        ensure!(report.placement == [("ldap".to_owned(), host.name().to_string())]);
        guests::nothing_left(host, &["ldap"])?;
        ensure!(guests::removed(host)?.is_none(), "it is there twice");
        guests::lives_only_on(world, 1, self.reference.path())
    }

    fn is_as_before(&self, world: &dyn World, report: &Report) -> anyhow::Result<()> {
        ensure!(report.placement.is_empty(), "{:?}", report.placement);
        let host = world.host(1);
        guests::nothing_left(host, &["ldap.removed-"])?;
        let tree = guests::removed(host)?.context("it is not there any more")?;
        guests::same(self.reference.path(), host, &tree)?;
        guests::comes_up_nowhere(world)
    }
}

#[test]
fn a_master() -> anyhow::Result<()> {
    master::serve_if_asked()
}

#[test]
fn an_undelete_killed_at_every_durable_write_is_done_or_as_before() -> anyhow::Result<()> {
    let worlds = Worlds::Paper(1);
    matrix::crash_matrix(&Undelete::on(&worlds)?, &worlds, Share::THIRD)?
        .tell("undelete on paper hosts", (20, 6))
}

#[test]
fn an_undelete_with_any_fault_in_any_step_is_done_or_as_before() -> anyhow::Result<()> {
    let worlds = Worlds::Paper(1);
    faults::fault_matrix(&Undelete::on(&worlds)?, &worlds, Share::THIRD)?
        .tell("undelete on paper hosts", (6, 2, 2))
}
