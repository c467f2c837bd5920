//! The master dies after any durable entry, before or after that entry's effects; the answers of what it had under way
//! are lost. Whatever the moment: the job ends as *done* or *as before*, undone in order, and no lock is left.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use uuid::Uuid;
use vsjob_engine::{
    ActionRef, Actor, Class, Core, Effect, Entry, Epoch, Failure, JobId, Lock, Mode, NewJob, Options, Order,
    Outcome, Outputs, Plan, Priority, Request, Retry, Status, Step, StepNo, Ticket, Timestamp, UndoKind,
    World,
};

const STEPS: u16 = 6;
const PIVOT: u16 = 4;

fn plan() -> Plan {
    let step = |no: u16| Step {
        title: format!("step {no}"),
        action: ActionRef {
            name: "act".to_owned(),
            version: 1,
        },
        args: Vec::new(),
        hosts: vec!["vsh-01".parse().unwrap()],
        undo: match no {
            0 | PIVOT.. => None,
            2 => Some(UndoKind::Gating),
            _ => Some(UndoKind::Cleaning),
        },
        pivot: no == PIVOT,
        retry: Retry {
            attempts: 2,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(8),
        },
        creates: Vec::new(),
        strikes: Vec::new(),
        places: Vec::new(),
    };
    Plan {
        steps: (0..STEPS).map(step).collect(),
    }
}

fn request() -> NewJob {
    NewJob {
        request: Request {
            operation: "test".to_owned(),
            args: Vec::new(),
            actor: actor(),
            key: None,
            priority: Priority::Normal,
            not_before: None,
        },
        title: "a test".to_owned(),
        plan: plan(),
        locks: vec![Lock {
            key: "guest/ldap".to_owned(),
            shared: false,
        }],
    }
}

fn actor() -> Actor {
    Actor {
        user: "root".to_owned(),
        from: "a test".to_owned(),
        reason: None,
    }
}

/// What goes wrong besides the crash.
#[derive(Clone, Copy, Debug, Default)]
struct Trouble {
    /// This step's `do` fails for good.
    fails: Option<u16>,
    /// The host is away while this many orders are asked for.
    away: u32,
    /// Cancelled when this step is under way.
    cancelled_at: Option<u16>,
}

/// The hosts: which steps have had their effect. It outlives every master.
#[derive(Default)]
struct Hosts {
    effects: BTreeSet<StepNo>,
    away: u32,
}

impl Hosts {
    fn perform(&mut self, order: &Order, trouble: Trouble) -> Outcome {
        let Ticket { step, mode, .. } = order.ticket;
        if self.away > 0 {
            self.away -= 1;
            return Outcome::Unknown(Failure::new(Class::Transient, "T1", "vsh-01 does not answer"));
        }
        match mode {
            Mode::Do if trouble.fails == Some(step.0) => {
                Outcome::Failed(Failure::new(Class::Permanent, "T2", "no"))
            }
            Mode::Do if order.resume && !self.effects.contains(&step) => Outcome::NotDone,
            Mode::Do => {
                for before in 0..step.0 {
                    assert!(
                        self.effects.contains(&StepNo(before)),
                        "step {before} was not done before {step}"
                    );
                }
                self.effects.insert(step);
                Outcome::Done(Outputs::new())
            }
            Mode::Undo => {
                let later = self
                    .effects
                    .iter()
                    .filter(|other| **other > step && other.0 < PIVOT && other.0 > 0);
                assert_eq!(later.count(), 0, "a later step was not undone before {step}");
                self.effects.remove(&step);
                Outcome::Done(Outputs::new())
            }
        }
    }
}

/// Replays the journal, as opening a store does.
fn reopen(journal: &[Entry], life: u64, now: Timestamp) -> Core {
    let mut world = World::default();
    for entry in journal {
        let bytes = entry.encode().unwrap();
        world.apply(&Entry::decode(&bytes).unwrap()).unwrap();
    }
    Core::open(
        world,
        Epoch {
            counter: life,
            id: Uuid::nil(),
        },
        Options::default(),
        now,
        life,
    )
}

