//! An undo that is owed to a host that is away: it is paid when the host is back, whatever else is owed and under way.

use std::time::Duration;

use vsjob_engine::{
    Class, Command, EngineError, Failure, Job, JobId, Mode, NewJob, Outcome, Status, Step, StepState,
    UndoKind,
};

use crate::bench::{Answer, Bench, actor, failed, job, open, step};

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

#[tokio::test]
async fn a_gating_undo_waits_for_its_host_and_a_cleaning_one_becomes_a_debt_that_is_paid() {
    let bench = Bench::new();
    let away = || {
        Answer::Outcome(Outcome::Unknown(Failure::new(
            Class::Transient,
            "T3",
            "vsh-01 does not answer",
        )))
    };
    let mut gate = step("gate");
    gate.undo = Some(UndoKind::Gating);
    for _ in 0..20 {
        bench.script.put("gate", Mode::Undo, away());
    }
    for _ in 0..7 {
        bench.script.put("clean", Mode::Undo, away());
    }
    bench.script.put("fail", Mode::Do, failed(Class::Permanent));
    let id = bench
        .submit(job(
            None,
            "guest/ldap",
            vec![step("first"), gate, step("clean"), step("fail")],
        ))
        .await;
    let end = bench.end(id).await;
    assert!(matches!(end.status, Status::RolledBack(_)));
    assert_eq!(end.steps[1].state, StepState::Undone);
    assert!(
        matches!(end.steps[2].state, StepState::Owed(_)),
        "{:?}",
        end.steps[2].state
    );
    assert_eq!(bench.engine.debts().await.unwrap().len(), 1);
    assert!(
        bench.engine.locks().await.unwrap().is_empty(),
        "a job that is over holds no lock"
    );

    bench
        .until(id, |job| job.steps[2].state == StepState::Undone)
        .await;
    assert!(bench.engine.debts().await.unwrap().is_empty());
}

#[tokio::test]
async fn debts_are_paid_backwards_on_a_host_and_one_that_stays_away_holds_up_no_other() {
    let bench = Bench::new();
    let away = |times: usize, action: &str| {
        for _ in 0..times {
            let failure = Failure::new(Class::Transient, "T3", "it does not answer");
            let answer = Answer::Outcome(Outcome::Unknown(failure));
            bench.script.put(action, Mode::Undo, answer);
        }
    };
    let on = |action: &str, host: &str| Step {
        hosts: vec![host.parse().unwrap()],
        ..step(action)
    };
    // Four times in vain, and each is owed; the second host stays away for long.
    for (times, action) in [(4, "first"), (4, "last"), (12, "gone")] {
        away(times, action);
    }
    bench.script.put("fail", Mode::Do, failed(Class::Permanent));
    let steps = vec![
        on("first", "vsh-01"),
        on("last", "vsh-01"),
        on("gone", "vsh-02"),
        step("fail"),
    ];
    let id = bench.submit(job(None, "guest/ldap", steps)).await;
    bench.end(id).await;
    let paid = bench
        .until(id, |job| job.steps[0].state == StepState::Undone)
        .await;
    assert_eq!(paid.steps[1].state, StepState::Undone, "out of order");
    assert!(
        matches!(paid.steps[2].state, StepState::Owed(_)),
        "not away any more"
    );
    bench
        .until(id, |job| job.steps[2].state == StepState::Undone)
        .await;
}

#[tokio::test]
async fn a_debt_whose_action_this_program_does_not_have_stays_owed_and_its_job_over() {
    let mut bench = Bench::new();
    for _ in 0..5 {
        let away = Failure::new(Class::Transient, "T3", "vsh-01 does not answer");
        bench
            .script
            .put("clean", Mode::Undo, Answer::Outcome(Outcome::Unknown(away)));
    }
    bench.script.put("fail", Mode::Do, failed(Class::Permanent));
    let id = bench
        .submit(job(None, "guest/ldap", vec![step("clean"), step("fail")]))
        .await;
    let over = bench.end(id).await;
    assert!(matches!(over.steps[0].state, StepState::Owed(_)));
    bench.script.unlearn("clean");
    bench.engine = open(&bench.store, &bench.script, &bench.clock);
    // Another job has its lock by now, while the debt is asked for again and again.
    bench.script.put("slow", Mode::Do, Answer::Never);
    let next = bench.submit(job(None, "guest/ldap", vec![step("slow")])).await;
    bench.until(next, |job| job.status == Status::Running).await;
    for _ in 0..2000 {
        bench.clock.advance(Duration::from_millis(50));
        tokio::task::yield_now().await;
    }
    let known = bench.engine.job(id).await.unwrap().unwrap().job;
    assert_eq!(known.status, over.status);
    let refused = bench.engine.command(id, Command::Resume, actor()).await;
    assert!(matches!(refused, Err(EngineError::Over { .. })), "{refused:?}");
    bench.script.learn_all();
    bench
        .until(id, |job| job.steps[0].state == StepState::Undone)
        .await;
}
