//! A job that gets nowhere: what a person may say of it, what has to be vouched for, and what becomes of it then.

use vsjob_engine::{
    Arg, Assertion, Class, Command, EngineError, Failure, HostName, Job, JobId, Mode, Outcome, Placing,
    Status, Step, StepNo, StepState, UndoKind, Unvouched, Value, said_to_be_off,
};

use crate::bench::{Answer, Bench, actor, failed, job, open, step};

fn gating(action: &str, host: &str) -> Step {
    Step {
        undo: Some(UndoKind::Gating),
        ..on(action, host)
    }
}

fn on(action: &str, host: &str) -> Step {
    Step {
        hosts: vec![host.parse().unwrap()],
        ..step(action)
    }
}

fn pivot(host: &str) -> Step {
    Step {
        pivot: true,
        undo: None,
        places: vec![Placing::Place {
            guest: "ldap".to_owned(),
            host: host.parse().unwrap(),
        }],
        ..on("pivot", host)
    }
}

fn hosts(names: &[&str]) -> std::collections::BTreeSet<HostName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

async fn stuck(bench: &Bench, steps: Vec<Step>) -> Job {
    let id = bench.submit(job(None, "guest/ldap", steps)).await;
    bench
        .until(id, |job| matches!(job.status, Status::Stuck { .. }))
        .await
}

/// Stuck while it is taken back: the undo of `gate` on vsh-01 failed, `first` on vsh-02 is to be undone after it.
async fn stuck_at_a_gate(bench: &Bench) -> Job {
    bench.script.put("fail", Mode::Do, failed(Class::Permanent));
    bench.script.put("gate", Mode::Undo, failed(Class::Permanent));
    let steps = vec![
        on("first", "vsh-02"),
        gating("gate", "vsh-01"),
        on("fail", "vsh-02"),
    ];
    stuck(bench, steps).await
}

/// Stuck at its pivot on vsh-02, with a step on vsh-01 to come.
async fn stuck_at_its_pivot(bench: &Bench) -> Job {
    bench.script.put("pivot", Mode::Do, failed(Class::Permanent));
    let steps = vec![gating("gate", "vsh-01"), pivot("vsh-02"), on("last", "vsh-01")];
    stuck(bench, steps).await
}

async fn refused(bench: &Bench, id: JobId, command: Command) -> Unvouched {
    match bench.engine.command(id, command, actor()).await {
        Err(EngineError::Unvouched { why, .. }) => why,
        other => panic!("{command:?}: {other:?}"),
    }
}

fn undone(bench: &Bench) -> Vec<String> {
    let seen = bench.script.seen().into_iter();
    seen.filter(|seen| seen.mode == Mode::Undo)
        .map(|seen| seen.action)
        .collect()
}

#[tokio::test]
async fn retry_tries_a_stuck_job_again_and_refuses_one_that_gets_on_or_is_paused() {
    let bench = Bench::new();
    let id = stuck_at_its_pivot(&bench).await.id;
    bench.order(id, Command::Retry).await;
    assert_eq!(bench.end(id).await.status, Status::Succeeded);

    bench.script.put("slow", Mode::Do, Answer::Never);
    let id = bench.submit(job(None, "guest/www", vec![step("slow")])).await;
    for command in [Command::Retry, Command::Skip(None), Command::Abandon(None)] {
        let answer = bench.engine.command(id, command, actor()).await;
        assert!(matches!(answer, Err(EngineError::GetsOn { .. })), "{answer:?}");
    }

    bench.script.put("again", Mode::Do, failed(Class::Transient));
    let id = bench.submit(job(None, "guest/dns", vec![step("again")])).await;
    let waits = |job: &Job| matches!(job.steps[0].state, StepState::Waiting { .. });
    bench.until(id, waits).await;
    bench.order(id, Command::Pause).await;
    let answer = bench.engine.command(id, Command::Retry, actor()).await;
    assert!(
        matches!(answer, Err(EngineError::GetsOn { state: "paused", .. })),
        "{answer:?}"
    );
}

