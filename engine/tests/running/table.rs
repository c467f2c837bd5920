//! What may happen to a job in which state. Whatever is not said here is refused, and changes nothing.

use std::collections::BTreeMap;

use uuid::Uuid;
use vsjob_engine::{
    Assertion, Class, Epoch, Failure, Job, JobEvent, JobId, Outputs, Step, StepNo, StepRecord, Timestamp,
    UndoKind, Why, apply,
};

use crate::bench::{actor, job, step};

/// The states, and what may happen in each. The first word of a state is that of its job's status; behind the arrow stands
/// from where, and by which events, it is reached here. `start` and `undo` have the number of the next attempt, and `again`
/// that of the last one. A job has four steps: the undo of the first gates, that of the second cleans, and the third is the
/// pivot.
const TABLE: &str = "\
queued
    cancel; fail; pause; started; stuck
paused, queued <- queued: pause
    cancel; fail; resume; stuck
stuck, queued <- queued: stuck
    cancel; fail; resume; stuck
running <- queued: started
    abandon; abandon by hand; abandon off; cancel; fail; pause; resume; start 1; stuck
running, 1 under way <- running: start 1
    abandon by hand; abandon off; cancel; done 1; fail; fails 1; interrupted 1; pause; resume; start 1;
    stuck; waits 1
running, 1 waits <- running, 1 under way: waits 1
    abandon by hand; abandon off; cancel; fail; pause; resume; start 1; stuck
running, 1 is retried <- running, 1 waits: resume
    abandon by hand; abandon off; cancel; fail; pause; resume; start 1; stuck
running, 1 failed <- running, 1 under way: fails 1
    abandon by hand; abandon off; cancel; fail; pause; resume; stuck
running, 1 done <- running, 1 under way: done 1
    abandon by hand; abandon off; cancel; fail; pause; resume; start 2; stuck
running, 2 under way <- running, 1 done: start 2
    abandon by hand; abandon off; cancel; done 2; fail; fails 2; interrupted 2; pause; resume; start 2;
    stuck; waits 2
paused, 2 under way <- running, 2 under way: pause
    abandon by hand; abandon off; cancel; done 2; fail; fails 2; interrupted 2; resume; stuck; waits 2
stuck, 2 under way <- running, 2 under way: stuck
    abandon by hand; abandon off; cancel; done 2; fail; fails 2; interrupted 2; resume; stuck; waits 2
running, at its pivot <- running, 2 under way: done 2; start 3
    abandon by hand; done 3; fails 3; interrupted 3; pause; resume; skip 3 by hand; start 3; stuck;
    turn back; turn back off; waits 3
paused, at its pivot <- running, at its pivot: pause
    abandon by hand; done 3; fails 3; interrupted 3; resume; skip 3 by hand; stuck; turn back;
    turn back off; waits 3
stuck, at its pivot <- running, at its pivot: fails 3; stuck
    abandon by hand; resume; skip 3 by hand; stuck; turn back; turn back off
running, past its pivot <- running, at its pivot: done 3
    abandon by hand; abandon off; pause; resume; start 4; stuck
stuck, past its pivot <- running, past its pivot: start 4; fails 4; stuck
    abandon by hand; abandon off; resume; skip 4 by hand; skip 4 off; stuck
running, all done <- running, past its pivot: start 4; done 4
    pause; resume; stuck; succeeded
succeeded <- running, all done: succeeded
unwinding, 2 under way <- running, 2 under way: cancel
    abandon by hand; abandon off; done 2; fails 2; interrupted 2; pause; resume; skip 2; skip 2 by hand;
    skip 2 off; stuck; undo 2; waits 2
unwinding, 2 is undone <- unwinding, 2 under way: undo 2
    abandon by hand; abandon off; interrupted 2; owed 2; pause; resume; skip 2; skip 2 by hand;
    skip 2 off; stuck; undo 2; undo fails 2; undo waits 2; undone 2
unwinding, undo of 2 waits <- unwinding, 2 is undone: undo waits 2
    abandon by hand; abandon off; pause; resume; skip 2; skip 2 by hand; skip 2 off; stuck; undo 2
