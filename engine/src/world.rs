//! Everything the journal says, as it stands: the open jobs, who holds which lock, where guests live. A projection:
//! the same entries always give the same world, and [`World::apply`] is the only way to change it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::locks::{Locks, Turn};
use crate::state::{self, IllegalTransition};
use crate::{
    ClockEvent, Direction, Entry, Epoch, Event, HostEvent, HostName, Job, JobEvent, JobId, KnownHost,
    Maintenance, Object, Placing, ScheduleEvent, ScheduleName, Scheduled, Status, StepState, Timestamp,
};

/// The state of the whole pool, as far as the journal knows it.
#[derive(Debug, Default)]
pub struct World {
    /// Jobs that are open, owe an undo, or are over but not yet handed to the index.
    pub jobs: BTreeMap<JobId, Job>,
    /// Who holds what.
    pub(crate) locks: Locks,
    /// Where guests live.
    pub placement: BTreeMap<String, HostName>,
    /// What is known of hosts.
    pub hosts: BTreeMap<HostName, KnownHost>,
    /// What is submitted by itself.
    pub schedules: BTreeMap<ScheduleName, Scheduled>,
    /// What is known of time.
    pub clock: KnownTime,
    /// Idempotency keys of `jobs`.
    pub(crate) keys: BTreeMap<String, JobId>,
    /// The epoch of the last master that opened the store.
    pub epoch: Option<Epoch>,
    /// The last master left in good order.
    pub closed: bool,
    /// A master took over, and nobody has accepted yet how the hosts are: no job moves.
    pub held: bool,
    /// The number of the last entry.
    pub sequence: u64,
    /// How many jobs are known: open ones, and those that are over and not forgotten.
    pub(crate) known_jobs: u64,
    /// What changed since the index was last told.
    pub(crate) dirty: Dirty,
    /// Jobs that may be able to begin, because a lock they wait for was freed.
    pub(crate) woken: BTreeSet<Turn>,
}

/// What the journal knows of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownTime {
    /// When the last entry was written.
    pub seen: Timestamp,
    /// How long a master was up, in all, as last noted.
    pub up: Duration,
    /// How long it will have been up when each job's own time comes, of those that wait for one.
    pub due: BTreeMap<JobId, Duration>,
    /// The wall clock is not followed.
    pub jump: Option<Jump>,
}

/// A jump of the wall clock that nobody has accepted yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jump {
    /// The engine's time then.
    pub from: Timestamp,
    /// What the wall clock said instead.
    pub to: Timestamp,
}

/// What the index does not know yet.
#[derive(Debug, Default)]
pub(crate) struct Dirty {
    /// Jobs.
    pub jobs: BTreeSet<JobId>,
    /// Guests whose place changed.
    pub guests: BTreeSet<String>,
    /// Hosts of which something else is known.
    pub hosts: BTreeSet<HostName>,
    /// Schedules.
    pub schedules: BTreeSet<ScheduleName>,
    /// The epoch, or how the last master left.
    pub master: bool,
    /// Whether jobs are held.
    pub held: bool,
}

impl Dirty {
    /// How many records are to be written, of what there may be any number of.
    pub(crate) fn len(&self) -> usize {
        self.jobs.len() + self.guests.len()
    }
}

/// The place of a job in every line.
#[must_use]
pub(crate) fn turn(job: &Job) -> Turn {
    (job.request.priority, job.first, job.id)
}

impl World {
    /// Takes in a job that the index knew: as it stood at `sequence`.
    pub fn restore(&mut self, job: Job) {
        if holds_locks(&job) {
            self.locks.take(&turn(&job), &job.locks);
        } else if !job.status.is_over() && job.request.not_before.is_none() {
            // A job with a time of its own joins the line when that has come.
            self.locks.wait(turn(&job), &job.locks);
        }
        if let Some(key) = &job.request.key {
            self.keys.insert(key.clone(), job.id);
        }
        self.jobs.insert(job.id, job);
    }

