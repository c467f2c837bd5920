//! What is due, and what becomes of it. When it is, is a matter of the engine's time; what is due stays so until its job
//! is taken in, or it is written down that there will be none. Nothing is due while the wall clock is in doubt or jobs are held.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Core;
use crate::{
    Actor, Calendar, CatchUp, EngineError, Event, Failure, JobId, Missed, NewJob, Overlap, Request, Schedule,
    ScheduleEvent, ScheduleName, Scheduled, Status, Timestamp,
};

/// What is due for longer was missed.
const LATE: Duration = Duration::from_secs(600);

/// A schedule that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Which.
    pub schedule: ScheduleName,
    /// Since when.
    pub due: Timestamp,
    /// What is to be planned and submitted.
    pub request: Request,
}

/// A schedule, and when it is due.
#[derive(Clone, Debug)]
pub struct ScheduleState {
    /// It.
    pub scheduled: Scheduled,
    /// It is due since then, and waits.
    pub due: Option<Timestamp>,
    /// When it is due next.
    pub next: Option<Timestamp>,
    /// So much later it comes.
    pub delay: Duration,
}

/// What is known of the times of a schedule that is enabled.
#[derive(Debug)]
pub(super) struct Timetable {
    calendar: Calendar,
    delay: Duration,
    /// The last time that has come and is not settled.
    due: Option<Timestamp>,
    /// What is due has to begin by then.
    due_by: Option<Timestamp>,
    /// The first time that has not come.
    next: Option<Timestamp>,
    /// Its last job has to begin by then.
    job_by: Option<Timestamp>,
}

/// What becomes of what is due.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Fire(Timestamp),
    Miss(Timestamp, Missed),
    Wait,
}

impl Core {
    /// What is to be planned and submitted now.
    #[must_use]
    pub fn due(&self) -> Vec<Due> {
        let due = self.world.schedules.iter().filter_map(|(name, known)| {
            let Verdict::Fire(due) = self.verdict(name, known) else {
                return None;
            };
            Some(Due {
                schedule: name.clone(),
                due,
                request: known.schedule.request(name, due, &known.actor),
            })
        });
        due.collect()
    }

    /// Takes in the job of what is due, or that its operation was refused. `None`: it is not due any more.
    ///
    /// # Errors
    /// It cannot be taken in now, and stays due.
    pub fn fire(
        &mut self,
        due: &Due,
        id: JobId,
        planned: Result<NewJob, Failure>,
    ) -> Result<Option<(JobId, bool)>, EngineError> {
        if !self.due().contains(due) {
            return Ok(None);
        }
        // Its job was taken in, and the note that it was is missing.
        if let Some(job) = self.job_of(&due.request) {
            self.fired(due, job, None);
            return Ok(Some((job, false)));
        }
        let refused = match planned.map(|new| self.submit(id, new)) {
            Ok(Ok((job, is_new))) => {
                self.fired(due, job, None);
                return Ok(Some((job, is_new)));
            }
            Ok(Err(why @ (EngineError::KeyInUse { .. } | EngineError::BadPlan(_)))) => {
                Failure::new(crate::Class::Permanent, why.code(), why.to_string())
            }
            Ok(Err(why)) => return Err(why),
            Err(refused) => refused,
        };
        self.miss(due.schedule.clone(), due.due, Missed::Refused(refused));
        Ok(None)
    }

    fn job_of(&self, request: &Request) -> Option<JobId> {
        let id = self.world.keys.get(request.key.as_ref()?)?;
        let job = self.world.jobs.get(id)?;
        job.request.asks_the_same(request).then_some(*id)
    }

    /// Its job is this one, which is known already.
    pub(crate) fn fired(&mut self, due: &Due, job: JobId, by: Option<Actor>) {
        let due_at = due.due;
        let event = ScheduleEvent::Fired { due: due_at, job, by };
        self.happen_to_schedule(due.schedule.clone(), event);
    }

    /// Whether something is due that will not be done.
    #[must_use]
    pub(crate) fn misses_any(&self) -> bool {
        !self.missed().is_empty()
    }

    /// Writes down what is due and will not be done.
    pub fn settle(&mut self) {
        for (name, due, why) in self.missed() {
            self.miss(name, due, why);
        }
    }

    fn missed(&self) -> Vec<(ScheduleName, Timestamp, Missed)> {
        let missed =
            self.world
                .schedules
                .iter()
                .filter_map(|(name, known)| match self.verdict(name, known) {
                    Verdict::Miss(due, why) => Some((name.clone(), due, why)),
                    Verdict::Fire(_) | Verdict::Wait => None,
                });
        missed.collect()
    }