#[tokio::test]
async fn what_is_performed_right_now_may_still_end_well_and_what_has_not_begun_waits_for_its_turn() {
    let bench = Bench::new();
    bench.script.put("slow", Mode::Do, Answer::Never);
    let slow = bench.submit(job(None, "guest/ldap", vec![step("slow")])).await;
    let queued = bench.submit(job(None, "guest/ldap", vec![step("a")])).await;
    bench
        .until(slow, |job| {
            matches!(job.steps[0].state, StepState::Started { .. })
        })
        .await;
    bench.order(slow, Command::Pause).await;
    let by_hand = Some(Assertion::DoneByHand);
    for id in [slow, queued] {
        for command in [Command::Retry, Command::Skip(by_hand), Command::Abandon(by_hand)] {
            let answer = bench.engine.command(id, command, actor()).await;
            assert!(matches!(answer, Err(EngineError::GetsOn { .. })), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn a_stuck_job_says_why_and_what_to_do() {
    let bench = Bench::new();
    let at_its_pivot = stuck_at_its_pivot(&bench).await;
    let bench = Bench::new();
    let at_a_gate = stuck_at_a_gate(&bench).await;
    for (job, said) in [
        (
            at_its_pivot,
            "step 2 failed past the point of no return: it did not work; mend the cause, then `vsjob retry`",
        ),
        (
            at_a_gate,
            "step 2 cannot be undone: it did not work; mend the cause, then `vsjob retry`",
        ),
    ] {
        assert!(
            matches!(&job.status, Status::Stuck { reason, .. } if reason == said),
            "{:?}",
            job.status
        );
    }
}

#[tokio::test]
async fn whoever_takes_responsibility_says_why() {
    let bench = Bench::new();
    let id = stuck_at_a_gate(&bench).await.id;
    let mut silent = actor();
    for reason in [None, Some(" ".to_owned())] {
        silent.reason = reason;
        for command in [
            Command::Skip(Some(Assertion::HostIsOff)),
            Command::Abandon(Some(Assertion::HostIsOff)),
        ] {
            let answer = bench.engine.command(id, command, silent.clone()).await;
            assert!(matches!(answer, Err(EngineError::NoReason)), "{answer:?}");
        }
    }
    assert!(matches!(
        bench.engine.job(id).await.unwrap().unwrap().job.status,
        Status::Stuck { .. }
    ));
}

#[tokio::test]
async fn a_gating_undo_is_skipped_only_if_somebody_vouches_for_it_and_then_the_rest_is_undone() {
    for said in [Assertion::HostIsOff, Assertion::DoneByHand] {
        let bench = Bench::new();
        let stuck = stuck_at_a_gate(&bench).await;
        let why = refused(&bench, stuck.id, Command::Skip(None)).await;
        assert!(matches!(why, Unvouched::NothingSaid { step: StepNo(1), .. }));
        assert!(why.to_string().contains("`gate`"), "{why}");
        assert!(!undone(&bench).contains(&"first".to_owned()));

        let command = Command::Skip(Some(said));
        let off = said_to_be_off(&stuck, command);
        assert_eq!(!off.is_empty(), said == Assertion::HostIsOff);
        assert!(off.is_empty() || off == hosts(&["vsh-01"]));
        bench.order(stuck.id, command).await;
        let end = bench.end(stuck.id).await;
        assert!(matches!(end.status, Status::RolledBack(_)));
        assert!(matches!(&end.steps[1].state, StepState::Skipped { reason } if reason == "to see"));
        assert_eq!(end.steps[0].state, StepState::Undone);
        assert_eq!(undone(&bench), ["fail", "gate", "first"]);
    }
}

#[tokio::test]
async fn a_cleaning_undo_is_skipped_for_a_reason_alone() {
    let bench = Bench::new();
    bench.script.put("fail", Mode::Do, failed(Class::Permanent));
    bench.script.put("clean", Mode::Undo, failed(Class::Permanent));
    let id = stuck(&bench, vec![on("clean", "vsh-01"), on("fail", "vsh-02")])
        .await
        .id;
    bench.order(id, Command::Skip(None)).await;
    assert!(matches!(bench.end(id).await.status, Status::RolledBack(_)));
}

#[tokio::test]
async fn the_undo_of_a_host_that_does_not_answer_can_be_skipped_while_it_is_waited_for() {
    let bench = Bench::new();
    let away = Failure::new(Class::Transient, "T3", "vsh-01 does not answer");
    bench.script.put("fail", Mode::Do, failed(Class::Permanent));
    for _ in 0..1_000 {
        let unknown = Outcome::Unknown(away.clone());
        bench.script.put("gate", Mode::Undo, Answer::Outcome(unknown));
    }
    let steps = vec![gating("gate", "vsh-01"), on("fail", "vsh-02")];
    let id = bench.submit(job(None, "guest/ldap", steps)).await;
    let asked = |job: &Job| matches!(job.steps[0].state, StepState::UndoStarted { .. });
    bench.until(id, asked).await;
    while bench.engine.job(id).await.unwrap().unwrap().waits_for.is_none() {
        tokio::task::yield_now().await;
    }
    bench.order(id, Command::Skip(Some(Assertion::HostIsOff))).await;
    assert!(matches!(bench.end(id).await.status, Status::RolledBack(_)));
}

#[tokio::test]
async fn past_the_pivot_a_step_is_skipped_by_word_of_mouth_and_a_pivot_only_if_it_was_done_by_hand() {
    let bench = Bench::new();
    let stuck = stuck_at_its_pivot(&bench).await;
    let why = refused(&bench, stuck.id, Command::Skip(Some(Assertion::HostIsOff))).await;
    assert!(matches!(why, Unvouched::Places { .. }));
    assert!(!bench.engine.placement().await.unwrap().contains_key("ldap"));
    bench.script.put("last", Mode::Do, failed(Class::Permanent));
    bench
        .order(stuck.id, Command::Skip(Some(Assertion::DoneByHand)))
        .await;
    let placement = bench.engine.placement().await.unwrap();
    assert_eq!(placement["ldap"].as_str(), "vsh-02", "it counts as admitted");

    let again = |job: &Job| matches!(job.status, Status::Stuck { .. }) && job.current() == Some(StepNo(2));
    bench.until(stuck.id, again).await;
    let why = refused(&bench, stuck.id, Command::Skip(None)).await;
    assert!(matches!(why, Unvouched::NothingSaid { .. }));
    bench
        .order(stuck.id, Command::Skip(Some(Assertion::HostIsOff)))
        .await;
    assert_eq!(bench.end(stuck.id).await.status, Status::Succeeded);
}

#[tokio::test]
async fn a_step_is_not_skipped_that_can_be_taken_back_or_whose_answer_is_needed() {
    let bench = Bench::new();
    bench.script.put("a", Mode::Do, failed(Class::Transient));
    let id = bench.submit(job(None, "guest/www", vec![step("a")])).await;
    bench
        .until(id, |job| matches!(job.steps[0].state, StepState::Waiting { .. }))
        .await;
    let by_hand = Some(Assertion::DoneByHand);
    assert_eq!(
        refused(&bench, id, Command::Skip(by_hand)).await,
        Unvouched::BeforePivot
    );

    bench.script.put("pivot", Mode::Do, failed(Class::Permanent));
    let mut last = on("last", "vsh-01");
    last.args = vec![Arg {
        name: "from".to_owned(),
        value: Value::Output {
            step: StepNo(0),
            key: "key".to_owned(),
        },
    }];
    let id = stuck(&bench, vec![pivot("vsh-02"), last]).await.id;
    let why = refused(&bench, id, Command::Skip(by_hand)).await;
    assert!(matches!(
        why,
        Unvouched::Needed {
            step: StepNo(0),
            by: StepNo(1),
            ..
        }
    ));
}

#[tokio::test]
async fn an_abandoned_job_is_left_as_it_stands_also_by_the_next_master_and_its_locks_are_free() {
    let mut bench = Bench::new();
    let stuck = stuck_at_a_gate(&bench).await;
    assert!(matches!(
        refused(&bench, stuck.id, Command::Abandon(None)).await,
        Unvouched::NothingSaid { step: StepNo(1), .. }
    ));
    let command = Command::Abandon(Some(Assertion::HostIsOff));
    assert_eq!(said_to_be_off(&stuck, command), hosts(&["vsh-01"]));
    bench.order(stuck.id, command).await;
    let performed = bench.script.seen().len();
    let end = bench.end(stuck.id).await;
    assert_eq!(
        end.status,
        Status::Abandoned {
            reason: "to see".to_owned()
        }
    );
    assert_eq!(
        end.steps[0].state,
        StepState::Succeeded,
        "what was not undone is not said to be"
    );
    assert!(end.ended.is_some());

    let next = bench.submit(job(None, "guest/ldap", vec![step("a")])).await;
    assert_eq!(
        bench.end(next).await.status,
        Status::Succeeded,
        "its lock is free"
    );
    bench.engine = open(&bench.store, &bench.script, &bench.clock);
    assert_eq!(bench.end(stuck.id).await.steps, end.steps);
    assert_eq!(bench.script.seen().len(), performed + 1);
}

#[tokio::test]
async fn what_an_abandoned_job_owed_is_not_done_any_more() {
    let bench = Bench::new();
    bench.script.put("fail", Mode::Do, failed(Class::Permanent));
    bench.script.put("gate", Mode::Undo, failed(Class::Permanent));
    for _ in 0..10 {
        bench.script.put("clean", Mode::Undo, failed(Class::Transient));
    }
    let steps = vec![
        gating("gate", "vsh-01"),
        on("clean", "vsh-02"),
        on("fail", "vsh-01"),
    ];
    let stuck = stuck(&bench, steps).await;
    assert!(matches!(stuck.steps[1].state, StepState::Owed(_)));
    bench
        .order(stuck.id, Command::Abandon(Some(Assertion::DoneByHand)))
        .await;
    assert!(bench.engine.debts().await.unwrap().is_empty());
    let end = bench.end(stuck.id).await;
    assert!(matches!(end.steps[1].state, StepState::Skipped { .. }));
}

#[tokio::test]
async fn a_job_at_its_pivot_is_turned_back_and_one_that_is_past_it_is_not() {
    let bench = Bench::new();
    let stuck = stuck_at_its_pivot(&bench).await;
    let command = Command::TurnBack { host_is_off: true };
    assert_eq!(said_to_be_off(&stuck, command), hosts(&["vsh-02"]));
    bench.order(stuck.id, command).await;
    assert_eq!(bench.end(stuck.id).await.status, Status::Cancelled);
    assert_eq!(undone(&bench), ["pivot", "gate"]);
    assert!(!bench.engine.placement().await.unwrap().contains_key("ldap"));

    bench.script.put("last", Mode::Do, failed(Class::Permanent));
    let steps = vec![gating("gate", "vsh-01"), pivot("vsh-02"), on("last", "vsh-01")];
    let past = self::stuck(&bench, steps).await;
    let why = refused(&bench, past.id, command).await;
    assert_eq!(why, Unvouched::NotAtPivot);
}

#[tokio::test]
async fn a_job_whose_pivot_has_not_begun_is_not_at_it() {
    let bench = Bench::new();
    for guest in ["guest/a", "guest/b", "guest/c", "guest/d"] {
        bench.script.put("slow", Mode::Do, Answer::Never);
        bench.submit(job(None, guest, vec![on("slow", "vsh-02")])).await;
    }
    let steps = vec![on("first", "vsh-01"), pivot("vsh-02")];
    let id = bench.submit(job(None, "guest/ldap", steps)).await;
    let waits = |job: &Job| job.steps[0].state == StepState::Succeeded && job.current() == Some(StepNo(1));
    bench.until(id, waits).await;
    bench.order(id, Command::Pause).await;
    let waiting = bench
        .until(id, |job| matches!(job.status, Status::Paused(_)))
        .await;
    assert!(
        waiting
            .step(StepNo(1))
            .is_none_or(|record| record.state == StepState::Planned)
    );
    let why = refused(&bench, id, Command::TurnBack { host_is_off: false }).await;
    assert_eq!(why, Unvouched::NotAtPivot);
}

#[tokio::test]
async fn a_pivot_whose_undo_is_skipped_has_moved_no_guest() {
    let bench = Bench::new();
    let id = stuck_at_its_pivot(&bench).await.id;
    bench.script.put("pivot", Mode::Undo, failed(Class::Permanent));
    bench.order(id, Command::TurnBack { host_is_off: false }).await;
    bench
        .until(id, |job| matches!(job.status, Status::Stuck { .. }))
        .await;
    bench.order(id, Command::Skip(Some(Assertion::DoneByHand))).await;
    assert_eq!(bench.end(id).await.status, Status::Cancelled);
    assert!(bench.engine.placement().await.unwrap().is_empty());
}

#[tokio::test]
async fn nothing_comes_back_to_life_before_the_new_copy_is_gone_unless_its_host_is_off_for_good() {
    for host_is_off in [false, true] {
        let bench = Bench::new();
        for _ in 0..100 {
            let away = Failure::new(Class::Transient, "T3", "vsh-02 does not answer");
            bench
                .script
                .put("copy", Mode::Undo, Answer::Outcome(Outcome::Unknown(away)));
        }
        bench.script.put("pivot", Mode::Do, failed(Class::Permanent));
        let steps = vec![gating("gate", "vsh-01"), on("copy", "vsh-02"), pivot("vsh-02")];
        let id = stuck(&bench, steps).await.id;
        bench.order(id, Command::TurnBack { host_is_off }).await;
        let tries = |bench: &Bench| undone(bench).iter().filter(|action| *action == "copy").count();
        bench
            .until(id, |_| {
                tries(&bench) > 8 || undone(&bench).contains(&"gate".to_owned())
            })
            .await;
        assert_eq!(undone(&bench).contains(&"gate".to_owned()), host_is_off);
    }
}

#[tokio::test]
async fn a_host_that_was_waited_for_in_vain_is_not_waited_for_again_by_the_same_job() {
    let bench = Bench::new();
    for action in ["one", "two"] {
        for _ in 0..100 {
            let away = Failure::new(Class::Transient, "T3", "vsh-02 does not answer");
            bench
                .script
                .put(action, Mode::Undo, Answer::Outcome(Outcome::Unknown(away)));
        }
    }
    bench.script.put("fail", Mode::Do, failed(Class::Permanent));
    let steps = vec![
        gating("gate", "vsh-01"),
        on("two", "vsh-02"),
        on("one", "vsh-02"),
        on("fail", "vsh-01"),
    ];
    let id = bench.submit(job(None, "guest/ldap", steps)).await;
    bench
        .until(id, |_| undone(&bench).contains(&"gate".to_owned()))
        .await;
    let asked = |action: &str| undone(&bench).iter().filter(|seen| *seen == action).count();
    assert_eq!((asked("one"), asked("two")), (4, 1));
}

#[tokio::test]
async fn whoever_gives_up_a_job_vouches_for_every_host_on_which_something_is_out_of_service() {
    let bench = Bench::new();
    bench.script.put("fail", Mode::Do, failed(Class::Permanent));
    bench.script.put("second", Mode::Undo, failed(Class::Permanent));
    let steps = vec![
        gating("first", "vsh-01"),
        gating("second", "vsh-02"),
        on("fail", "vsh-03"),
    ];
    let stuck = stuck(&bench, steps).await;
    let off = |command| said_to_be_off(&stuck, command);
    let is_off = Some(Assertion::HostIsOff);
    assert_eq!(off(Command::Abandon(is_off)), hosts(&["vsh-01", "vsh-02"]));
    assert_eq!(off(Command::Skip(is_off)), hosts(&["vsh-02"]));
}

#[tokio::test]
async fn that_a_host_is_off_is_not_enough_at_a_pivot_whether_it_places_a_guest_or_not_and_is_after_it() {
    for places in [true, false] {
        let bench = Bench::new();
        for action in ["pivot", "last"] {
            bench.script.put(action, Mode::Do, failed(Class::Permanent));
        }
        let mut pivot = pivot("vsh-02");
        if !places {
            pivot.places.clear();
        }
        let stuck = stuck(
            &bench,
            vec![gating("gate", "vsh-01"), pivot, on("last", "vsh-01")],
        )
        .await;
        let is_off = Some(Assertion::HostIsOff);
        for command in [Command::Skip(is_off), Command::Abandon(is_off)] {
            let why = refused(&bench, stuck.id, command).await;
            assert!(
                matches!(why, Unvouched::Places { step: StepNo(1), .. }),
                "{why:?}"
            );
        }
        bench.order(stuck.id, Command::Retry).await;
        let at_last =
            |job: &Job| matches!(job.status, Status::Stuck { .. }) && job.current() == Some(StepNo(2));
        bench.until(stuck.id, at_last).await;
        bench.order(stuck.id, Command::Abandon(is_off)).await;
        assert!(matches!(
            bench.end(stuck.id).await.status,
            Status::Abandoned { .. }
        ));
    }
}

#[tokio::test]
async fn each_refusal_of_a_word_has_its_code_and_says_what_to_do() {
    let bench = Bench::new();
    let stuck = stuck_at_its_pivot(&bench).await;
    let is_off = Some(Assertion::HostIsOff);
    for (command, code, hint) in [
        (Command::Skip(is_off), "VSJ0015", "--to source"),
        (Command::Skip(None), "VSJ0015", "--done-by-hand"),
        (Command::Abandon(None), "VSJ0015", "--host-is-off"),
    ] {
        let error = bench
            .engine
            .command(stuck.id, command, actor())
            .await
            .unwrap_err();
        assert!(
            error.code() == code && error.hint().contains(hint),
            "{error}: {}",
            error.hint()
        );
    }
    let bench = Bench::new();
    let unwinding = stuck_at_a_gate(&bench).await;
    let turn = Command::TurnBack { host_is_off: false };
    let error = bench
        .engine
        .command(unwinding.id, turn, actor())
        .await
        .unwrap_err();
    assert!(
        error.code() == "VSJ0016" && error.hint().contains("vsjob status"),
        "{error}"
    );
}
