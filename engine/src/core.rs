//! What happens next. [`Core`] is a pure state machine: it takes inputs and the time, and gives entries for the
//! journal and effects for the world. Its caller makes the entries durable before it lets any effect happen, so
//! nothing outside ever sees a decision that a crash could take back.

mod advance;
mod answers;
mod hosts;
mod schedules;
mod stuck;
mod time;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use self::schedules::Timetable;
pub use self::schedules::{Due, ScheduleState};
use self::time::Time;
use crate::locks::Turn;
use crate::slots::Slots;
use crate::world::{World, turn};
use crate::{
    ActionRef, Actor, Direction, EngineError, Entry, Epoch, Event, Failure, HostName, Job, JobEvent, JobId,
    Mode, Moment, NewJob, Retry, ScheduleName, Sighting, Status, StepNo, StepState, Timestamp, Why, recovery,
};

/// How the engine behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many steps are performed on one host at a time.
    pub slots_per_host: usize,
    /// How often a step may be under way when the master dies before its job is stuck.
    pub poison_limit: u32,
    /// After how many unanswered tries the undo of a cleaning step becomes a debt.
    pub patience: u32,
    /// How long until a host that does not answer is asked again; doubles up to a minute.
    pub ask_again: Duration,
    /// How many jobs stay known when they are over; the oldest are forgotten.
    pub jobs_kept: u64,
    /// Another master has had the hosts, with an epoch of this counter: that of this life is above it, and every job is
    /// held until somebody has seen how the hosts are.
    pub take_over: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            slots_per_host: 4,
            poison_limit: 20,
            patience: 4,
            ask_again: Duration::from_secs(1),
            jobs_kept: 100_000,
            take_over: None,
        }
    }
}

/// Something that the caller does once the entries are durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Perform one side of a step and answer.
    Perform(Order),
    /// Stop waiting for what is performed for this job; its answer will be ignored.
    Abort(JobId),
    /// The job is over and owes nothing.
    Forget(JobId, Vec<HostName>),
    /// From now on a host is this machine; none: it may be any.
    Expect(HostName, Option<String>),
}

/// A step to be performed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Which performance this is; its answer says so too.
    pub ticket: Ticket,
    /// The action.
    pub action: ActionRef,
    /// It may have been performed before.
    pub resume: bool,
    /// Its arguments, resolved.
    pub args: Vec<(String, String)>,
    /// Where.
    pub hosts: Vec<HostName>,
    /// Hosts that must obey this life of the master before anything is changed.
    pub claims: Vec<HostName>,
}

/// Names one performance of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The job.
    pub job: JobId,
    /// Its step.
    pub step: StepNo,
    /// Which side.
    pub mode: Mode,
    /// Which attempt.
    pub attempt: u32,
}

/// What the engine decided and has not handed out yet.
#[derive(Debug, Default)]
pub struct Decided {
    /// For the journal, in this order.
    pub entries: Vec<Entry>,
    /// For afterwards.
    pub effects: Vec<Effect>,
    /// Jobs that are over, or stuck, from now on.
    pub ended: Vec<JobId>,
}

/// The engine without disk, network and time.
#[derive(Debug)]
pub struct Core {
    world: World,
    slots: Slots,
    options: Options,
    epoch: Epoch,
    /// The engine's time.
    now: Timestamp,
    time: Time,
    /// What the steady clock said when the journal was last told how long a master has been up.
    noted: Duration,
    decided: Decided,
    /// What is being performed.
    performing: BTreeMap<JobId, Ticket>,
    /// When to look at a job again.
    alarms: BTreeSet<(Timestamp, JobId)>,
    /// When each schedule is due that is enabled.
    timetables: BTreeMap<ScheduleName, Timetable>,
    /// Why a job's host was asked in vain, and how often in a row. Not durable: a new master asks anew.
    unanswered: BTreeMap<JobId, (u32, Failure)>,
    random: fastrand::Rng,
}

impl Core {
    /// Begins a life of the master over what the last one left.
    #[must_use]
    pub fn open(world: World, epoch: Epoch, options: Options, moment: impl Into<Moment>, seed: u64) -> Self {
        let left = recovery::plan(&world);
        let moment = moment.into();
        let time = Time::begin(moment, world.clock.seen);
        let mut core = Self {
            slots: Slots::new(options.slots_per_host),
            world,
            options,
            epoch,
            now: time.at(),
            time,
            noted: moment.steady,
            decided: Decided::default(),
            performing: BTreeMap::new(),
            alarms: BTreeSet::new(),
            timetables: BTreeMap::new(),
            unanswered: BTreeMap::new(),
            random: fastrand::Rng::with_seed(seed),
        };
        core.record(Event::Opened { epoch });
        core.doubt();
        for found in left.iter().filter(|found| found.suspicious) {
            core.happen(found.job, JobEvent::Interrupted { step: found.step });
        }
        if core.options.take_over.is_some() {
            core.record(Event::TakenOver);
        }
        core.expect_all();
        core.look_up_all();
        core.advance_all();
        core
    }