    fn verdict(&self, name: &ScheduleName, known: &Scheduled) -> Verdict {
        let Some(table) = self.timetables.get(name).filter(|_| self.trusts_its_time()) else {
            return Verdict::Wait;
        };
        let Some(due) = table.due else {
            return Verdict::Wait;
        };
        if table.due_by.is_some_and(|by| self.now > by) {
            return Verdict::Miss(due, Missed::TooLate);
        }
        if known.schedule.catch_up == CatchUp::Skip && self.now.since(due + table.delay) > LATE {
            return Verdict::Miss(due, Missed::Late);
        }
        match (self.unfinished(known), known.schedule.overlap) {
            (None, _) => Verdict::Fire(due),
            (Some(job), Overlap::Skip) => Verdict::Miss(due, Missed::Overlap(job)),
            (Some(_), Overlap::Queue) => Verdict::Wait,
        }
    }

    fn trusts_its_time(&self) -> bool {
        !self.world.held && self.world.clock.jump.is_none()
    }

    /// The last job of a schedule, unless it is over.
    fn unfinished(&self, known: &Scheduled) -> Option<JobId> {
        let (id, _) = known.job?;
        let job = self.world.jobs.get(&id)?;
        (!job.status.is_over()).then_some(id)
    }

    /// The schedule is this from now on; what was due before is not.
    ///
    /// # Errors
    /// Its times are none, or there is another one of the name and it is not a file that says so.
    pub fn set_schedule(
        &mut self,
        name: ScheduleName,
        schedule: Schedule,
        declared: bool,
        actor: Actor,
    ) -> Result<(), EngineError> {
        schedule.calendar()?;
        match self.world.schedules.get(&name) {
            Some(known) if known.schedule == schedule && known.declared == declared => return Ok(()),
            Some(known) if known.declared && !declared => return Err(EngineError::Declared(name)),
            Some(_) if !declared => return Err(EngineError::ScheduleExists(name)),
            _ => {}
        }
        let schedule = Box::new(schedule);
        let event = ScheduleEvent::Set {
            schedule,
            declared,
            actor,
        };
        self.happen_to_schedule(name, event);
        Ok(())
    }

    /// The schedules of the file are these.
    ///
    /// # Errors
    /// The times of one are none; those before it are set.
    pub fn declare(
        &mut self,
        declared: BTreeMap<ScheduleName, Schedule>,
        actor: &Actor,
    ) -> Result<(), EngineError> {
        let known = self.world.schedules.iter();
        let gone = known.filter(|(name, known)| known.declared && !declared.contains_key(name));
        let gone: Vec<_> = gone.map(|(name, _)| name.clone()).collect();
        for name in gone {
            let actor = actor.clone();
            self.happen_to_schedule(name, ScheduleEvent::Removed { actor });
        }
        for (name, schedule) in declared {
            self.set_schedule(name, schedule, true, actor.clone())?;
        }
        Ok(())
    }

    /// There is no such schedule any more; its job goes on.
    ///
    /// # Errors
    /// There is none, or it stands in the file.
    pub fn remove_schedule(&mut self, name: ScheduleName, actor: Actor) -> Result<(), EngineError> {
        if self.schedule(&name)?.declared {
            return Err(EngineError::Declared(name));
        }
        self.happen_to_schedule(name, ScheduleEvent::Removed { actor });
        Ok(())
    }

    /// The schedule fires from now on, or does not.
    ///
    /// # Errors
    /// There is none.
    pub fn enable_schedule(&mut self, name: ScheduleName, on: bool, actor: Actor) -> Result<(), EngineError> {
        if self.schedule(&name)?.enabled == on {
            return Ok(());
        }
        let event = match on {
            true => ScheduleEvent::Enabled { actor },
            false => ScheduleEvent::Disabled { actor },
        };
        self.happen_to_schedule(name, event);
        Ok(())
    }

    /// What a schedule makes when somebody has it fire now.
    ///
    /// # Errors
    /// There is none, or its last job is not over.
    pub fn by_hand(&self, name: &ScheduleName) -> Result<Due, EngineError> {
        let known = self.schedule(name)?;
        if let Some(job) = self.unfinished(known) {
            let schedule = name.clone();
            return Err(EngineError::ScheduleBusy { schedule, job });
        }
        Ok(Due {
            schedule: name.clone(),
            due: self.now,
            request: known.schedule.request(name, self.now, &known.actor),
        })
    }

    /// The schedules and when they are due.
    #[must_use]
    pub fn schedules(&self) -> BTreeMap<ScheduleName, ScheduleState> {
        let states = self.world.schedules.iter().map(|(name, known)| {
            let table = self.timetables.get(name);
            let state = ScheduleState {
                scheduled: known.clone(),
                due: table.and_then(|table| table.due),
                next: table.and_then(|table| table.next),
                delay: known.schedule.delay(name),
            };
            (name.clone(), state)
        });
        states.collect()
    }

