//! What was once written must open for ever. `fixtures/entries-v1.hex` has one entry of each kind, a line each, as the
//! first version wrote them; a program that changes a stored type fails here, and then needs a new version beside it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::mem::discriminant;
use std::time::Duration;

use uuid::Uuid;
use vsjob_engine::{
    ActionRef, Actor, Arg, Assertion, CatchUp, Class, ClockEvent, Entry, Epoch, Event, Failure, HostEvent,
    JobEvent, JobId, Lock, Missed, NewJob, Object, Outputs, Overlap, Placing, Plan, Priority, Request, Retry,
    Schedule, ScheduleEvent, Step, StepNo, TimeOfDay, Timestamp, UndoKind, Value, Why,
};

const STORED: &str = include_str!("fixtures/entries-v1.hex");

#[test]
fn entries_of_the_first_version_are_read_and_written_as_they_were() {
    let entries = entries();
    let lines: Vec<&str> = STORED.lines().collect();
    assert_eq!(
        lines.len(),
        entries.len(),
        "an event has no fixture; its line would be one of:\n{}",
        all(&entries)
    );
    for (line, entry) in lines.iter().zip(&entries) {
        let bytes: Vec<u8> = (0..line.len() / 2)
            .map(|at| u8::from_str_radix(&line[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        assert_eq!(Entry::decode(&bytes).unwrap(), *entry);
        assert_eq!(
            entry.encode().unwrap(),
            bytes,
            "{entry:?} is not written as it was"
        );
    }
}

#[test]
fn each_event_of_a_job_has_a_word_of_its_own() {
    let events = entries().into_iter().filter_map(|entry| match entry.event {
        Event::Job { event, .. } => Some(event),
        _ => None,
    });
    let words: BTreeMap<_, _> = events.map(|event| (event.word(), event)).collect();
    assert!(!words.contains_key(""));
    for event in words.values() {
        let same = words
            .values()
            .filter(|other| discriminant(*other) == discriminant(event));
        assert_eq!(same.count(), 1, "{event:?}");
    }
    assert_eq!(words.len(), 19, "{:?}", words.keys());
}

fn all(entries: &[Entry]) -> String {
    entries
        .iter()
        .map(|entry| {
            entry
                .encode()
                .unwrap()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
                + "\n"
        })
        .collect()
}

/// One entry of each kind, with every field set.
fn entries() -> Vec<Entry> {
    let at = Timestamp::from_millis(1_764_000_000_000);
    let job: JobId = "019ab4c5-d6e7-7f80-8192-a3b4c5d6e7f8".parse().unwrap();
    let epoch = Epoch {
        counter: 3,
        id: Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef),
    };
    let step = StepNo(4);
    let actor = Actor {
        user: "root".to_owned(),
        from: "ssh 10.0.3.6".to_owned(),
        reason: Some("tests".to_owned()),
    };
    let failures = [
        Class::Transient,
        Class::Partial,
        Class::Vanished,
        Class::Permanent,
    ]
    .map(|class| Failure {
        class,
        code: "VSJ0301".to_owned(),
        message: "no".to_owned(),
        detail: "d".to_owned(),
    });
    let [failure, ..] = failures.clone();
    let mut events = vec![
        Event::Opened { epoch },
        Event::Closed,
        Event::Submitted {
            job,
            new: Box::new(new_job()),
        },
        Event::Placed {
            guest: "ldap".to_owned(),
            host: "vsh-01".parse().unwrap(),
            actor: actor.clone(),
        },
    ];
    let outputs = Outputs::from([("key".to_owned(), "value".to_owned())]);
    let retry_at = Some(at);
    let mut of_job = vec![
        JobEvent::Started,
        JobEvent::StepStarted {
            step,
            attempt: 2,
            epoch,
        },
        JobEvent::StepSucceeded { step, outputs },
    ];
    of_job.extend(failures.map(|failure| JobEvent::StepFailed {
        step,
        failure,
        retry_at: None,
    }));
    of_job.extend([
        JobEvent::StepFailed {
            step,
            failure: failure.clone(),
            retry_at,
        },
        JobEvent::Interrupted { step },
        JobEvent::Unwinding {
            why: Why::Failed {
                step,
                failure: failure.clone(),
            },
        },
        JobEvent::Unwinding {
            why: Why::Cancelled(actor.clone()),
        },
        JobEvent::UndoStarted {
            step,
            attempt: 1,
            epoch,
        },
        JobEvent::Undone { step },
        JobEvent::UndoFailed {
            step,
            failure: failure.clone(),
            retry_at,
        },
        JobEvent::UndoOwed { step, failure },
        JobEvent::DebtPaid { step },
        JobEvent::Paused { actor: actor.clone() },
        JobEvent::Resumed { actor: actor.clone() },
        JobEvent::Stuck {
            reason: "why".to_owned(),
        },
        JobEvent::Succeeded,
        JobEvent::RolledBack,
    ]);
    events.extend(of_job.into_iter().map(|event| Event::Job { job, event }));
    events.extend([Event::TakenOver, Event::Accepted { actor: actor.clone() }]);
    events.extend(of_host(&actor).map(|event| Event::Host {
        host: "vsh-01".parse().unwrap(),
        event,
    }));
    let struck = JobEvent::DebtStruck {
        step,
        actor: actor.clone(),
    };
    events.push(Event::Job { job, event: struck });
    events.extend(of_clock(at, actor.clone()).map(Event::Clock));
    events.extend(of_stuck(step, &actor).map(|event| Event::Job { job, event }));
    events.extend(
        of_schedule(at, job, &actor)
            .into_iter()
            .map(|event| Event::Schedule {
                schedule: "nightly".parse().unwrap(),
                event,
            }),
    );
    events.into_iter().map(|event| Entry { at, event }).collect()
}

fn of_schedule(due: Timestamp, job: JobId, actor: &Actor) -> Vec<ScheduleEvent> {
    let actor = || actor.clone();
    let schedule = |catch_up, overlap| Schedule {
        line: "30 2 * * *".to_owned(),
        zone: "Europe/Paris".to_owned(),
        operation: "backup".to_owned(),
        args: vec![("all".to_owned(), "true".to_owned())],
        priority: Priority::Low,
        not_after: Some(TimeOfDay { hour: 6, minute: 5 }),
        catch_up,
        overlap,
        jitter: Duration::from_secs(600),
    };
    let set = |schedule, declared| ScheduleEvent::Set {
        schedule: Box::new(schedule),
        declared,
        actor: actor(),
    };
    let failure = Failure {
        class: Class::Permanent,
        code: "VSJ0405".to_owned(),
        message: "no".to_owned(),
        detail: "d".to_owned(),
    };
    let why = [
        Missed::Late,
        Missed::TooLate,
        Missed::Overlap(job),
        Missed::Refused(failure),
        Missed::TakenOver,
    ];
    let mut events = vec![
        set(schedule(CatchUp::Once, Overlap::Skip), false),
        set(schedule(CatchUp::Skip, Overlap::Queue), true),
        ScheduleEvent::Removed { actor: actor() },
        ScheduleEvent::Enabled { actor: actor() },
        ScheduleEvent::Disabled { actor: actor() },
        ScheduleEvent::Fired { due, job, by: None },
        ScheduleEvent::Fired {
            due,
            job,
            by: Some(actor()),
        },
    ];
    events.extend(why.map(|why| ScheduleEvent::Missed { due, why }));
    events
}

fn of_stuck(step: StepNo, actor: &Actor) -> [JobEvent; 4] {
    let actor = || actor.clone();
    [
        JobEvent::Unwinding {
            why: Why::TurnedBack {
                host_is_off: true,
                actor: actor(),
            },
        },
        JobEvent::Skipped {
            step,
            assertion: Some(Assertion::HostIsOff),
            actor: actor(),
        },
        JobEvent::Abandoned {
            assertion: Some(Assertion::DoneByHand),
            actor: actor(),
        },
        JobEvent::Abandoned {
            assertion: None,
            actor: actor(),
        },
    ]
}

fn of_clock(at: Timestamp, actor: Actor) -> [ClockEvent; 3] {
    [
        ClockEvent::Up {
            up: Duration::from_millis(86_400_001),
        },
        ClockEvent::Jumped {
            from: at,
            to: Timestamp::from_millis(0),
        },
        ClockEvent::Accepted { actor },
    ]
}

fn of_host(actor: &Actor) -> [HostEvent; 4] {
    let actor = || actor.clone();
    [
        HostEvent::MaintenanceBegun { actor: actor() },
        HostEvent::MaintenanceEnded { actor: actor() },
        HostEvent::Met {
            machine: "0123456789abcdef0123456789abcdef".to_owned(),
        },
        HostEvent::Forgotten {
            actor: actor(),
            guests: vec!["web".to_owned()],
        },
    ]
}

fn new_job() -> NewJob {
    let step = |undo| Step {
        title: "stop ldap".to_owned(),
        action: ActionRef {
            name: "guest-stop".to_owned(),
            version: 7,
        },
        args: vec![
            Arg {
                name: "name".to_owned(),
                value: Value::Text("ldap".to_owned()),
            },
            Arg {
                name: "was".to_owned(),
                value: Value::Output {
                    step: StepNo(0),
                    key: "running".to_owned(),
                },
            },
        ],
        hosts: vec!["vsh-01".parse().unwrap(), "vsh-02".parse().unwrap()],
        undo,
        pivot: true,
        retry: Retry {
            attempts: 6,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
        },
        creates: vec![Object {
            kind: "volume".to_owned(),
            host: "vsh-02".parse().unwrap(),
            name: "ldap".to_owned(),
        }],
        strikes: vec![StepNo(1)],
        places: vec![
            Placing::Place {
                guest: "ldap".to_owned(),
                host: "vsh-02".parse().unwrap(),
            },
            Placing::Remove {
                guest: "old".to_owned(),
            },
        ],
    };
    let request = Request {
        operation: "move".to_owned(),
        args: vec![
            ("name".to_owned(), "ldap".to_owned()),
            ("dst".to_owned(), "vsh-02".to_owned()),
        ],
        actor: Actor {
            user: "root".to_owned(),
            from: "local".to_owned(),
            reason: None,
        },
        key: Some("k".to_owned()),
        priority: Priority::High,
        not_before: Some(Timestamp::from_millis(5)),
    };
    let steps = vec![
        step(None),
        step(Some(UndoKind::Gating)),
        step(Some(UndoKind::Cleaning)),
    ];
    let locks = vec![Lock {
        key: "host/vsh-01".to_owned(),
        shared: true,
    }];
    NewJob {
        request,
        title: "move ldap".to_owned(),
        plan: Plan { steps },
        locks,
    }
}
