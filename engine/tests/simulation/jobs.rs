//! Jobs of all shapes that a plan may have.

use std::time::Duration;

use fastrand::Rng;
use vsjob_engine::{
    ActionRef, Actor, Arg, HostName, JobId, Lock, NewJob, Plan, Priority, Request, Retry, Step, StepNo,
    Timestamp, UndoKind, Value,
};

/// The hosts of the pool.
pub(crate) const HOSTS: [&str; 3] = ["vsh-01", "vsh-02", "vsh-03"];
/// The output that every step answers, for later ones to take.
pub(crate) const OUTPUT: &str = "said";

/// The job of that number.
pub(crate) fn id(number: u64) -> JobId {
    let text = format!("019ab4c5-d6e7-7f80-8192-{number:012x}");
    text.parse().expect("a job's id")
}

/// The host of that number.
pub(crate) fn host(number: usize) -> HostName {
    HOSTS[number % HOSTS.len()].parse().expect("a host's name")
}

/// What a step answers for [`OUTPUT`].
pub(crate) fn said(job: JobId, step: StepNo) -> String {
    format!("{job} {step}")
}

pub(crate) fn actor() -> Actor {
    Actor {
        user: "root".to_owned(),
        from: "a simulation".to_owned(),
        reason: Some("to see".to_owned()),
    }
}

/// A job of any shape. `now` is for one that waits for a time of its own.
pub(crate) fn any(rng: &mut Rng, now: Timestamp) -> NewJob {
    let count = rng.usize(1..=6);
    let pivot = rng.bool().then(|| rng.usize(0..count));
    let steps = (0..count).map(|no| any_step(rng, no, pivot)).collect();
    let key = rng.u8(..) < 40;
    NewJob {
        request: Request {
            operation: "test".to_owned(),
            args: Vec::new(),
            actor: actor(),
            key: key.then(|| format!("key {}", rng.u8(..4))),
            priority: *rng
                .choice(&[Priority::High, Priority::Normal, Priority::Normal])
                .expect("one"),
            not_before: (rng.u8(..) < 30).then(|| now + Duration::from_secs(rng.u64(0..5_000))),
        },
        title: "a test".to_owned(),
        plan: Plan { steps },
        locks: any_locks(rng),
    }
}

/// A job that wants nothing but one step on each of `hosts`, and `locks`.
pub(crate) fn probe(hosts: &[HostName], locks: Vec<Lock>) -> NewJob {
    let steps = hosts
        .iter()
        .map(|host| step("probe", vec![host.clone()]))
        .collect();
    let mut new = any(&mut Rng::with_seed(0), Timestamp::from_millis(0));
    new.request.key = None;
    new.request.not_before = None;
    NewJob {
        plan: Plan { steps },
        locks,
        ..new
    }
}

/// Every lock that a job of [`any`] may want, for itself alone.
pub(crate) fn all_locks() -> Vec<Lock> {
    let guests = (0..3).map(|n| format!("guest/g{n}"));
    let hosts = HOSTS.iter().map(|host| format!("host/{host}"));
    let lock = |key| Lock { key, shared: false };
    guests.chain(hosts).map(lock).collect()
}

fn any_locks(rng: &mut Rng) -> Vec<Lock> {
    let mut locks = all_locks();
    rng.shuffle(&mut locks);
    locks.truncate(rng.usize(0..=3));
    locks.sort_by(|a, b| a.key.cmp(&b.key));
    for lock in &mut locks {
        lock.shared = rng.bool();
    }
    locks
}

fn any_step(rng: &mut Rng, no: usize, pivot: Option<usize>) -> Step {
    let hosts = match rng.u8(0..10) {
        0 => Vec::new(),
        1 | 2 => {
            let first = rng.usize(0..HOSTS.len());
            vec![host(first), host(first + 1)]
        }
        _ => vec![host(rng.usize(0..HOSTS.len()))],
    };
    let mut step = step(&format!("step {no}"), hosts);
    if pivot.is_none_or(|pivot| no < pivot) {
        step.undo = *rng
            .choice(&[
                None,
                Some(UndoKind::Gating),
                Some(UndoKind::Cleaning),
                Some(UndoKind::Cleaning),
            ])
            .expect("one");
    }
    step.pivot = pivot == Some(no);
    if no > 0 && rng.bool() {
        let step_no = StepNo(u16::try_from(rng.usize(0..no)).expect("a small number"));
        step.args = vec![Arg {
            name: OUTPUT.to_owned(),
            value: Value::Output {
                step: step_no,
                key: OUTPUT.to_owned(),
            },
        }];
    }
    step
}

fn step(title: &str, hosts: Vec<HostName>) -> Step {
    Step {
        title: title.to_owned(),
        action: ActionRef {
            name: "act".to_owned(),
            version: 1,
        },
        args: Vec::new(),
        hosts,
        undo: None,
        pivot: false,
        retry: Retry {
            attempts: 3,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(8),
        },
        creates: Vec::new(),
        strikes: Vec::new(),
        places: Vec::new(),
    }
}
