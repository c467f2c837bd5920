//! Before the pivot a job changes nothing until all its hosts are claimed; what takes back needs only its own.

use vsjob_engine::{Actions, Outcome};
use vsjob_tests::ground::Ground;
use vsjob_tests::hosts::Host as _;

use crate::{APPEND, again, bench, done, to_the_end, undo};

#[tokio::test]
async fn nothing_is_changed_while_a_host_of_the_job_is_away_and_an_undo_does_not_wait_for_it()
-> anyhow::Result<()> {
    let ground = Ground::paper(2, false)?;
    let Ground::Paper(paper) = &ground else {
        return Ok(());
    };
    let other = paper.paper_host(2);
    let bench = bench(&ground)?;
    let mut work = bench.work(&APPEND, &[&bench.file, "once", "0"]);
    work.claims = vec![ground.host(), other.name.clone()];

    other.power_off()?;
    for work in [work.clone(), again(&work), again(&work)] {
        let outcome = bench.pool.perform(work).await;
        let Outcome::Unknown(failure) = outcome else {
            anyhow::bail!("{outcome:?}");
        };
        assert!(failure.message.contains("vsh-02 does not answer"), "{failure}");
    }
    assert_eq!(bench.wrote(), "");
    assert!(!ground.has(&format!("var/lib/vsjob/run/{}-1-1", bench.job)));

    let mut back = undo(&work);
    back.claims = vec![ground.host()];
    let outcome = bench.pool.perform(back).await;
    assert!(done(&outcome), "{outcome:?}");

    other.reboot()?;
    work.job = vsjob_engine::JobId::new(vsjob_engine::Timestamp::from_millis(2));
    assert_eq!(bench.pool.perform(again(&work)).await, Outcome::NotDone);
    let outcome = to_the_end(&bench, work).await?;
    assert!(done(&outcome), "{outcome:?}");
    assert_eq!(bench.wrote(), "once\n");
    assert!(other.has("var/lib/vsjob/epoch"));
    Ok(())
}

#[tokio::test]
async fn what_was_launched_before_a_host_went_away_is_found_to_have_ended() -> anyhow::Result<()> {
    let ground = Ground::paper(2, false)?;
    let Ground::Paper(paper) = &ground else {
        return Ok(());
    };
    let bench = bench(&ground)?;
    let mut work = bench.work(&APPEND, &[&bench.file, "once", "0"]);
    work.claims = vec![ground.host(), paper.paper_host(2).name.clone()];
    assert!(done(&bench.pool.perform(work.clone()).await));
    paper.paper_host(2).power_off()?;
    // Another life of the master, which has claimed nothing yet.
    let outcome = bench.another_pool()?.perform(again(&work)).await;
    assert!(done(&outcome), "{outcome:?}");
    Ok(())
}
