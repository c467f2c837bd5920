//! What jobs may have left on hosts.

use vsjob_engine::{Command, JobId, Mode, Object, Status, Step, StepNo};

use crate::bench::{Answer, Bench, job, step};
use crate::debts::{away, owing};

fn making(action: &str, kind: &str) -> Step {
    let object = Object {
        kind: kind.to_owned(),
        host: "vsh-01".parse().unwrap(),
        name: "ldap".to_owned(),
    };
    Step {
        creates: vec![object],
        ..step(action)
    }
}

async fn left(bench: &Bench) -> Vec<(JobId, String)> {
    let ledger = bench.engine.ledger().await.unwrap().into_iter();
    ledger.map(|(id, object)| (id, object.kind)).collect()
}

#[tokio::test]
async fn what_a_step_may_leave_is_in_the_ledger_from_its_intent_until_it_is_struck_undone_or_meant_to_stay() {
    let bench = Bench::new();
    let swap = Step {
        strikes: vec![StepNo(1)],
        ..step("swap")
    };
    let steps = || {
        vec![
            making("copy", "volume"),
            making("allow", "key"),
            swap.clone(),
            making("slow", "rule"),
        ]
    };
    bench.script.put("slow", Mode::Do, Answer::Never);
    let id = bench.submit(job(None, "guest/ldap", steps())).await;
    bench
        .submit(job(None, "guest/ldap", vec![making("next", "volume")]))
        .await;
    bench.until(id, |_| bench.script.seen().len() == 4).await;
    let there = |kinds: [&str; 2]| kinds.map(|kind| (id, kind.to_owned()));
    assert_eq!(left(&bench).await, there(["volume", "rule"]));
    bench.order(id, Command::Cancel).await;
    assert_eq!(bench.engine.ended(id).await.unwrap().status, Status::Cancelled);
    let done = bench.submit(job(None, "guest/www", steps())).await;
    assert_eq!(bench.engine.ended(done).await.unwrap().status, Status::Succeeded);
    assert_eq!(left(&bench).await, []);
}

#[tokio::test]
async fn what_an_owed_undo_would_take_away_is_in_the_ledger_until_it_is_paid() {
    let bench = Bench::new();
    away(&bench, "copy", 6);
    let steps = vec![making("copy", "volume"), step("fail")];
    let id = owing(&bench, job(None, "guest/ldap", steps)).await;
    assert_eq!(left(&bench).await, [(id, "volume".to_owned())]);
    bench.until(id, |job| job.debts().next().is_none()).await;
    assert_eq!(left(&bench).await, []);
}
