//! The engine at work on a store in memory and virtual time, with actions that do what the test says.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod bench;
mod clock;
mod debts;
mod forgetting;
mod hosts;
mod ledger;
mod orders;
mod restarts;
mod schedules;
mod stuck;
mod table;
mod taking_over;

use std::time::Duration;

use vsjob_engine::{
    Arg, Class, Command, EngineError, Failure, Filter, HostName, Job, JobId, Mode, Options, Outcome, Placing,
    Status, Step, StepNo, StepState, Timestamp, UndoKind, Value,
};

use bench::{Answer, Bench, actor, failed, job, open, open_as, step};

#[tokio::test]
async fn outputs_of_a_step_are_arguments_of_a_later_one() {
    let bench = Bench::new();
    let mut second = step("second");
    let output = Value::Output {
        step: StepNo(0),
        key: "key".to_owned(),
    };
    second.args = vec![Arg {
        name: "from".to_owned(),
        value: output,
    }];
    let id = bench
        .submit(job(None, "guest/ldap", vec![step("first"), second]))
        .await;
    assert_eq!(bench.end(id).await.status, Status::Succeeded);
    assert_eq!(
        bench.script.seen()[1].args,
        vec![("from".to_owned(), "value".to_owned())]
    );
    let history = bench.engine.history(id).await.unwrap();
    assert!(history.windows(2).all(|pair| pair[0].sequence < pair[1].sequence));
    assert_eq!(
        history.len(),
        7,
        "submitted, started, two steps of two entries, succeeded"
    );
}

#[tokio::test]
async fn the_same_key_gives_the_same_job_also_after_a_restart() {
    let bench = Bench::new();
    let first = bench
        .engine
        .submit(job(Some("k"), "guest/ldap", vec![step("a")]))
        .await
        .unwrap();
    let again = bench
        .engine
        .submit(job(Some("k"), "guest/ldap", vec![step("a")]))
        .await
        .unwrap();
    assert!(first.new && !again.new);
    assert_eq!(first.id, again.id);
    bench.end(first.id).await;

    let mut other = job(Some("k"), "guest/ldap", vec![step("a")]);
    other.request.args[0].1 = "www".to_owned();
    assert!(matches!(
        bench.engine.submit(other).await,
        Err(EngineError::KeyInUse { .. })
    ));

    bench.engine.clone().close().await.unwrap();
    let engine = open(&bench.store, &bench.script, &bench.clock);
    let later = engine
        .submit(job(Some("k"), "guest/ldap", vec![step("a")]))
        .await
        .unwrap();
    assert_eq!((later.id, later.new), (first.id, false));
    assert_eq!(engine.by_key("k").await.unwrap(), Some(first.id));
}

#[tokio::test]
async fn a_transient_failure_is_tried_again_with_new_attempt_numbers_and_a_permanent_one_is_not() {
    let bench = Bench::new();
    bench.script.put("a", Mode::Do, failed(Class::Transient));
    bench.script.put("a", Mode::Do, failed(Class::Transient));
    let id = bench.submit(job(None, "guest/ldap", vec![step("a")])).await;
    assert_eq!(bench.end(id).await.status, Status::Succeeded);
    let attempts: Vec<u32> = bench.script.seen().iter().map(|seen| seen.attempt).collect();
    assert_eq!(attempts, [1, 2, 3]);

    bench.script.put("b", Mode::Do, failed(Class::Permanent));
    let id = bench
        .submit(job(None, "guest/ldap", vec![step("a"), step("b")]))
        .await;
    let end = bench.end(id).await;
    assert!(matches!(end.status, Status::RolledBack(_)));
    assert!(end.steps.iter().all(|step| step.state == StepState::Undone));
    let undone: Vec<String> = bench
        .script
        .seen()
        .into_iter()
        .filter(|seen| seen.mode == Mode::Undo)
        .map(|seen| seen.action)
        .collect();
    assert_eq!(undone, ["b", "a"]);
}

