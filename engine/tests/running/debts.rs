//! An undo that is owed to a host that is away: it is paid when the host is back, whatever else is owed and under way.

use vsjob_engine::{Class, Failure, Job, JobId, Mode, NewJob, Outcome, Step, StepState};

use crate::bench::{Answer, Bench, actor, failed, job, step};

fn on(action: &str, host: &str) -> Step {
    Step {
        hosts: vec![host.parse().unwrap()],
        ..step(action)
    }
}

/// The host does not answer so many times when it is asked to undo the action.
pub(crate) fn away(bench: &Bench, action: &str, times: usize) {
    for _ in 0..times {
        let failure = Failure::new(Class::Transient, "T3", "it does not answer");
        let answer = Answer::Outcome(Outcome::Unknown(failure));
        bench.script.put(action, Mode::Undo, answer);
    }
}

/// A job that ends owing the undo of its first step.
pub(crate) async fn owing(bench: &Bench, new: NewJob) -> JobId {
    bench.script.put("fail", Mode::Do, failed(Class::Permanent));
    let id = bench.submit(new).await;
    let over = bench.end(id).await;
    assert!(matches!(over.steps[0].state, StepState::Owed(_)));
    id
}

#[tokio::test]
async fn hosts_forget_a_job_once_it_is_over_and_owes_nothing() {
    let bench = Bench::new();
    let done = bench.submit(job(None, "guest/www", vec![step("a")])).await;
    bench.end(done).await;
    assert_eq!(bench.script.forgotten(), [done]);
    let here = Step {
        hosts: Vec::new(),
        ..step("here")
    };
    let nowhere = bench.submit(job(None, "guest/www", vec![here])).await;
    bench.end(nowhere).await;

    away(&bench, "clean", 6);
    let owes = owing(&bench, job(None, "guest/ldap", vec![step("clean"), step("fail")])).await;
    assert_eq!(bench.script.forgotten(), [done]);
    bench
        .until(owes, |job| job.steps[0].state == StepState::Undone)
        .await;
    assert_eq!(bench.script.forgotten(), [done, owes]);

    away(&bench, "gone", 1000);
    let steps = vec![on("gone", "vsh-02"), on("gone", "vsh-02"), step("fail")];
    let struck = owing(&bench, job(None, "guest/ldap", steps)).await;
    let gone = "vsh-02".parse().unwrap();
    bench.engine.forget_host(gone, false, actor()).await.unwrap();
    assert_eq!(bench.script.forgotten(), [done, owes, struck]);
}

#[tokio::test]
async fn each_try_to_pay_a_debt_has_a_number_of_its_own() {
    let bench = Bench::new();
    away(&bench, "clean", 7);
    let owes = owing(&bench, job(None, "guest/ldap", vec![step("clean"), step("fail")])).await;
    bench
        .until(owes, |job| job.steps[0].state == StepState::Undone)
        .await;
    let seen = bench.script.seen().into_iter();
    let undone = seen.filter(|seen| seen.action == "clean" && seen.mode == Mode::Undo);
    let attempts: Vec<u32> = undone.map(|seen| seen.attempt).collect();
    // The first is asked for four times before it is owed.
    assert_eq!(attempts, [1, 1, 1, 1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn what_several_jobs_owe_is_paid_by_each() {
    let bench = Bench::new();
    let mut owing = Vec::new();
    for (action, host) in [("one", "vsh-01"), ("two", "vsh-02"), ("three", "vsh-03")] {
        away(&bench, action, 8);
        let new = job(None, "guest/ldap", vec![on(action, host), on("fail", host)]);
        owing.push(self::owing(&bench, new).await);
    }
    for id in owing {
        bench
            .until(id, |job| job.steps[0].state == StepState::Undone)
            .await;
    }
}

#[tokio::test]
async fn a_host_that_is_gone_holds_up_no_debt_while_it_is_asked_for_its_own() {
    let bench = Bench::new();
    let steps = vec![on("away", "vsh-02"), on("gone", "vsh-01"), step("fail")];
    away(&bench, "away", 5);
    away(&bench, "gone", 4);
    bench.script.put("gone", Mode::Undo, Answer::Never);
    let id = owing(&bench, job(None, "guest/ldap", steps)).await;
    let asked = |_: &Job| {
        let seen = bench.script.seen().into_iter();
        seen.filter(|seen| seen.action == "gone" && seen.mode == Mode::Undo)
            .count()
            == 5
    };
    bench.until(id, asked).await;
    let gone = "vsh-01".parse().unwrap();
    bench.engine.forget_host(gone, false, actor()).await.unwrap();
    bench.until(id, |job| job.debts().next().is_none()).await;
}