    fn advance_all(&mut self) {
        let ids: Vec<JobId> = self.world.jobs.keys().copied().collect();
        for id in ids {
            self.advance(id);
        }
    }

    /// The world, as decided. What is in it is durable once the decided entries are.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The epoch of this life of the master.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// For the caller's bookkeeping of the index only.
    pub(crate) fn world_mut(&mut self) -> &mut World {
        &mut self.world
    }

    /// Hands out what was decided since the last call.
    pub fn take_decided(&mut self) -> Decided {
        std::mem::take(&mut self.decided)
    }

    /// When [`Core::tick`] should be called next.
    #[must_use]
    pub fn next_alarm(&self) -> Option<Timestamp> {
        let first = self.alarms.first().map(|(at, _)| *at);
        first.into_iter().chain(self.next_of_schedules()).min()
    }

    /// Takes in a job. The caller has looked up the idempotency key in the index; jobs in memory are looked up here.
    ///
    /// # Errors
    /// The plan is not one, or the key belongs to another request.
    pub fn submit(&mut self, id: JobId, new: NewJob) -> Result<(JobId, bool), EngineError> {
        if let Some(key) = &new.request.key
            && let Some(known) = self.world.keys.get(key)
            && let Some(job) = self.world.jobs.get(known)
        {
            return if job.request.asks_the_same(&new.request) {
                Ok((*known, false))
            } else {
                Err(EngineError::KeyInUse {
                    key: key.clone(),
                    job: *known,
                })
            };
        }
        if self.world.held {
            return Err(EngineError::Held);
        }
        new.plan.check().map_err(EngineError::BadPlan)?;
        if new.request.not_before.is_some() {
            self.note_up();
        }
        self.record(Event::Submitted {
            job: id,
            new: Box::new(new),
        });
        self.advance(id);
        Ok((id, true))
    }

    /// An administrator says that a guest lives where it was seen. False: a job has it, or has moved it since, and nothing is
    /// changed. While all jobs are held after a take-over none moves anything: then it is where it was seen.
    pub fn place(&mut self, seen: Sighting, actor: Actor) -> bool {
        let Sighting {
            guest,
            host,
            placed,
            lock,
        } = seen;
        let may_move = self.world.locks.is_held(&lock) && !self.world.held;
        if self.world.placement.get(&guest) != placed.as_ref() || may_move {
            return false;
        }
        self.record(Event::Placed { guest, host, actor });
        true
    }

    /// Somebody has seen how the hosts are after a take-over. Every job goes on, except those in `doubtful`, of which
    /// the hosts know something else than this store: each is stuck, for the reason beside it.
    ///
    /// # Errors
    /// There was no take-over, or it has been accepted.
    pub fn accept(&mut self, doubtful: Vec<(JobId, String)>, actor: Actor) -> Result<(), EngineError> {
        if !self.world.held {
            return Err(EngineError::NotHeld);
        }
        for (id, reason) in doubtful {
            if self.open_job(id).is_ok() {
                self.stick(id, reason);
            }
        }
        self.give_up_what_is_due();
        self.record(Event::Accepted { actor });
        self.advance_all();
        Ok(())
    }

    /// Takes the job back, if that is still possible.
    ///
    /// # Errors
    /// The job is unknown, over, past its pivot, or already taken back; or jobs are held.
    pub fn cancel(&mut self, id: JobId, actor: Actor) -> Result<(), EngineError> {
        let job = self.movable_job(id)?;
        match &job.status {
            Status::Unwinding(_)
            | Status::Paused(Direction::Backward(_))
            | Status::Stuck {
                direction: Direction::Backward(_),
                ..
            } => {
                return Err(EngineError::AlreadyUnwinding(id));
            }
            _ if job.is_past_pivot() => {
                let pivot = job
                    .plan
                    .pivot()
                    .and_then(|no| job.plan.step(no))
                    .map(|step| step.title.clone());
                return Err(EngineError::PastPivot {
                    job: id,
                    step: pivot.unwrap_or_default(),
                });
            }
            _ => {}
        }
        self.unwind(id, Why::Cancelled(actor));
        self.advance(id);
        Ok(())
    }