#[tokio::test]
async fn a_step_is_tried_as_often_as_its_policy_says_and_no_more() {
    let bench = Bench::new();
    for _ in 0..10 {
        bench.script.put("a", Mode::Do, failed(Class::Transient));
    }
    let id = bench.submit(job(None, "guest/ldap", vec![step("a")])).await;
    assert!(matches!(bench.end(id).await.status, Status::RolledBack(_)));
    let tried = bench.script.seen().into_iter();
    let attempts: Vec<u32> = tried
        .filter(|seen| seen.mode == Mode::Do)
        .map(|seen| seen.attempt)
        .collect();
    assert_eq!(attempts, [1, 2, 3]);
}

#[tokio::test]
async fn a_host_that_is_away_is_asked_for_a_cleaning_undo_as_often_as_the_master_has_patience() {
    let mut bench = Bench::new();
    let options = Options {
        patience: 3,
        ..Options::default()
    };
    bench.engine = open_as(&bench.store, &bench.script, &bench.clock, options);
    for _ in 0..10 {
        let away = Failure::new(Class::Transient, "T3", "vsh-01 does not answer");
        bench
            .script
            .put("clean", Mode::Undo, Answer::Outcome(Outcome::Unknown(away)));
    }
    bench.script.put("fail", Mode::Do, failed(Class::Permanent));
    let steps = vec![step("clean"), step("fail")];
    let id = bench.submit(job(None, "guest/ldap", steps)).await;
    assert!(matches!(bench.end(id).await.steps[0].state, StepState::Owed(_)));
    let asked = bench.script.seen().into_iter();
    let asked = asked.filter(|seen| seen.action == "clean" && seen.mode == Mode::Undo);
    assert_eq!(asked.count(), 3);
}

#[tokio::test]
async fn hosts_that_do_not_answer_are_asked_again_each_for_its_own_job() {
    let bench = Bench::new();
    let mut jobs = Vec::new();
    for action in ["one", "two", "three"] {
        for _ in 0..4 {
            let away = Failure::new(Class::Transient, "T3", "it does not answer");
            bench
                .script
                .put(action, Mode::Do, Answer::Outcome(Outcome::Unknown(away)));
        }
        let lock = format!("guest/{action}");
        jobs.push(bench.submit(job(None, &lock, vec![step(action)])).await);
    }
    for id in jobs {
        assert_eq!(bench.end(id).await.status, Status::Succeeded);
    }
}

#[tokio::test]
async fn a_panic_of_an_action_fails_its_step_and_nothing_else() {
    let bench = Bench::new();
    bench.script.put("a", Mode::Do, Answer::Panic);
    let id = bench.submit(job(None, "guest/ldap", vec![step("a")])).await;
    let end = bench.end(id).await;
    let Status::RolledBack(failure) = end.status else {
        panic!("{:?}", end.status)
    };
    assert_eq!(failure.code, "VSJ0012");
    let id = bench.submit(job(None, "guest/ldap", vec![step("a")])).await;
    assert_eq!(bench.end(id).await.status, Status::Succeeded);
}

#[tokio::test]
async fn an_action_that_this_program_does_not_have_makes_its_job_stuck_and_no_other() {
    let bench = Bench::new();
    let id = bench
        .submit(job(None, "guest/ldap", vec![step("unheard-of")]))
        .await;
    let stuck = bench
        .until(id, |job| matches!(job.status, Status::Stuck { .. }))
        .await;
    assert!(matches!(stuck.status, Status::Stuck { reason, .. } if reason.contains("unheard-of")));
    assert!(bench.script.seen().is_empty(), "something was performed");
    let id = bench.submit(job(None, "guest/www", vec![step("a")])).await;
    assert_eq!(bench.end(id).await.status, Status::Succeeded);
}