unwinding, undo of 2 failed <- unwinding, 2 is undone: undo fails 2
    abandon by hand; abandon off; pause; resume; skip 2; skip 2 by hand; skip 2 off; stuck
unwinding, undo of 2 is retried <- unwinding, undo of 2 failed: resume
    abandon by hand; abandon off; pause; resume; skip 2; skip 2 by hand; skip 2 off; stuck; undo 2
paused, 2 is undone <- unwinding, 2 is undone: pause
    abandon by hand; abandon off; interrupted 2; owed 2; resume; skip 2; skip 2 by hand; skip 2 off;
    stuck; undo fails 2; undo waits 2; undone 2
stuck, undo of 2 failed <- unwinding, undo of 2 failed: stuck
    abandon by hand; abandon off; resume; skip 2; skip 2 by hand; skip 2 off; stuck
unwinding, undo of 2 owed <- unwinding, 2 is undone: owed 2
    abandon by hand; abandon off; paid 2; pause; resume; skip 1 by hand; skip 1 off; struck 2; stuck;
    undo 1
unwinding, 1 is undone <- unwinding, undo of 2 owed: undo 1
    abandon by hand; abandon off; interrupted 1; paid 2; pause; resume; skip 1 by hand; skip 1 off;
    struck 2; stuck; undo 1; undo fails 1; undo waits 1; undone 1
stuck, undo of 1 failed <- unwinding, 1 is undone: undo fails 1; stuck
    abandon by hand; abandon off; paid 2; resume; skip 1 by hand; skip 1 off; struck 2; stuck
unwinding, all undone or owed <- unwinding, 1 is undone: undone 1
    paid 2; pause; resume; rolled back; struck 2; stuck
cancelled, 2 owed <- unwinding, all undone or owed: rolled back
    paid 2; struck 2
cancelled <- cancelled, 2 owed: paid 2
rolled back <- running, 1 failed: fail; undo 1; undone 1; rolled back
unwinding, turned back <- running, at its pivot: turn back; undo 3
    abandon by hand; interrupted 3; pause; resume; skip 3 by hand; skip 3 off; stuck; undo 3;
    undo fails 3; undo waits 3; undone 3
unwinding, turned back, its host off <- running, at its pivot: turn back off; undo 3
    abandon by hand; interrupted 3; owed 3; pause; resume; skip 3; skip 3 by hand; skip 3 off; stuck;
    undo 3; undo fails 3; undo waits 3; undone 3
abandoned <- stuck, undo of 1 failed: abandon by hand
";

fn at(sequence: u64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + sequence as i64)
}

fn queued() -> Job {
    let gate = Step {
        undo: Some(UndoKind::Gating),
        ..step("gate")
    };
    let pivot = Step {
        pivot: true,
        undo: None,
        ..step("pivot")
    };
    let new = job(None, "guest/ldap", vec![gate, step("clean"), pivot, step("last")]);
    Job::new(JobId::new(at(0)), new, at(0), 0)
}

/// What somebody may say, by its name behind that of an event.
const WORDS: [(&str, Option<Assertion>); 3] = [
    ("", None),
    (" off", Some(Assertion::HostIsOff)),
    (" by hand", Some(Assertion::DoneByHand)),
];

fn failure() -> Failure {
    Failure::new(Class::Transient, "T1", "it did not work")
}

/// All that could happen to the job, by name.
fn events(job: &Job) -> BTreeMap<String, JobEvent> {
    let (actor, reason) = (actor(), "it cannot".to_owned());
    let unwinding = |why| JobEvent::Unwinding { why };
    let turned_back = |host_is_off| {
        let actor = actor.clone();
        unwinding(Why::TurnedBack { host_is_off, actor })
    };
    let (step, failure) = (StepNo(0), failure());
    let of_job = [
        ("started", JobEvent::Started),
        ("fail", unwinding(Why::Failed { step, failure })),
        ("cancel", unwinding(Why::Cancelled(actor.clone()))),
        ("turn back", turned_back(false)),
        ("turn back off", turned_back(true)),
        ("pause", JobEvent::Paused { actor: actor.clone() }),
        ("resume", JobEvent::Resumed { actor: actor.clone() }),
        ("stuck", JobEvent::Stuck { reason }),
        ("succeeded", JobEvent::Succeeded),
        ("rolled back", JobEvent::RolledBack),
    ];
    let mut events: BTreeMap<_, _> = of_job.map(|(name, event)| (name.to_owned(), event)).into();
    for (word, assertion) in WORDS {
        let actor = actor.clone();
        events.insert(format!("abandon{word}"), JobEvent::Abandoned { assertion, actor });
    }
    events.extend(job.numbered().flat_map(|(step, record)| of_step(step, record)));
    events
}

