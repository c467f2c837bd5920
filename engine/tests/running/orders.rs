//! What may be ordered of a job in which state: an order that means nothing there is refused for its own reason, and leaves
//! no trace.

use std::time::Duration;

use vsjob_engine::{
    Arg, Class, Command, EngineError, JobId, Mode, Status, Step, StepNo, StepState, UndoKind, Value,
};

use crate::bench::{Answer, Bench, actor, failed, job, step};

const LDAP: &str = "guest/ldap";

/// How an order is answered, by the name of the refusal.
async fn answer(bench: &Bench, id: JobId, command: Command) -> &'static str {
    match bench.engine.command(id, command, actor()).await {
        Ok(()) => "taken",
        Err(EngineError::AlreadyUnwinding(of)) if of == id => "unwinds already",
        Err(EngineError::PastPivot { job, step }) if job == id && step == "pivot" => "past its pivot",
        Err(EngineError::CannotPause { job, state }) if job == id => state,
        Err(EngineError::NothingToResume(of)) if of == id => "nothing to resume",
        Err(EngineError::Over { job, .. }) if job == id => "over",
        Err(other) => panic!("{command:?}: {other:?}"),
    }
}

/// That each of these is refused so, and that the job's history knows nothing of it.
async fn refuses(bench: &Bench, id: JobId, orders: &[(Command, &'static str)]) {
    let history = bench.engine.history(id).await.unwrap().len();
    for (command, wanted) in orders {
        assert_eq!(answer(bench, id, *command).await, *wanted, "{command:?}");
    }
    assert_eq!(bench.engine.history(id).await.unwrap().len(), history);
}

async fn begun(
    bench: &Bench,
    steps: Vec<Step>,
    lock: &str,
    wanted: impl Fn(&vsjob_engine::Job) -> bool,
) -> JobId {
    let id = bench.submit(job(None, lock, steps)).await;
    bench.until(id, wanted).await;
    id
}

fn pivot() -> Step {
    Step {
        pivot: true,
        undo: None,
        ..step("pivot")
    }
}

fn gate() -> Step {
    Step {
        undo: Some(UndoKind::Gating),
        ..step("gate")
    }
}

#[tokio::test]
async fn a_job_that_waits_for_its_lock_has_nothing_to_resume() {
    let bench = Bench::new();
    bench.script.put("slow", Mode::Do, Answer::Never);
    begun(&bench, vec![step("slow")], LDAP, |job| {
        job.status == Status::Running
    })
    .await;
    let id = bench.submit(job(None, "guest/ldap", vec![step("a")])).await;
    refuses(&bench, id, &[(Command::Resume, "nothing to resume")]).await;
    assert_eq!(answer(&bench, id, Command::Pause).await, "taken");
    refuses(&bench, id, &[(Command::Pause, "paused already")]).await;
    assert_eq!(answer(&bench, id, Command::Cancel).await, "taken");
    bench.end(id).await;
}

#[tokio::test]
async fn a_job_that_is_taken_back_cannot_be_taken_back_again_whether_it_moves_or_not() {
    let bench = Bench::new();
    bench.script.put("fail", Mode::Do, failed(Class::Permanent));
    bench.script.put("gate", Mode::Undo, failed(Class::Transient));
    let waits = |job: &vsjob_engine::Job| {
        matches!(job.status, Status::Unwinding(_))
            && matches!(job.steps[0].state, StepState::UndoWaiting { .. })
    };
    let id = begun(&bench, vec![gate(), step("fail")], LDAP, waits).await;
    refuses(&bench, id, &[(Command::Cancel, "unwinds already")]).await;

    bench.script.put("gate", Mode::Undo, failed(Class::Permanent));
    assert_eq!(answer(&bench, id, Command::Pause).await, "taken");
    let orders = [
        (Command::Cancel, "unwinds already"),
        (Command::Pause, "paused already"),
    ];
    refuses(&bench, id, &orders).await;

    assert_eq!(answer(&bench, id, Command::Resume).await, "taken");
    bench
        .until(id, |job| matches!(job.status, Status::Stuck { .. }))
        .await;
    let orders = [(Command::Cancel, "unwinds already"), (Command::Pause, "stuck")];
    refuses(&bench, id, &orders).await;

    assert_eq!(answer(&bench, id, Command::Resume).await, "taken");
    bench.end(id).await;
    let orders = [Command::Cancel, Command::Pause, Command::Resume].map(|command| (command, "over"));
    refuses(&bench, id, &orders).await;
}

#[tokio::test]
async fn from_its_pivot_on_a_job_is_not_taken_back_whether_it_moves_or_not() {
    let bench = Bench::new();
    bench.script.put("last", Mode::Do, failed(Class::Permanent));
    let id = begun(&bench, vec![step("a"), pivot(), step("last")], LDAP, |job| {
        matches!(job.status, Status::Stuck { .. })
    })
    .await;
    let orders = [(Command::Cancel, "past its pivot"), (Command::Pause, "stuck")];
    refuses(&bench, id, &orders).await;

    bench.script.put("last", Mode::Do, Answer::Never);
    assert_eq!(answer(&bench, id, Command::Resume).await, "taken");
    bench
        .until(id, |job| matches!(job.steps[2].state, StepState::Started { .. }))
        .await;
    refuses(&bench, id, &[(Command::Cancel, "past its pivot")]).await;
}

#[tokio::test]
async fn a_job_that_stands_still_says_what_it_waits_for() {
    let bench = Bench::new();
    let waits = async |id| bench.engine.job(id).await.unwrap().unwrap().waits_for;
    bench.script.put("slow", Mode::Do, Answer::Never);
    let holder = begun(&bench, vec![step("slow")], LDAP, |job| {
        job.status == Status::Running
    })
    .await;
    let second = bench.submit(job(None, "guest/ldap", vec![step("a")])).await;
    let third = bench.submit(job(None, "guest/ldap", vec![step("a")])).await;
    let mut later = job(None, "guest/www", vec![step("a")]);
    later.request.not_before = Some(bench.engine.time().await.unwrap().now + Duration::from_secs(3600));
    let later = bench.submit(later).await;
    let held = format!("guest/ldap, held by job {}", holder.short());
    assert_eq!(waits(holder).await, None);
    bench.script.put("again", Mode::Do, failed(Class::Transient));
    let again = begun(&bench, vec![step("again")], "guest/again", |job| {
        matches!(job.steps[0].state, StepState::Waiting { .. })
    })
    .await;
    let next = waits(again).await.unwrap();
    assert!(
        next.starts_with("its next try at 2023-11-14T22:13:") && next.ends_with("it did not work"),
        "{next}"
    );
    bench.order(again, Command::Pause).await;
    assert_eq!(waits(again).await, None);
    assert_eq!(waits(second).await, Some(held.clone()));
    assert_eq!(waits(third).await.as_ref(), Some(&held));
    assert!(waits(later).await.unwrap().starts_with("2023-11-14T23:13:20"));

    for lock in ["guest/a", "guest/b", "guest/c"] {
        bench.script.put("slow", Mode::Do, Answer::Never);
        bench.submit(job(None, lock, vec![step("slow")])).await;
    }
    let crowded = bench.submit(job(None, "guest/d", vec![step("a")])).await;
    assert_eq!(waits(crowded).await.unwrap(), "a free slot on its host");

    // Who waits for a lock waits for no clock.
    bench.clock.set_by(7 * 24 * 3_600_000);
    bench.clock.advance(Duration::from_secs(1));
    bench.engine.time().await.unwrap();
    assert_eq!(waits(second).await, Some(held));
    assert_eq!(
        waits(later).await.unwrap(),
        "the clock to be accepted: see `vsjob clock show`"
    );
}

#[tokio::test]
async fn what_waits_for_its_next_try_is_tried_at_once_when_somebody_says_so() {
    for (mode, command) in [
        (Mode::Do, Command::Resume),
        (Mode::Do, Command::Retry),
        (Mode::Undo, Command::Resume),
        (Mode::Undo, Command::Retry),
    ] {
        let bench = Bench::new();
        let mut slow = step("slow");
        slow.retry.first_wait = Duration::from_secs(3600);
        slow.retry.longest_wait = Duration::from_secs(3600);
        bench.script.put("slow", mode, failed(Class::Transient));
        bench.script.put("fail", Mode::Do, failed(Class::Permanent));
        let id = begun(&bench, vec![slow, step("fail")], LDAP, |job| {
            matches!(
                job.steps[0].state,
                StepState::Waiting { .. } | StepState::UndoWaiting { .. }
            )
        })
        .await;
        let before = bench.engine.time().await.unwrap().now;
        assert_eq!(answer(&bench, id, command).await, "taken");
        bench.end(id).await;
        let spent = bench.engine.time().await.unwrap().now.since(before);
        assert!(
            spent < Duration::from_secs(60),
            "{mode:?}, {command:?}: {spent:?}"
        );
    }
}

#[tokio::test]
async fn a_plan_that_cannot_be_is_no_job() {
    let bench = Bench::new();
    let reads = |from: u16| Step {
        args: vec![Arg {
            name: "a".to_owned(),
            value: Value::Output {
                step: StepNo(from),
                key: "b".to_owned(),
            },
        }],
        ..step("reads")
    };
    let pivot = || Step {
        pivot: true,
        ..step("pivot")
    };
    for (steps, why) in [
        (vec![], "no steps"),
        (vec![pivot(), pivot()], "more than one pivot"),
        (vec![step("a"), reads(1)], "not before it"),
        (vec![reads(1), step("a")], "not before it"),
    ] {
        let refused = bench.engine.submit(job(None, LDAP, steps)).await;
        let error = refused.unwrap_err();
        assert!(
            error.code() == "VSJ0008" && error.to_string().contains(why),
            "{error}"
        );
    }
    let id = bench
        .submit(job(None, "guest/ldap", vec![step("a"), pivot()]))
        .await;
    assert_eq!(bench.end(id).await.status, Status::Succeeded);
}
