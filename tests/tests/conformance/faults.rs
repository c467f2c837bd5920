//! What only paper hosts can be ordered to do: each fault, in what a step does and in its undo, with either launcher.

use vsjob_engine::{Outcome, StepNo};
use vsjob_tests::ground::Ground;
use vsjob_tests::hosts::{During, Fault, Host as _};
use vsjob_tests::paper::PaperPool;

use crate::{APPEND, bench, done, to_the_end, undo};

#[tokio::test]
async fn whatever_happens_to_a_step_its_effect_is_there_once_or_not_at_all() -> anyhow::Result<()> {
    for systemd in [false, true] {
        for fault in Fault::ALL {
            let ground = Ground::paper(1, systemd)?;
            let Ground::Paper(paper) = &ground else { continue };
            let host = PaperPool::paper_host(paper, 1);
            let bench = bench(&ground)?;
            host.order(fault, During::Do(StepNo(0)))?;
            let work = bench.work(&APPEND, &[&bench.file, "once", "0"]);
            let outcome = to_the_end(&bench, work.clone()).await?;
            let what = format!("{fault:?}, systemd: {systemd}: {outcome:?}");
            assert!(host.faults_done().contains("step-1"), "it never happened: {what}");
            if fault == Fault::Fail {
                assert!(matches!(outcome, Outcome::Failed(_)), "{what}");
                assert!(bench.wrote().is_empty(), "{what}");
            } else {
                assert!(done(&outcome), "{what}");
                assert_eq!(bench.wrote(), "once\n", "{what}");
            }
            host.order(fault, During::Undo(StepNo(0)))?;
            let outcome = to_the_end(&bench, undo(&work)).await?;
            let what = format!("undo: {fault:?}, systemd: {systemd}: {outcome:?}");
            assert!(
                host.faults_done().contains("step-u1"),
                "it never happened: {what}"
            );
            assert_eq!(done(&outcome), fault != Fault::Fail, "{what}");
            if fault != Fault::Fail {
                assert!(bench.wrote().is_empty(), "{what}");
            }
        }
    }
    Ok(())
}