#[tokio::test]
async fn before_the_pivot_a_step_needs_every_host_of_its_job_and_an_undo_or_a_later_one_only_its_own() {
    let bench = Bench::new();
    let on = |action: &str, hosts: &[&str]| Step {
        hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
        ..step(action)
    };
    let steps = || {
        let mut pivot = on("pivot", &["vsh-02"]);
        pivot.pivot = true;
        let here = Step {
            hosts: Vec::new(),
            ..step("here")
        };
        vec![
            on("first", &["vsh-01"]),
            here,
            on("both", &["vsh-02", "vsh-01"]),
            pivot,
            on("last", &["vsh-01"]),
        ]
    };
    let done = bench.submit(job(None, "guest/ldap", steps())).await;
    assert_eq!(bench.end(done).await.status, Status::Succeeded);
    bench.script.put("pivot", Mode::Do, Answer::Never);
    let mut cancelled = job(None, "guest/ldap", steps());
    cancelled.plan.steps[3].pivot = false;
    let cancelled = bench.submit(cancelled).await;
    bench.until(cancelled, |_| bench.script.seen().len() == 9).await;
    bench.order(cancelled, Command::Cancel).await;
    bench.end(cancelled).await;

    let claims: Vec<(String, Mode, String)> = bench
        .script
        .seen()
        .into_iter()
        .map(|seen| {
            let claims: Vec<&str> = seen.claims.iter().map(HostName::as_str).collect();
            (seen.action, seen.mode, claims.join(" "))
        })
        .collect();
    let expected = |action: &str, mode, claims: &str| (action.to_owned(), mode, claims.to_owned());
    assert_eq!(
        claims,
        [
            expected("first", Mode::Do, "vsh-01 vsh-02"),
            expected("here", Mode::Do, "vsh-01 vsh-02"),
            expected("both", Mode::Do, "vsh-01 vsh-02"),
            expected("pivot", Mode::Do, "vsh-02"),
            expected("last", Mode::Do, "vsh-01"),
            expected("first", Mode::Do, "vsh-01 vsh-02"),
            expected("here", Mode::Do, "vsh-01 vsh-02"),
            expected("both", Mode::Do, "vsh-01 vsh-02"),
            expected("pivot", Mode::Do, "vsh-01 vsh-02"),
            expected("pivot", Mode::Undo, "vsh-02"),
            expected("both", Mode::Undo, "vsh-02"),
            expected("here", Mode::Undo, ""),
            expected("first", Mode::Undo, "vsh-01"),
        ]
    );
}