    /// Changes the world by one entry.
    ///
    /// # Errors
    /// The entry cannot happen to its job. That job is stuck from now on, unless it is over; the rest of the world goes on.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), IllegalTransition> {
        self.sequence += 1;
        self.clock.seen = entry.at;
        match &entry.event {
            Event::Opened { epoch } => {
                self.epoch = Some(*epoch);
                self.closed = false;
                self.dirty.master = true;
            }
            Event::Closed => {
                self.closed = true;
                self.dirty.master = true;
            }
            Event::TakenOver => {
                self.held = true;
                self.dirty.held = true;
            }
            Event::Accepted { .. } => {
                self.held = false;
                self.dirty.held = true;
            }
            Event::Submitted { job, new } => {
                let job = Job::new(*job, (**new).clone(), entry.at, self.sequence);
                self.dirty.jobs.insert(job.id);
                self.known_jobs += 1;
                if let Some(at) = job.request.not_before {
                    let due = self.clock.up + at.since(entry.at);
                    self.clock.due.insert(job.id, due);
                }
                self.restore(job);
            }
            Event::Placed { guest, host, .. } => {
                self.place(&Placing::Place {
                    guest: guest.clone(),
                    host: host.clone(),
                });
            }
            Event::Clock(event) => self.apply_to_clock(event, entry.at),
            Event::Schedule { schedule, event } => self.apply_to_schedule(schedule, event, entry.at),
            Event::Host { host, event } => self.apply_to_host(host, event, entry.at),
            Event::Job { job, event } => return self.apply_to_job(*job, event, entry.at),
        }
        Ok(())
    }

    fn apply_to_schedule(&mut self, name: &ScheduleName, event: &ScheduleEvent, at: Timestamp) {
        state::apply_to_schedule(&mut self.schedules, name, event, at);
        self.dirty.schedules.insert(name.clone());
    }

    fn apply_to_clock(&mut self, event: &ClockEvent, at: Timestamp) {
        match event {
            ClockEvent::Up { up } => self.clock.up = *up,
            ClockEvent::Jumped { from, to } => {
                self.clock.jump = Some(Jump { from: *from, to: *to });
            }
            ClockEvent::Accepted { .. } => {
                self.clock.jump = None;
                // What is settled for days that have not come after all is due again; what was done of it has its key.
                for (name, known) in &mut self.schedules {
                    known.settled = known.settled.min(at);
                    self.dirty.schedules.insert(name.clone());
                }
            }
        }
    }

    fn apply_to_host(&mut self, host: &HostName, event: &HostEvent, at: Timestamp) {
        self.dirty.hosts.insert(host.clone());
        let known = self.hosts.entry(host.clone()).or_default();
        match event {
            HostEvent::MaintenanceBegun { actor } => {
                let actor = actor.clone();
                known.maintenance = Some(Maintenance { since: at, actor });
            }
            HostEvent::MaintenanceEnded { .. } => known.maintenance = None,
            HostEvent::Met { machine } => known.machine = Some(machine.clone()),
            HostEvent::Forgotten { guests, .. } => {
                *known = KnownHost::default();
                for guest in guests {
                    self.place(&Placing::Remove { guest: guest.clone() });
                }
            }
        }
        self.hosts.retain(|_, known| *known != KnownHost::default());
    }

    fn apply_to_job(&mut self, id: JobId, event: &JobEvent, at: Timestamp) -> Result<(), IllegalTransition> {
        self.dirty.jobs.insert(id);
        let Some(job) = self.jobs.get_mut(&id) else {
            return Err(IllegalTransition {
                job: id,
                state: "unknown".to_owned(),
                event: event.word().to_owned(),
            });
        };
        if let Err(illegal) = state::apply(job, event, at, self.sequence) {
            if job.status.is_over() {
                // Its locks are others' by now: it stays over.
                return Err(illegal);
            }
            let direction = match &job.status {
                Status::Queued => Direction::Queued,
                Status::Unwinding(why) => Direction::Backward(why.clone()),
                Status::Paused(direction) | Status::Stuck { direction, .. } => direction.clone(),
                _ => Direction::Forward,
            };
            job.status = Status::Stuck {
                reason: format!("its journal does not fit: {illegal}"),
                direction,
            };
            return Err(illegal);
        }
        let turn = turn(job);
        let mut done = None;
        match event {
            JobEvent::Started => {
                self.clock.due.remove(&id);
                self.locks.take(&turn, &job.locks);
            }
            JobEvent::Succeeded | JobEvent::RolledBack | JobEvent::Abandoned { .. } => {
                self.clock.due.remove(&id);
                self.woken.extend(self.locks.free(&turn, &job.locks));
            }
            JobEvent::StepSucceeded { step, .. } => done = Some(*step),
            JobEvent::Skipped { step, .. } if !is_taken_back(job) => done = Some(*step),
            _ => {}
        }
        let placings = done
            .and_then(|no| job.plan.step(no))
            .map(|step| step.places.clone());
        for placing in placings.iter().flatten() {
            self.place(placing);
        }
        Ok(())
    }

    fn place(&mut self, placing: &Placing) {
        let guest = match placing {
            Placing::Place { guest, host } => {
                self.placement.insert(guest.clone(), host.clone());
                guest
            }
            Placing::Remove { guest } => {
                self.placement.remove(guest);
                guest
            }
        };
        self.dirty.guests.insert(guest.clone());
    }

    /// Lets go of those of `jobs` that are over and owe nothing: the index has them from now on.
    pub(crate) fn let_go(&mut self, jobs: &BTreeSet<JobId>) {
        for id in jobs {
            if let Some(job) = self.jobs.get(id)
                && job.status.is_over()
                && job.debts().next().is_none()
            {
                if let Some(key) = &job.request.key {
                    self.keys.remove(key);
                }
                self.jobs.remove(id);
            }
        }
    }
}

fn is_taken_back(job: &Job) -> bool {
    matches!(
        job.status,
        Status::Unwinding(_) | Status::Paused(Direction::Backward(_))
    )
}

/// Whether the job has its locks: from its start to its end.
fn holds_locks(job: &Job) -> bool {
    job.started.is_some() && !job.status.is_over()
}

/// The ledger: what a job may have left on hosts and has not struck. It is in the ledger from its step's intent on,
/// until its undo, or a later step, strikes it.
#[must_use]
pub fn ledger(job: &Job) -> Vec<&Object> {
    let struck: BTreeSet<_> = job
        .numbered()
        .filter(|(_, record)| record.state == StepState::Succeeded)
        .filter_map(|(no, _)| job.plan.step(no))
        .flat_map(|step| step.strikes.iter().copied())
        .collect();
    job.numbered()
        .filter(|(no, record)| {
            !struck.contains(no) && !matches!(record.state, StepState::Planned | StepState::Undone)
        })
        .filter_map(|(no, _)| job.plan.step(no))
        .flat_map(|step| &step.creates)
        .collect()
}
