//! The crash and fault matrices of `move` on paper hosts: whatever the moment of the SIGKILL, and whatever goes wrong in
//! a step, the guest lives whole on exactly one host, the one that placement names, and nothing of the move is left but
//! what waits for its purge.

use anyhow::ensure;
use tempfile::TempDir;
use vsjob_tests::master::{self, Life, Report};
use vsjob_tests::matrix::{self, Subject};
use vsjob_tests::paper::PaperPool;
use vsjob_tests::{faults, guests};

struct Move {
    reference: TempDir,
}

impl Subject for Move {
    type World = PaperPool;

    fn world(&self) -> anyhow::Result<PaperPool> {
        let pool = PaperPool::new(2)?;
        guests::settle(pool.host(1), self.reference.path())?;
        Ok(pool)
    }

    fn life(&self, world: &PaperPool) -> Life {
        Life {
            folder: world.folder().to_owned(),
            operation: "move".to_owned(),
            args: [("name", "ldap"), ("dst", "vsh-02")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec(),
            placed: vec![("ldap".to_owned(), world.host(1).name.clone())],
            templates: Vec::new(),
            crash: None,
            failing: None,
            reboot: None,
            limit: None,
        }
    }

    fn is_done(&self, world: &PaperPool, report: &Report) -> anyhow::Result<()> {
        ensure!(
            report.placement == [("ldap".to_owned(), "vsh-02".to_owned())],
            "{:?}",
            report.placement
        );
        guests::nothing_left(world.host(1), &["ldap.moved-"])?;
        guests::nothing_left(world.host(2), &["ldap"])?;
        guests::lives_only_on(world, 2, self.reference.path())
    }

    fn is_as_before(&self, world: &PaperPool, report: &Report) -> anyhow::Result<()> {
        ensure!(
            report.placement == [("ldap".to_owned(), "vsh-01".to_owned())],
            "{:?}",
            report.placement
        );
        guests::nothing_left(world.host(1), &["ldap"])?;
        guests::nothing_left(world.host(2), &[])?;
        guests::lives_only_on(world, 1, self.reference.path())
    }
}

#[test]
fn a_master() -> anyhow::Result<()> {
    master::serve_if_asked()
}

#[test]
fn a_move_killed_at_every_durable_write_is_done_or_as_before() -> anyhow::Result<()> {
    let reference = tempfile::tempdir()?;
    guests::fill(reference.path())?;
    let counts = matrix::crash_matrix(&Move { reference })?;
    println!(
        "move: {} crash points forward, {} unwinding",
        counts.forward, counts.unwinding
    );
    ensure!(
        counts.forward >= 40 && counts.unwinding >= 200,
        "too few: {counts:?}"
    );
    Ok(())
}

#[test]
fn a_move_with_any_fault_in_any_step_is_done_or_as_before() -> anyhow::Result<()> {
    if !faults::asked_for() {
        return Ok(());
    }
    let reference = tempfile::tempdir()?;
    guests::fill(reference.path())?;
    let counts = faults::fault_matrix(&Move { reference })?;
    println!("move: {counts}");
    ensure!(
        counts.forward >= 80 && counts.unwinding >= 30 && counts.reboots >= 60,
        "too few: {counts:?}"
    );
    Ok(())
}
