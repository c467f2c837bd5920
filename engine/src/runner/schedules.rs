//! Schedules at the engine's handle and at its owner. Whoever plans asks what is due, plans it, and hands it in: its job and
//! the note that it is done are durable together, or neither is and it stays due.

use std::collections::BTreeMap;

use tokio::sync::oneshot;

use super::handle::{Engine, Submitted};
use super::owner::{Afterwards, Input, Owner, Reply};
use crate::store::{Purpose, Store as _};
use crate::{
    Actor, Class, Due, EngineError, Failure, Job, JobId, NewJob, Schedule, ScheduleName, ScheduleState,
    records,
};

/// Who waits for what is due.
pub(super) type Waiting = Vec<Reply<Vec<Due>>>;

/// What is asked about schedules.
pub(super) enum Wanted {
    Due(Reply<Vec<Due>>),
    Fire {
        due: Due,
        planned: Box<Result<NewJob, Failure>>,
        reply: Reply<Option<Submitted>>,
    },
    ByHand {
        due: Due,
        new: Box<NewJob>,
        actor: Actor,
        reply: Reply<Submitted>,
    },
    Command {
        schedule: ScheduleName,
        command: ScheduleCommand,
        actor: Actor,
        reply: Reply<()>,
    },
    Declare {
        schedules: BTreeMap<ScheduleName, Schedule>,
        actor: Actor,
        reply: Reply<()>,
    },
}

/// What can be done to a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScheduleCommand {
    /// There is this one from now on.
    Add(Box<Schedule>),
    /// There is none any more.
    Remove,
    /// It fires.
    Enable,
    /// It does not fire.
    Disable,
}

impl Engine {
    /// What is due, as soon as anything is.
    ///
    /// # Errors
    /// The master is stopping.
    pub async fn due(&self) -> Result<Vec<Due>, EngineError> {
        self.ask(|reply| Input::Schedule(Wanted::Due(reply))).await
    }

    /// Hands in the job of what is due, or why there is none. Its job; none, if it was refused, or settled meanwhile.
    ///
    /// # Errors
    /// It cannot be taken in now, and stays due.
    pub async fn fire(
        &self,
        due: Due,
        planned: Result<NewJob, Failure>,
    ) -> Result<Option<Submitted>, EngineError> {
        let planned = Box::new(planned);
        self.ask(|reply| Input::Schedule(Wanted::Fire { due, planned, reply }))
            .await
    }

    /// What a schedule makes when somebody has it fire now. See [`crate::Core::by_hand`].
    ///
    /// # Errors
    /// There is none, or its last job is not over.
    pub async fn by_hand(&self, name: ScheduleName) -> Result<Due, EngineError> {
        self.look(move |view| view.core.by_hand(&name)).await?
    }

    /// Hands in the job of what somebody has fire now.
    ///
    /// # Errors
    /// As for any job; and the schedule is gone, or its last job is not over.
    pub async fn fire_by_hand(&self, due: Due, new: NewJob, actor: Actor) -> Result<Submitted, EngineError> {
        let new = Box::new(new);
        self.ask(|reply| {
            Input::Schedule(Wanted::ByHand {
                due,
                new,
                actor,
                reply,
            })
        })
        .await
    }

    /// Adds, removes, enables or disables a schedule; durable when it answers.
    ///
    /// # Errors
    /// There is none, or already another one; it stands in the file; its times are none; the store is full.
    pub async fn order_schedule(
        &self,
        schedule: ScheduleName,
        command: ScheduleCommand,
        actor: Actor,
    ) -> Result<(), EngineError> {
        self.ask(|reply| {
            Input::Schedule(Wanted::Command {
                schedule,
                command,
                actor,
                reply,
            })
        })
        .await
    }

    /// The schedules of the file are these.
    ///
    /// # Errors
    /// The times of one are none, or the store is full.
    pub async fn declare(
        &self,
        schedules: BTreeMap<ScheduleName, Schedule>,
        actor: Actor,
    ) -> Result<(), EngineError> {
        self.ask(|reply| {
            Input::Schedule(Wanted::Declare {
                schedules,
                actor,
                reply,
            })
        })
        .await
    }