#[tokio::test]
async fn cancel_abandons_what_is_under_way_and_takes_it_back() {
    let mut bench = Bench::new();
    bench.script.put("b", Mode::Do, Answer::Never);
    let id = bench
        .submit(job(None, "guest/ldap", vec![step("a"), step("b")]))
        .await;
    bench
        .until(id, |job| matches!(job.steps[1].state, StepState::Started { .. }))
        .await;
    bench.order(id, Command::Cancel).await;
    assert_eq!(bench.end(id).await.status, Status::Cancelled);
    // A later life has it in its index only.
    for _ in 0..2 {
        let refused = bench.engine.command(id, Command::Cancel, actor()).await;
        assert!(matches!(refused, Err(EngineError::Over { .. })), "{refused:?}");
        bench.engine = open(&bench.store, &bench.script, &bench.clock);
    }
    let nobodys = JobId::new(Timestamp::from_millis(1));
    let refused = bench.engine.command(nobodys, Command::Cancel, actor()).await;
    assert!(matches!(refused, Err(EngineError::UnknownJob(_))), "{refused:?}");
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_let_go() {
    let bench = Bench::new();
    let let_go = async |wanted: &[&str]| {
        for _ in 0..1000 {
            tokio::task::yield_now().await;
            if bench.script.let_go() == wanted {
                return true;
            }
        }
        false
    };
    for (action, lock) in [("cancelled", "guest/ldap"), ("left", "guest/www")] {
        bench.script.put(action, Mode::Do, Answer::Never);
        let id = bench.submit(job(None, lock, vec![step(action)])).await;
        let performed = |_: &Job| bench.script.seen().iter().any(|seen| seen.action == action);
        bench.until(id, performed).await;
        if action == "cancelled" {
            bench.order(id, Command::Cancel).await;
            bench.end(id).await;
        }
    }
    assert!(let_go(&["cancelled"]).await);
    bench.engine.clone().close().await.unwrap();
    assert!(let_go(&["cancelled", "left"]).await);
}

#[tokio::test]
async fn pause_lets_the_step_under_way_end_and_resume_goes_on() {
    let bench = Bench::new();
    let id = {
        bench.script.put("a", Mode::Do, failed(Class::Transient));
        bench
            .submit(job(None, "guest/ldap", vec![step("a"), step("b")]))
            .await
    };
    bench
        .until(id, |job| matches!(job.steps[0].state, StepState::Waiting { .. }))
        .await;
    bench.order(id, Command::Pause).await;
    for _ in 0..100 {
        bench.clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
    let paused = bench.engine.job(id).await.unwrap().unwrap().job;
    assert!(matches!(paused.status, Status::Paused(_)));
    assert!(matches!(paused.steps[0].state, StepState::Waiting { .. }));
    bench.order(id, Command::Resume).await;
    assert_eq!(bench.end(id).await.status, Status::Succeeded);
}

#[tokio::test]
async fn a_step_that_lacks_an_argument_is_not_intended_and_its_job_is_as_before() {
    let bench = Bench::new();
    let mut pivot = step("pivot");
    pivot.pivot = true;
    pivot.args = vec![Arg {
        name: "from".to_owned(),
        value: Value::Output {
            step: StepNo(0),
            key: "never answered".to_owned(),
        },
    }];
    // As often as there are slots, and once more: none is lost.
    for _ in 0..5 {
        let id = bench
            .submit(job(None, "guest/ldap", vec![step("first"), pivot.clone()]))
            .await;
        let end = bench.end(id).await;
        assert!(matches!(end.status, Status::RolledBack(failure) if failure.code == "VSJ0008"));
        assert_eq!(end.steps[0].state, StepState::Undone);
        assert_eq!(
            (&end.steps[1].state, end.steps[1].attempts),
            (&StepState::Planned, 0)
        );
    }
}

#[tokio::test]
async fn a_job_that_is_paused_or_cancelled_while_it_waits_for_a_slot_holds_up_nobody() {
    let bench = Bench::new();
    let mut busy = Vec::new();
    for lock in ["guest/a", "guest/b", "guest/c", "guest/d"] {
        bench.script.put("slow", Mode::Do, Answer::Never);
        busy.push(bench.submit(job(None, lock, vec![step("slow")])).await);
    }
    let paused = bench.submit(job(None, "guest/e", vec![step("e")])).await;
    let cancelled = bench.submit(job(None, "guest/f", vec![step("f")])).await;
    let mut last = Vec::new();
    for lock in ["guest/g", "guest/h", "guest/i"] {
        last.push(bench.submit(job(None, lock, vec![step("late")])).await);
    }
    bench.until(busy[3], |_| bench.script.seen().len() == 4).await;
    bench.order(paused, Command::Pause).await;
    bench.order(cancelled, Command::Cancel).await;
    bench.order(busy[0], Command::Cancel).await;
    for id in last {
        assert_eq!(bench.end(id).await.status, Status::Succeeded);
    }
    bench.order(paused, Command::Resume).await;
    assert_eq!(bench.end(paused).await.status, Status::Succeeded);
}

#[tokio::test]
async fn a_job_that_has_put_something_out_of_service_waits_for_no_slot() {
    let bench = Bench::new();
    let mut stop = step("stop");
    stop.undo = Some(UndoKind::Gating);
    let mut copy = step("copy");
    copy.retry.first_wait = Duration::from_secs(60);
    bench.script.put("copy", Mode::Do, failed(Class::Transient));
    let id = bench.submit(job(None, "guest/ldap", vec![stop, copy])).await;
    bench
        .until(id, |job| matches!(job.steps[1].state, StepState::Waiting { .. }))
        .await;
    // While it waits for its next try, others take every slot of its host.
    for lock in ["guest/a", "guest/b", "guest/c", "guest/d"] {
        bench.script.put("slow", Mode::Do, Answer::Never);
        let other = bench.submit(job(None, lock, vec![step("slow")])).await;
        bench
            .until(other, |job| {
                matches!(job.steps[0].state, StepState::Started { .. })
            })
            .await;
    }
    assert_eq!(bench.end(id).await.status, Status::Succeeded);
}

#[tokio::test]
async fn a_job_that_can_wait_does_wait_for_a_slot_when_its_next_try_comes() {
    let bench = Bench::new();
    let mut copy = step("copy");
    copy.retry.first_wait = Duration::from_secs(60);
    bench.script.put("copy", Mode::Do, failed(Class::Transient));
    let stop = Step {
        undo: Some(UndoKind::Gating),
        ..step("stop")
    };
    let id = bench.submit(job(None, "guest/ldap", vec![copy, stop])).await;
    bench
        .until(id, |job| matches!(job.steps[0].state, StepState::Waiting { .. }))
        .await;
    let mut busy = Vec::new();
    for lock in ["guest/a", "guest/b", "guest/c", "guest/d"] {
        bench.script.put("slow", Mode::Do, Answer::Never);
        busy.push(bench.submit(job(None, lock, vec![step("slow")])).await);
    }
    bench.until(busy[3], |_| bench.script.seen().len() == 5).await;
    for _ in 0..200 {
        bench.clock.advance(Duration::from_secs(1));
        bench.engine.time().await.unwrap();
    }
    assert_eq!(bench.script.seen().len(), 5, "it took no slot that there was not");
    bench.order(busy[0], Command::Cancel).await;
    assert_eq!(bench.end(id).await.status, Status::Succeeded);
}

#[tokio::test]
async fn what_succeeded_and_has_no_undo_is_not_taken_back() {
    let bench = Bench::new();
    bench.script.put("fails", Mode::Do, failed(Class::Permanent));
    let look = Step {
        undo: None,
        ..step("look")
    };
    let id = bench
        .submit(job(None, "guest/ldap", vec![look, step("make"), step("fails")]))
        .await;
    let end = bench.end(id).await;
    assert!(matches!(end.status, Status::RolledBack(_)));
    assert_eq!(end.steps[0].state, StepState::Succeeded);
    let seen = bench.script.seen().into_iter();
    let undone: Vec<_> = seen
        .filter(|seen| seen.mode == Mode::Undo)
        .map(|seen| seen.action)
        .collect();
    assert_eq!(undone, ["fails", "make"]);
}

#[tokio::test]
async fn tries_are_apart_by_the_wait_of_the_step_a_quarter_more_or_less() {
    let bench = Bench::new();
    let mut waits = Vec::new();
    for number in 0..40 {
        bench.script.put("a", Mode::Do, failed(Class::Transient));
        let id = bench
            .submit(job(None, &format!("guest/g{number}"), vec![step("a")]))
            .await;
        let known = bench
            .until(id, |job| matches!(job.steps[0].state, StepState::Waiting { .. }))
            .await;
        let StepState::Waiting { until, .. } = known.steps[0].state else {
            continue;
        };
        let failed_at = bench.engine.history(id).await.unwrap().pop().unwrap().entry.at;
        waits.push(until.since(failed_at).as_millis());
        bench.end(id).await;
    }
    assert!(waits.iter().all(|wait| (750..=1250).contains(wait)), "{waits:?}");
    assert!(
        waits.iter().any(|wait| *wait < 1000) && waits.iter().any(|wait| *wait > 1000),
        "{waits:?}"
    );
}

#[tokio::test]
async fn a_lock_is_handed_on_in_the_order_of_asking() {
    let bench = Bench::new();
    bench.script.put("slow", Mode::Do, Answer::Never);
    let first = bench.submit(job(None, "guest/ldap", vec![step("slow")])).await;
    bench.until(first, |job| job.status == Status::Running).await;
    let second = bench.submit(job(None, "guest/ldap", vec![step("a")])).await;
    let view = bench.engine.job(second).await.unwrap().unwrap();
    assert_eq!(view.job.status, Status::Queued);
    assert!(view.waits_for.unwrap().contains("guest/ldap"));
    bench.order(first, Command::Cancel).await;
    assert_eq!(bench.end(second).await.status, Status::Succeeded);
}

#[tokio::test]
async fn a_job_that_is_due_later_holds_up_nobody_and_runs_when_its_time_has_come() {
    let bench = Bench::new();
    let mut later = job(None, "guest/ldap", vec![step("a")]);
    later.request.not_before = Some(Timestamp::from_millis(1_700_000_000_000) + Duration::from_secs(300));
    let later = bench.submit(later).await;
    let now = bench.submit(job(None, "guest/ldap", vec![step("b")])).await;
    assert_eq!(bench.end(now).await.status, Status::Succeeded);
    assert_eq!(
        bench.engine.job(later).await.unwrap().unwrap().job.status,
        Status::Queued
    );
    let end = bench.end(later).await;
    assert!(end.started.unwrap() >= end.request.not_before.unwrap());
}

#[tokio::test]
async fn a_full_store_refuses_new_work_and_finishes_what_runs() {
    let bench = Bench::new();
    bench.script.put("a", Mode::Do, failed(Class::Transient));
    let id = bench.submit(job(None, "guest/ldap", vec![step("a")])).await;
    bench.store.fill();
    let refused = bench.engine.submit(job(None, "guest/www", vec![step("a")])).await;
    assert!(matches!(refused, Err(EngineError::Store(_))), "{refused:?}");
    let successor = job(None, "guest/dns", vec![step("a")]);
    let successor = bench.engine.succeed(successor).await.unwrap();
    assert_eq!(bench.end(id).await.status, Status::Succeeded);
    assert_eq!(bench.end(successor.id).await.status, Status::Succeeded);
    bench.store.make_room();
    let id = bench.submit(job(None, "guest/www", vec![step("a")])).await;
    assert_eq!(bench.end(id).await.status, Status::Succeeded);
}

#[tokio::test]
async fn whoever_waits_for_the_end_of_a_job_is_told_also_when_it_is_over_or_stuck_already_or_the_master_leaves()
 {
    let mut bench = Bench::new();
    for _ in 0..2 {
        bench.script.put("slow", Mode::Do, Answer::Never);
    }
    let done = bench.submit(job(None, "guest/www", vec![step("a")])).await;
    let slow = bench.submit(job(None, "guest/ldap", vec![step("slow")])).await;
    assert_eq!(bench.engine.ended(done).await.unwrap().status, Status::Succeeded);
    bench.until(slow, |_| bench.script.seen().len() == 2).await;
    bench.engine.clone().close().await.unwrap();

    bench.engine = open(&bench.store, &bench.script, &bench.clock);
    assert_eq!(bench.engine.ended(done).await.unwrap().status, Status::Succeeded);
    let nobody = vsjob_engine::JobId::new(Timestamp::from_millis(1));
    let unknown = bench.engine.ended(nobody).await;
    assert!(
        matches!(unknown, Err(EngineError::UnknownJob(id)) if id == nobody),
        "{unknown:?}"
    );
    bench.script.put("fails", Mode::Do, failed(Class::Permanent));
    let pivot = Step {
        pivot: true,
        ..step("fails")
    };
    let stuck = bench.submit(job(None, "guest/dns", vec![pivot])).await;
    for _ in 0..2 {
        let told = bench.engine.ended(stuck).await.unwrap();
        assert!(matches!(told.status, Status::Stuck { .. }), "{:?}", told.status);
    }
    let (waited, closed) = tokio::join!(bench.engine.ended(slow), bench.engine.clone().close());
    closed.unwrap();
    assert!(matches!(waited, Err(EngineError::Closed)), "{waited:?}");
}

#[tokio::test]
async fn placement_follows_the_steps_that_place() {
    let bench = Bench::new();
    let mut admit = step("admit");
    admit.places = vec![Placing::Place {
        guest: "ldap".to_owned(),
        host: "vsh-02".parse().unwrap(),
    }];
    let id = bench.submit(job(None, "guest/ldap", vec![admit])).await;
    bench.end(id).await;
    let everything = Filter {
        open_only: false,
        limit: 10,
    };
    assert_eq!(bench.engine.jobs(everything).await.unwrap().len(), 1);
    bench.engine.clone().close().await.unwrap();
    let engine = open(&bench.store, &bench.script, &bench.clock);
    assert_eq!(engine.placement().await.unwrap()["ldap"].as_str(), "vsh-02");
    assert_eq!(
        engine.jobs(everything).await.unwrap()[0].status,
        Status::Succeeded
    );
    assert_eq!(engine.epoch().counter, 2);
}