    /// Lets the job stand still; a step under way ends first.
    ///
    /// # Errors
    /// The job is unknown, over, stuck, or paused already.
    pub fn pause(&mut self, id: JobId, actor: Actor) -> Result<(), EngineError> {
        match self.open_job(id)?.status {
            Status::Paused(_) => {
                return Err(EngineError::CannotPause {
                    job: id,
                    state: "paused already",
                });
            }
            Status::Stuck { .. } => {
                return Err(EngineError::CannotPause {
                    job: id,
                    state: "stuck",
                });
            }
            _ => {}
        }
        if !self.performing.contains_key(&id) {
            self.leave_line(id);
        }
        self.happen(id, JobEvent::Paused { actor });
        Ok(())
    }

    /// Lets the job go on, or try again at once. It never changes the job's direction.
    ///
    /// # Errors
    /// The job is unknown, over, or does not wait for anything that `resume` could hasten; or jobs are held.
    pub fn resume(&mut self, id: JobId, actor: Actor) -> Result<(), EngineError> {
        let queued = self.movable_job(id)?.status == Status::Queued;
        if queued {
            return Err(EngineError::NothingToResume(id));
        }
        self.unanswered.remove(&id);
        self.happen(id, JobEvent::Resumed { actor });
        self.advance(id);
        Ok(())
    }

    /// The master is about to leave in good order.
    pub fn close(&mut self) {
        if !self.world.clock.due.is_empty() {
            self.note_up();
        }
        self.record(Event::Closed);
    }

    fn attempts(&self, id: JobId, no: StepNo, mode: Mode) -> u32 {
        let record = self.world.jobs.get(&id).and_then(|job| job.step(no));
        record.map_or(0, |record| match mode {
            Mode::Do => record.attempts,
            Mode::Undo => record.undo_attempts,
        })
    }

    fn place_of(&self, id: JobId, no: StepNo) -> Option<(Turn, Vec<HostName>)> {
        let job = self.world.jobs.get(&id)?;
        Some((turn(job), job.plan.step(no)?.hosts.clone()))
    }

    fn open_job(&self, id: JobId) -> Result<&Job, EngineError> {
        match self.world.jobs.get(&id) {
            None => Err(EngineError::UnknownJob(id)),
            Some(job) if job.status.is_over() => Err(EngineError::Over {
                job: id,
                state: job.status.word(),
            }),
            Some(job) => Ok(job),
        }
    }

    /// An open job that may be moved: none may while they are held.
    fn movable_job(&self, id: JobId) -> Result<&Job, EngineError> {
        let job = self.open_job(id)?;
        if self.world.held {
            return Err(EngineError::Held);
        }
        Ok(job)
    }

    fn happen(&mut self, job: JobId, event: JobEvent) {
        if matches!(
            event,
            JobEvent::Succeeded | JobEvent::RolledBack | JobEvent::Abandoned { .. } | JobEvent::Stuck { .. }
        ) {
            self.decided.ended.push(job);
        }
        self.record(Event::Job { job, event });
    }

    fn record(&mut self, event: Event) {
        let entry = Entry { at: self.now, event };
        if let Err(illegal) = self.world.apply(&entry) {
            tracing::error!(%illegal, "a decision did not fit; the job is stuck");
        }
        self.decided.entries.push(entry);
    }

    /// Why the job does not go on right now, for people.
    #[must_use]
    pub fn waits_for(&self, id: JobId) -> Option<String> {
        let job = self.world.jobs.get(&id)?;
        if self.world.held && !job.status.is_over() {
            return Some("the take-over to be accepted: see `vsjob scan`".to_owned());
        }
        if let Some((times, failure)) = self.unanswered.get(&id) {
            return Some(format!("{failure} (asked {times} times)"));
        }
        if job.status == Status::Queued {
            if self.world.clock.jump.is_some() && self.world.clock.due.contains_key(&id) {
                return Some("the clock to be accepted: see `vsjob clock show`".to_owned());
            }
            if let Some(left) = self.time_left(id) {
                return Some(format!("{}", self.now + left));
            }
            let (key, holder) = self.world.locks.obstacle(&turn(job), &job.locks)?;
            return Some(match holder {
                Some(holder) => format!("{key}, held by job {}", holder.short()),
                None => format!("{key}, after earlier jobs"),
            });
        }
        let no = job.current().filter(|_| job.status == Status::Running)?;
        match &job.step(no)?.state {
            StepState::Waiting { until, failure, .. } => Some(format!("its next try at {until}: {failure}")),
            StepState::Planned => Some("a free slot on its host".to_owned()),
            _ => None,
        }
    }
}

fn failure_of_debt() -> Failure {
    Failure::new(crate::Class::Transient, "VSJ0502", "the undo had no effect")
}

/// The wait before the try after the `failures`-th failure: doubling, with a quarter of jitter either way.
fn backoff(retry: &Retry, failures: u32, random: &mut fastrand::Rng) -> Duration {
    let doubled = retry
        .first_wait
        .saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(retry.longest_wait).mul_f64(0.75 + random.f64() / 2.0)
}