    /// The schedules and when they are due.
    ///
    /// # Errors
    /// The master is stopping.
    pub async fn schedules(&self) -> Result<BTreeMap<ScheduleName, ScheduleState>, EngineError> {
        self.look(|view| view.core.schedules()).await
    }
}

impl Owner {
    pub(super) fn take_schedule(&mut self, wanted: Wanted, after: &mut Afterwards) {
        match wanted {
            Wanted::Due(reply) => self.waiting.push(reply),
            Wanted::Fire { due, planned, reply } => {
                let result = self.fire(&due, *planned);
                after.replies.push(Box::new(move || drop(reply.send(result))));
            }
            Wanted::ByHand {
                due,
                new,
                actor,
                reply,
            } => {
                let result = self.fire_by_hand(&due, *new, actor);
                after.replies.push(Box::new(move || drop(reply.send(result))));
            }
            Wanted::Command {
                schedule,
                command,
                actor,
                reply,
            } => {
                let result = self.order_schedule(schedule, command, actor);
                after.replies.push(Box::new(move || drop(reply.send(result))));
            }
            Wanted::Declare {
                schedules,
                actor,
                reply,
            } => {
                let result = self.core.declare(schedules, &actor);
                after.replies.push(Box::new(move || drop(reply.send(result))));
            }
        }
    }

    /// A job that was taken in before counts, even if the operation would be refused now.
    fn fire(
        &mut self,
        due: &Due,
        planned: Result<NewJob, Failure>,
    ) -> Result<Option<Submitted>, EngineError> {
        if !self.core.due().contains(due) {
            return Ok(None);
        }
        self.store.admits(Purpose::NewWork)?;
        let planned = match self.known_job(due)? {
            Some(job) if job.request.asks_the_same(&due.request) => {
                self.core.fired(due, job.id, None);
                return Ok(Some(Submitted {
                    id: job.id,
                    new: false,
                }));
            }
            // It was another schedule of the name when the clock was further on.
            Some(job) => {
                let key = due.request.key.clone().unwrap_or_default();
                let why = EngineError::KeyInUse { key, job: job.id };
                Err(Failure::new(Class::Permanent, why.code(), why.to_string()))
            }
            None => planned,
        };
        let id = JobId::new(self.core.now());
        let fired = self.core.fire(due, id, planned)?;
        Ok(fired.map(|(id, new)| Submitted { id, new }))
    }

    /// The job that has the key of what is due, as the index knows it.
    fn known_job(&self, due: &Due) -> Result<Option<Job>, EngineError> {
        let Some(key) = &due.request.key else {
            return Ok(None);
        };
        let reader = self.store.reader();
        match records::by_key(&*reader, key)? {
            Some(id) => records::job(&*reader, id),
            None => Ok(None),
        }
    }

    fn fire_by_hand(&mut self, due: &Due, new: NewJob, actor: Actor) -> Result<Submitted, EngineError> {
        self.core.by_hand(&due.schedule)?;
        let submitted = self.submit(new, Purpose::NewWork)?;
        self.core.fired(due, submitted.id, Some(actor));
        Ok(submitted)
    }

    fn order_schedule(
        &mut self,
        schedule: ScheduleName,
        command: ScheduleCommand,
        actor: Actor,
    ) -> Result<(), EngineError> {
        match command {
            ScheduleCommand::Add(new) => {
                self.store.admits(Purpose::NewWork)?;
                self.core.set_schedule(schedule, *new, false, actor)
            }
            ScheduleCommand::Remove => self.core.remove_schedule(schedule, actor),
            ScheduleCommand::Enable => self.core.enable_schedule(schedule, true, actor),
            ScheduleCommand::Disable => self.core.enable_schedule(schedule, false, actor),
        }
    }

    /// Writes down what is due and will not be done; not into the last room of a full store: it stays due there.
    pub(super) fn settle_schedules(&mut self) {
        if self.core.misses_any() && self.store.admits(Purpose::NewWork).is_ok() {
            self.core.settle();
        }
    }

    /// Tells whoever waits what is due.
    pub(super) fn tell_what_is_due(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let due = self.core.due();
        if !due.is_empty() {
            for reply in std::mem::take(&mut self.waiting) {
                // Whoever waited may have left.
                let _: Result<(), _> = oneshot::Sender::send(reply, Ok(due.clone())).map_err(drop);
            }
        }
    }
}
