//! The crash and fault matrices of `remove` on paper hosts, with a last generation and without: whatever the moment of
//! the SIGKILL, and whatever goes wrong in a step, the guest is gone but for what waits for its purge, whole, or it
//! lives and runs as before.

use anyhow::{Context, ensure};
use tempfile::TempDir;
use vsjob_tests::hosts::{World, Worlds};
use vsjob_tests::lab_pool::Labs;
use vsjob_tests::master::{self, Life, Report};
use vsjob_tests::matrix::{self, Share, Subject};
use vsjob_tests::{faults, guests};
use vsjob_workflows::{GenerationName, Generations, TreeKind};

struct Remove {
    keep: bool,
    reference: TempDir,
}

impl Remove {
    fn on(worlds: &Worlds, keep: bool) -> anyhow::Result<Self> {
        let reference = tempfile::tempdir()?;
        guests::tree(worlds, reference.path())?;
        Ok(Self { keep, reference })
    }

    /// Every generation there is can be read and is as it was sealed, and nothing else is beside them.
    fn generations(&self, world: &dyn World) -> anyhow::Result<usize> {
        let generations = Generations {
            folder: world.folder().join("state/generations"),
            kind: TreeKind::Folder,
        };
        let guest = "ldap".parse()?;
        for entry in std::fs::read_dir(generations.of(&guest)).into_iter().flatten() {
            let name = entry?.file_name();
            let name: GenerationName = name.to_str().unwrap_or_default().parse()?;
            let differs = generations.verify(&guest, &name, 9)?;
            ensure!(differs.is_empty(), "{name}: {differs:?}");
        }
        let list = generations.list(&guest);
        for (name, read) in &list {
            let of = read.as_ref().map_err(|why| anyhow::anyhow!("{name}: {why}"))?;
            ensure!(of.mode == "cold" && of.facts.running == "yes", "{of:?}");
        }
        Ok(list.len())
    }
}

impl Subject for Remove {
    fn begin(&self, world: &dyn World) -> anyhow::Result<Life> {
        guests::settle(world.host(1), self.reference.path())?;
        let no_keep = ("no-keep", "true");
        let args = [("name", "ldap"), ("stop", "true"), no_keep];
        let args = if self.keep { &args[..2] } else { &args };
        Ok(Life {
            placed: vec![("ldap".to_owned(), world.host(1).name().clone())],
            ..world.life("remove", args)
        })
    }

    fn is_done(&self, world: &dyn World, report: &Report) -> anyhow::Result<()> {
        ensure!(report.placement.is_empty(), "{:?}", report.placement);
        let host = world.host(1);
        guests::nothing_left(host, &["ldap.removed-"])?;
        let left = guests::removed(host)?;
        let tree = left.context("it is not there any more")?;
        guests::same(self.reference.path(), host, &tree)?;
        ensure!(self.generations(world)? == usize::from(self.keep));
        guests::comes_up_nowhere(world)
    }

    fn is_as_before(&self, world: &dyn World, report: &Report) -> anyhow::Result<()> {
        let host = world.host(1);
        ensure!(report.placement == [("ldap".to_owned(), host.name().to_string())]);
        guests::nothing_left(host, &["ldap"])?;
        ensure!(guests::removed(host)?.is_none(), "it is there twice");
        // One that was sealed before it was taken back is as good as any other.
        ensure!(self.generations(world)? <= 1);
        guests::lives_only_on(world, 1, self.reference.path())
    }
}

#[test]
fn a_master() -> anyhow::Result<()> {
    master::serve_if_asked()
}

#[test]
fn a_remove_killed_at_every_durable_write_is_done_or_as_before() -> anyhow::Result<()> {
    let worlds = Worlds::Paper(1);
    for (keep, forward, unwinding) in [(true, 30, 50), (false, 18, 13)] {
        matrix::crash_matrix(&Remove::on(&worlds, keep)?, &worlds, Share::THIRD)?.tell(
            format_args!("remove, keep: {keep}, on paper hosts"),
            (forward, unwinding),
        )?;
    }
    Ok(())
}

#[test]
fn a_remove_with_any_fault_in_any_step_is_done_or_as_before() -> anyhow::Result<()> {
    let worlds = Worlds::Paper(1);
    for (keep, forward) in [(true, 10), (false, 6)] {
        faults::fault_matrix(&Remove::on(&worlds, keep)?, &worlds, Share::THIRD)?.tell(
            format_args!("remove, keep: {keep}, on paper hosts"),
            (forward, 5, 3),
        )?;
    }
    Ok(())
}

#[test]
fn on_real_hosts_a_remove_killed_at_a_durable_write_is_done_or_as_before() -> anyhow::Result<()> {
    let Some(labs) = Labs::up(1)? else { return Ok(()) };
    let worlds = Worlds::Lab(labs);
    matrix::crash_matrix(&Remove::on(&worlds, true)?, &worlds, Share::FIFTIETH)?
        .tell("remove on real hosts", (2, 1))
}
