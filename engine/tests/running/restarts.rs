//! What a master makes of what the one before it has left.

use vsjob_engine::store::{Purpose, Store as _};
use vsjob_engine::{
    Assertion, Class, Clock as _, Command, Entry, Event, JobEvent, JobId, Mode, Options, Priority, Status,
    Step, StepNo, UndoKind,
};

use crate::bench::{Answer, Bench, actor, failed, job, open, open_as, step};

/// How often a step of this action was performed, or undone.
fn performed(bench: &Bench, action: &str, mode: Mode) -> usize {
    let seen = bench.script.seen().into_iter();
    seen.filter(|seen| seen.action == action && seen.mode == mode)
        .count()
}

#[tokio::test]
async fn a_step_that_brings_the_master_down_too_often_makes_its_job_stuck_until_somebody_tries_it_again() {
    for mode in [Mode::Do, Mode::Undo] {
        let mut bench = Bench::new();
        bench.script.put("fail", Mode::Do, failed(Class::Permanent));
        for _ in 0..5 {
            bench.script.put("poison", mode, Answer::Never);
        }
        let steps = vec![step("poison"), step("fail")];
        let id = bench.submit(job(None, "guest/ldap", steps)).await;
        // One that left in good order was not brought down.
        let lives = [(0, false), (1, true), (1, false), (2, true), (3, true)];
        for (life, (deaths, is_death)) in lives.into_iter().enumerate() {
            bench
                .until(id, |_| performed(&bench, "poison", mode) == life + 1)
                .await;
            if !is_death {
                bench.engine.clone().close().await.unwrap();
            }
            let options = Options {
                poison_limit: 3,
                ..Options::default()
            };
            bench.clock = bench.clock.another();
            bench.engine = open_as(&bench.store, &bench.script, &bench.clock, options);
            let known = bench.engine.job(id).await.unwrap().unwrap().job;
            let stuck = format!(
                "the master died {deaths} times while step 1 was under way; `vsjob retry` tries again"
            );
            assert!(
                match &known.status {
                    Status::Stuck { reason, .. } => deaths == 3 && *reason == stuck,
                    _ => deaths < 3,
                },
                "{deaths}: {:?}",
                known.status
            );
        }
        bench.order(id, Command::Retry).await;
        assert!(matches!(bench.end(id).await.status, Status::RolledBack(_)));
    }
}

/// That this was written of each of these jobs, after all else.
fn write(bench: &Bench, event: &JobEvent, jobs: &[JobId]) {
    let entry = |job: &JobId| Entry {
        at: bench.clock.now(),
        event: Event::Job {
            job: *job,
            event: event.clone(),
        },
    };
    let frames: Vec<_> = jobs.iter().map(|job| entry(job).encode().unwrap()).collect();
    bench.store.clone().append(&frames, Purpose::Finish).unwrap();
}

#[tokio::test]
async fn who_waits_for_a_lock_keeps_its_place_in_the_line_and_who_only_owes_has_none() {
    let mut bench = Bench::new();
    for _ in 0..1000 {
        bench.script.put("clean", Mode::Undo, failed(Class::Transient));
    }
    bench.script.put("fail", Mode::Do, failed(Class::Permanent));
    bench.script.put("slow", Mode::Do, Answer::Never);
    let steps = vec![step("clean"), step("fail")];
    let owes = bench.submit(job(None, "guest/ldap", steps)).await;
    bench.end(owes).await;
    let holds = bench.submit(job(None, "guest/ldap", vec![step("slow")])).await;
    let later = bench.submit(job(None, "guest/ldap", vec![step("later")])).await;
    let mut first = job(None, "guest/ldap", vec![step("first")]);
    first.request.priority = Priority::High;
    let first = bench.submit(first).await;
    bench.engine.clone().close().await.unwrap();

    // It ends, and the master is killed before anybody else has begun.
    let given_up = JobEvent::Abandoned {
        assertion: Some(Assertion::DoneByHand),
        actor: actor(),
    };
    write(&bench, &given_up, &[holds]);
    bench.engine = open(&bench.store, &bench.script, &bench.clock);
    for id in [first, later] {
        assert_eq!(bench.end(id).await.status, Status::Succeeded);
    }
    let seen = bench.script.seen().into_iter().map(|seen| seen.action);
    let seen: Vec<_> = seen
        .filter(|action| action == "first" || action == "later")
        .collect();
    assert_eq!(seen, ["first", "later"]);
    assert!(
        bench
            .engine
            .job(owes)
            .await
            .unwrap()
            .unwrap()
            .job
            .debts()
            .next()
            .is_some()
    );
}

#[tokio::test]
async fn an_entry_that_cannot_be_makes_its_job_stuck_and_no_other_and_it_goes_on_where_it_was() {
    let mut bench = Bench::new();
    let gate = Step {
        undo: Some(UndoKind::Gating),
        ..step("gate")
    };
    bench.script.put("fail", Mode::Do, failed(Class::Permanent));
    bench.script.put("gate", Mode::Undo, Answer::Never);
    bench.script.put("slow", Mode::Do, Answer::Never);
    let over = bench.submit(job(None, "guest/over", vec![step("a")])).await;
    bench.end(over).await;
    let unwinding = bench
        .submit(job(None, "guest/www", vec![gate, step("fail")]))
        .await;
    bench
        .until(unwinding, |_| performed(&bench, "gate", Mode::Undo) == 1)
        .await;
    let running = bench.submit(job(None, "guest/ldap", vec![step("slow")])).await;
    bench
        .until(running, |_| performed(&bench, "slow", Mode::Do) == 1)
        .await;
    let queued = bench.submit(job(None, "guest/ldap", vec![step("a")])).await;
    let paused = bench.submit(job(None, "guest/ldap", vec![step("a")])).await;
    bench.order(paused, Command::Pause).await;
    let other = bench.submit(job(None, "guest/other", vec![step("a")])).await;
    bench.engine.clone().close().await.unwrap();

    let nobody = JobId::new(bench.clock.now());
    write(
        &bench,
        &JobEvent::DebtPaid { step: StepNo(0) },
        &[over, unwinding, running, queued, paused, nobody],
    );
    bench.engine = open(&bench.store, &bench.script, &bench.clock);
    for (id, state) in [
        (unwinding, "unwinding (step 1 undoing, step 2 undone)"),
        (running, "running (step 1 started)"),
        (queued, "queued"),
        (paused, "paused"),
    ] {
        let known = bench.engine.job(id).await.unwrap().unwrap().job;
        let wanted =
            format!("its journal does not fit: job {id} is {state}; `debt paid` cannot happen to it");
        assert!(
            matches!(&known.status, Status::Stuck { reason, .. } if *reason == wanted),
            "{:?}",
            known.status
        );
    }
    for id in [over, other] {
        assert_eq!(bench.end(id).await.status, Status::Succeeded);
    }
    for id in [queued, paused] {
        bench.order(id, Command::Resume).await;
        assert_eq!(
            bench.engine.job(id).await.unwrap().unwrap().job.status,
            Status::Queued
        );
    }
    bench.order(unwinding, Command::Resume).await;
    assert!(matches!(bench.end(unwinding).await.status, Status::RolledBack(_)));
    bench.order(running, Command::Resume).await;
    for id in [running, queued, paused] {
        assert_eq!(bench.end(id).await.status, Status::Succeeded);
    }
}