    fn schedule(&self, name: &ScheduleName) -> Result<&Scheduled, EngineError> {
        let known = self.world.schedules.get(name);
        known.ok_or_else(|| EngineError::UnknownSchedule(name.clone()))
    }

    fn miss(&mut self, schedule: ScheduleName, due: Timestamp, why: Missed) {
        tracing::warn!(code = "VSJ0023", %schedule, %due, %why, "what was due is not done");
        self.happen_to_schedule(schedule, ScheduleEvent::Missed { due, why });
    }

    fn happen_to_schedule(&mut self, schedule: ScheduleName, event: ScheduleEvent) {
        self.record(Event::Schedule {
            schedule: schedule.clone(),
            event,
        });
        self.look_up(&schedule);
    }

    /// What was due before a take-over is accepted is not done: the store may be old, and the other master may have done it.
    pub(super) fn give_up_what_is_due(&mut self) {
        let due = self.timetables.iter();
        let due: Vec<_> = due
            .filter_map(|(name, table)| Some((name.clone(), table.due?)))
            .collect();
        for (name, due) in due {
            self.miss(name, due, Missed::TakenOver);
        }
    }

    /// Looks up anew when each schedule is due.
    pub(super) fn look_up_all(&mut self) {
        let names: Vec<_> = self.world.schedules.keys().cloned().collect();
        names.iter().for_each(|name| self.look_up(name));
    }

    fn look_up(&mut self, name: &ScheduleName) {
        self.timetables.remove(name);
        let Some(known) = self.world.schedules.get(name).filter(|known| known.enabled) else {
            return;
        };
        match known.schedule.calendar() {
            Ok(calendar) => {
                let table = Timetable {
                    delay: known.schedule.delay(name),
                    due: None,
                    due_by: None,
                    next: calendar.after(known.settled),
                    job_by: known.job.and_then(|(_, due)| known.schedule.begin_by(due)),
                    calendar,
                };
                self.timetables.insert(name.clone(), table);
            }
            // It had times when it was set: this program has other zones.
            Err(why) => tracing::error!(schedule = %name, %why, "a schedule is never due"),
        }
        self.pass_times();
    }

    /// Notices what has come to be due.
    pub(super) fn pass_times(&mut self) {
        for (name, table) in &mut self.timetables {
            let Some(next) = table.next.filter(|next| *next + table.delay <= self.now) else {
                continue;
            };
            let before = Timestamp::from_millis(next.as_millis() - 1);
            let until = self.now.as_millis() - i64::try_from(table.delay.as_millis()).unwrap_or(0);
            let Some(due) = table.calendar.last(before, Timestamp::from_millis(until)) else {
                continue;
            };
            let known = self.world.schedules.get(name);
            table.due = Some(due);
            table.due_by = known.and_then(|known| known.schedule.begin_by(due));
            table.next = table.calendar.after(due);
        }
    }

    /// Takes back the jobs of schedules that have not begun by the time after which they may not.
    pub(super) fn call_off(&mut self) {
        if !self.trusts_its_time() {
            return;
        }
        let past = self
            .timetables
            .iter()
            .filter(|(_, table)| table.job_by.is_some_and(|by| self.now > by));
        let past: Vec<_> = past.map(|(name, _)| name.clone()).collect();
        for name in past {
            if let Some(table) = self.timetables.get_mut(&name) {
                table.job_by = None;
            }
            let Some(known) = self.world.schedules.get(&name) else {
                continue;
            };
            let Some(id) = self.unfinished(known) else {
                continue;
            };
            let is_queued = self
                .world
                .jobs
                .get(&id)
                .is_some_and(|job| job.status == Status::Queued);
            let actor = Actor {
                user: known.actor.user.clone(),
                from: format!("schedule {name}"),
                reason: Some("it had not begun by the time after which it may not".to_owned()),
            };
            if is_queued && let Err(why) = self.cancel(id, actor) {
                tracing::error!(%why, "a job that may not begin any more is not taken back");
            }
        }
    }

    /// When there is something to notice.
    pub(super) fn next_of_schedules(&self) -> Option<Timestamp> {
        let moments = self.timetables.values().flat_map(|table| {
            let soon = |by: Timestamp| by + Duration::from_millis(1);
            let next = table.next.map(|next| next + table.delay);
            [next, table.due_by.map(soon), table.job_by.map(soon)]
        });
        moments.flatten().filter(|at| *at > self.now).min()
    }
}
