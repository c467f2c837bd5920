//! Two masters: the older one changes nothing.

use anyhow::Context;
use vsjob_engine::{Actions, Outcome, StepNo};
use vsjob_workers::{HostError, RunName};

use crate::{APPEND, Bench, done, epoch};

pub(crate) async fn an_older_master_changes_nothing(bench: &Bench) -> anyhow::Result<()> {
    assert!(done(
        &bench
            .pool
            .perform(bench.work(&APPEND, &[&bench.file, "old", "0"]))
            .await
    ));
    let newer = bench.another_pool()?;
    let mut claims = newer.claims().context("nobody has asked before")?;
    newer.claim(epoch(bench.epoch.counter + 1)).await;
    let claim = claims.try_recv()?;
    assert!(claim.jobs().contains(&bench.job), "{claim:?}");
    let ours: RunName = format!("{}-1-1", bench.job).parse()?;
    assert!(claim.runs.contains(&ours), "{claim:?}");

    let mut late = bench.work(&APPEND, &[&bench.file, "late", "0"]);
    late.step = StepNo(1);
    let outcome = bench.pool.perform(late).await;
    assert!(
        matches!(&outcome, Outcome::Unknown(failure) if failure.code == "VSJ0304"),
        "{outcome:?}"
    );
    assert!(bench.pool.superseded().borrow().is_some());
    assert_eq!(bench.wrote(), "old\n");

    // Nor does another master that drew the same counter.
    let twin = bench.another_pool()?;
    let claims = twin.claim(epoch(bench.epoch.counter + 1)).await;
    assert!(
        matches!(claims[0].1, Err(HostError::EpochRefused { .. })),
        "{claims:?}"
    );
    Ok(())
}