/// Runs one job to its end with one crash right after `crash_after` entries are durable; `effects_first` says whether
/// the effects of those entries still happened. Returns the job's end, the hosts, and how many entries there were.
fn run(crash_after: Option<usize>, effects_first: bool, trouble: Trouble) -> (Status, Hosts, usize) {
    let mut now = Timestamp::from_millis(1_000_000);
    let mut hosts = Hosts {
        away: trouble.away,
        ..Hosts::default()
    };
    let mut journal: Vec<Entry> = Vec::new();
    let mut core = reopen(&journal, 1, now);
    let mut crash = crash_after;
    let mut id: Option<JobId> = None;
    let mut life = 1;
    for _ in 0..10_000 {
        if id.is_none()
            && journal
                .iter()
                .all(|entry| !matches!(entry.event, vsjob_engine::Event::Submitted { .. }))
        {
            id = Some(core.submit(JobId::new(now), request()).unwrap().0);
        }
        let decided = core.take_decided();
        let mut crashed = false;
        for entry in decided.entries {
            journal.push(entry);
            if crash == Some(journal.len()) {
                crash = None;
                crashed = true;
                break;
            }
        }
        if !crashed || effects_first {
            for effect in decided.effects {
                let Effect::Perform(order) = effect else { continue };
                // An effect can only happen once its intent is durable.
                if crashed && !intended(&journal, &order) {
                    continue;
                }
                if trouble.cancelled_at == Some(order.ticket.step.0)
                    && order.ticket.mode == Mode::Do
                    && !crashed
                {
                    hosts.perform(&order, trouble);
                    core.cancel(order.ticket.job, actor()).unwrap();
                    continue;
                }
                let outcome = hosts.perform(&order, trouble);
                if !crashed {
                    core.answer(order.ticket, outcome);
                }
            }
        }
        if crashed {
            life += 1;
            core = reopen(&journal, life, now);
            id = core.world().jobs.keys().next().copied();
            continue;
        }
        let Some(job) = id.and_then(|id| core.world().jobs.get(&id)) else {
            continue;
        };
        if job.status.is_over() && job.debts().next().is_none() {
            let status = job.status.clone();
            assert!(core.waits_for(job.id).is_none());
            core.take_decided();
            return (status, hosts, journal.len());
        }
        if let Some(at) = core.next_alarm() {
            now = now.max(at);
            core.tick(now);
        }
    }
    panic!("the job did not end: crash after {crash_after:?}, {trouble:?}");
}

fn intended(journal: &[Entry], order: &Order) -> bool {
    use vsjob_engine::{Event, JobEvent};
    order.resume
        || journal.iter().any(|entry| match &entry.event {
            Event::Job {
                event: JobEvent::StepStarted { step, attempt, .. },
                ..
            } => {
                order.ticket.mode == Mode::Do
                    && *step == order.ticket.step
                    && *attempt == order.ticket.attempt
            }
            Event::Job {
                event: JobEvent::UndoStarted { step, attempt, .. },
                ..
            } => {
                order.ticket.mode == Mode::Undo
                    && *step == order.ticket.step
                    && *attempt == order.ticket.attempt
            }
            _ => false,
        })
}

/// Every crash point of one scenario, and how many there were.
fn every_crash(trouble: Trouble, check: impl Fn(&Status, &Hosts)) -> usize {
    let (status, hosts, entries) = run(None, true, trouble);
    check(&status, &hosts);
    for crash_after in 1..=entries {
        for effects_first in [true, false] {
            let (status, hosts, _) = run(Some(crash_after), effects_first, trouble);
            check(&status, &hosts);
        }
    }
    entries
}

fn all_done(hosts: &Hosts) -> bool {
    hosts.effects.len() == usize::from(STEPS)
}