fn of_step(step: StepNo, record: &StepRecord) -> BTreeMap<String, JobEvent> {
    let (actor, failure, outputs) = (actor(), failure(), Outputs::new());
    let epoch = Epoch {
        counter: 1,
        id: Uuid::nil(),
    };
    let start = |attempt| JobEvent::StepStarted { step, attempt, epoch };
    let undo = |attempt| JobEvent::UndoStarted { step, attempt, epoch };
    let failed = |retry_at| JobEvent::StepFailed {
        step,
        failure: failure.clone(),
        retry_at,
    };
    let undo_failed = |retry_at| JobEvent::UndoFailed {
        step,
        failure: failure.clone(),
        retry_at,
    };
    let of_step = [
        ("start", start(record.attempts + 1)),
        ("start again", start(record.attempts)),
        ("done", JobEvent::StepSucceeded { step, outputs }),
        ("waits", failed(Some(at(0)))),
        ("fails", failed(None)),
        ("interrupted", JobEvent::Interrupted { step }),
        ("undo", undo(record.undo_attempts + 1)),
        ("undo again", undo(record.undo_attempts)),
        ("undone", JobEvent::Undone { step }),
        ("undo waits", undo_failed(Some(at(0)))),
        ("undo fails", undo_failed(None)),
        (
            "owed",
            JobEvent::UndoOwed {
                step,
                failure: failure.clone(),
            },
        ),
        ("paid", JobEvent::DebtPaid { step }),
        (
            "struck",
            JobEvent::DebtStruck {
                step,
                actor: actor.clone(),
            },
        ),
    ];
    let mut events: BTreeMap<_, _> = of_step
        .map(|(name, event)| (format!("{name} {step}"), event))
        .into();
    for (word, assertion) in WORDS {
        let actor = actor.clone();
        events.insert(
            format!("skip {step}{word}"),
            JobEvent::Skipped {
                step,
                assertion,
                actor,
            },
        );
    }
    events
}

fn happen(job: &Job, name: &str) -> Option<Job> {
    let mut after = job.clone();
    let sequence = job.last + 1;
    match apply(&mut after, &events(job)[name], at(sequence), sequence) {
        Ok(()) => Some(after),
        Err(_) => {
            assert_eq!(after, *job, "{name} was refused");
            None
        }
    }
}

#[test]
fn whatever_does_not_stand_in_the_table_cannot_happen() {
    let table = TABLE.replace("\n    ", "\t");
    let mut states = BTreeMap::from([("", queued())]);
    for row in table.lines() {
        let (head, may_happen) = row.split_once('\t').unwrap_or((row, ""));
        let (state, way) = head.split_once(" <- ").unwrap_or((head, ": "));
        let (from, way) = way.split_once(": ").unwrap();
        let way = way.split("; ").filter(|name| !name.is_empty());
        let job = way.fold(states[from].clone(), |job, name| happen(&job, name).unwrap());
        assert!(state.starts_with(job.status.word()), "{state}: {:?}", job.status);
        assert_eq!(job.ended.is_some(), job.status.is_over(), "{state}");
        let all = events(&job);
        let happened = all
            .keys()
            .map(String::as_str)
            .filter(|name| happen(&job, name).is_some());
        let happened: Vec<&str> = happened.collect();
        assert_eq!(happened.join("; "), may_happen.replace('\t', " "), "{state}");
        states.insert(state, job);
    }
    assert_eq!(states["cancelled"].ended, states["cancelled, 2 owed"].ended);
}
