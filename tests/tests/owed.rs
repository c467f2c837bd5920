//! What a job that is over still owes to a host is paid when that is back, maybe late, and maybe twice: by then a later job
//! may have brought the same guest there. It takes nothing of that back.

use anyhow::{Context, ensure};
use vsjob_engine::StepNo;
use vsjob_tests::by_steps::BySteps;
use vsjob_tests::guests;
use vsjob_tests::hosts::World as _;
use vsjob_tests::paper::PaperPool;

fn a_move(pool: &PaperPool) -> anyhow::Result<BySteps> {
    let given = [("name", "ldap"), ("dst", "vsh-02"), ("max-downtime", "10m")];
    let (guest, host) = ("ldap".parse()?, pool.host(1).name().clone());
    BySteps::new(pool, "move", &given, |site| {
        site.placement.insert(guest, host);
    })
}

fn numbers(until: usize) -> impl DoubleEndedIterator<Item = StepNo> {
    (0..u16::try_from(until).unwrap_or(u16::MAX)).map(StepNo)
}

/// A move is taken back from `until`, which was never done; another one succeeds; and then what the first one owes to the
/// target is paid once more.
async fn paid_late(until: StepNo) -> anyhow::Result<()> {
    let (pool, reference) = (PaperPool::new(2)?, tempfile::tempdir()?);
    guests::fill(reference.path())?;
    guests::settle(pool.host(1), reference.path())?;
    let mut first = a_move(&pool)?;
    for no in numbers(until.index()) {
        first.perform(no).await?;
    }
    for no in numbers(until.index() + 1).rev() {
        first.take_back(no).await?;
    }
    let mut second = a_move(&pool)?.beside(&first);
    for no in numbers(second.plan.steps.len()) {
        second.perform(no).await?;
    }
    for no in numbers(until.index() + 1).rev() {
        if first.plan.steps[no.index()].hosts.first() == Some(pool.host(2).name()) {
            first.take_back(no).await?;
        }
    }
    guests::nothing_left(pool.host(1), &["ldap.moved-"])?;
    guests::nothing_left(pool.host(2), &["ldap"])?;
    guests::lives_only_on(&pool, 2, reference.path())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_job_owes_takes_nothing_of_a_later_one() -> anyhow::Result<()> {
    let pool = PaperPool::new(2)?;
    let plan = a_move(&pool)?.plan;
    let pivot = plan.pivot().context("it has no pivot")?;
    let mut tried = 0;
    for until in numbers(pivot.index()) {
        let step = &plan.steps[until.index()];
        if step.undo.is_some() && step.hosts.first() == Some(pool.host(2).name()) {
            paid_late(until).await.with_context(|| step.title.clone())?;
            tried += 1;
        }
    }
    ensure!(tried >= 5, "only {tried}");
    Ok(())
}