/// Only the first step, which has no undo because it changes nothing that must be taken back, may show.
fn as_before(hosts: &Hosts) -> bool {
    hosts.effects.iter().all(|step| step.0 == 0)
}

#[test]
fn a_job_killed_anywhere_on_its_way_is_done() {
    let points = every_crash(Trouble::default(), |status, hosts| {
        assert_eq!(*status, Status::Succeeded);
        assert!(all_done(hosts));
    });
    assert!(points > 10, "only {points} crash points were reached");
}

#[test]
fn a_job_that_fails_before_its_pivot_and_is_killed_anywhere_is_as_before() {
    for fails in 0..PIVOT {
        let trouble = Trouble {
            fails: Some(fails),
            ..Trouble::default()
        };
        every_crash(trouble, |status, hosts| {
            assert!(matches!(status, Status::RolledBack(_)), "{status:?}");
            assert!(as_before(hosts), "{:?} is left", hosts.effects);
        });
    }
}

#[test]
fn a_job_that_is_cancelled_and_killed_anywhere_is_as_before_or_done() {
    for cancelled_at in 0..PIVOT {
        let trouble = Trouble {
            cancelled_at: Some(cancelled_at),
            ..Trouble::default()
        };
        every_crash(trouble, |status, hosts| {
            let consistent = match status {
                Status::Cancelled => as_before(hosts),
                // The crash came first, and with it the cancel was never said.
                Status::Succeeded => all_done(hosts),
                _ => false,
            };
            assert!(consistent, "{status:?} with {:?}", hosts.effects);
        });
    }
}

#[test]
fn a_host_that_is_away_for_a_while_is_waited_for() {
    for away in [1, 3, 10] {
        for fails in [None, Some(3)] {
            let trouble = Trouble {
                away,
                fails,
                ..Trouble::default()
            };
            every_crash(trouble, |status, hosts| match fails {
                None => assert!(*status == Status::Succeeded && all_done(hosts)),
                Some(_) => assert!(matches!(status, Status::RolledBack(_)) && as_before(hosts)),
            });
        }
    }
}

#[test]
fn past_the_pivot_a_failure_is_stuck_and_resume_goes_forward_only() {
    let now = Timestamp::from_millis(1);
    let mut core = reopen(&[], 1, now);
    let (id, _) = core.submit(JobId::new(now), request()).unwrap();
    let mut hosts = Hosts::default();
    let mut trouble = Trouble {
        fails: Some(PIVOT),
        ..Trouble::default()
    };
    let mut seen = BTreeMap::new();
    for _ in 0..100 {
        for effect in core.take_decided().effects {
            if let Effect::Perform(order) = effect {
                let outcome = hosts.perform(&order, trouble);
                core.answer(order.ticket, outcome);
            }
        }
        let job = &core.world().jobs[&id];
        *seen.entry(job.status.word()).or_insert(0) += 1;
        if matches!(job.status, Status::Stuck { .. }) {
            assert!(
                core.cancel(id, actor()).is_err(),
                "it was cancelled past its pivot"
            );
            trouble.fails = None;
            core.resume(id, actor()).unwrap();
        }
    }
    assert_eq!(core.world().jobs[&id].status, Status::Succeeded, "{seen:?}");
    assert!(all_done(&hosts));
}

#[test]
fn a_step_that_brings_the_master_down_again_and_again_is_stuck() {
    let now = Timestamp::from_millis(1);
    let mut journal = Vec::new();
    let mut core = reopen(&journal, 1, now);
    let (id, _) = core.submit(JobId::new(now), request()).unwrap();
    for life in 2..100 {
        journal.extend(core.take_decided().entries);
        core = reopen(&journal, life, now);
        if let Status::Stuck { reason, .. } = &core.world().jobs[&id].status {
            assert!(reason.contains("the master died"), "{reason}");
            return;
        }
    }
    panic!("a poison job ran for ever");
}
