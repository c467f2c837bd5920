//! What is written into the journal. These types are frozen: a change of shape is a new version beside the old one,
//! with a conversion, and the old fixtures must still open.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::codec::{self, CodecError};
use crate::{
    Actor, Assertion, Epoch, Failure, HostEvent, HostName, JobId, NewJob, Outputs, ScheduleEvent,
    ScheduleName, StepNo, Timestamp, Why,
};

/// The version in the envelope of an encoded event.
const VERSION: u16 = 1;

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When it was decided.
    pub at: Timestamp,
    /// What.
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A master opened the store.
    Opened {
        /// Its epoch.
        epoch: Epoch,
    },
    /// The master left in good order; steps under way go on by themselves.
    Closed,
    /// A job was taken in.
    Submitted {
        /// Its id.
        job: JobId,
        /// What it is.
        new: Box<NewJob>,
    },
    /// Something happened to a job.
    Job {
        /// Which.
        job: JobId,
        /// What.
        event: JobEvent,
    },
    /// An administrator said where a guest lives.
    Placed {
        /// The guest.
        guest: String,
        /// Its host.
        host: HostName,
        /// Who said so.
        actor: Actor,
    },
    /// This master took the hosts over from another: nothing moves until somebody has seen how they are.
    TakenOver,
    /// Somebody has.
    Accepted {
        /// Who.
        actor: Actor,
    },
    /// Something happened to a host.
    Host {
        /// Which.
        host: HostName,
        /// What.
        event: HostEvent,
    },
    /// Time passed, or the wall clock jumped.
    Clock(ClockEvent),
    /// Something happened to a schedule.
    Schedule {
        /// Which.
        schedule: ScheduleName,
        /// What.
        event: ScheduleEvent,
    },
}

/// What the journal says about time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClockEvent {
    /// How long a master has been up over this store, in all its lives.
    Up {
        /// So long, and perhaps a little longer.
        up: Duration,
    },
    /// The wall clock jumped, and is not followed.
    Jumped {
        /// The engine's time.
        from: Timestamp,
        /// What the wall clock says instead.
        to: Timestamp,
    },
    /// The wall clock is right.
    Accepted {
        /// Who says so.
        actor: Actor,
    },
}

/// What happened to a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobEvent {
    /// It has its locks and begins.
    Started,
    /// The intent of a step.
    StepStarted {
        /// Which step.
        step: StepNo,
        /// Which attempt, from 1.
        attempt: u32,
        /// In which life of the master.
        epoch: Epoch,
    },
    /// The outcome of a step: done.
    StepSucceeded {
        /// Which step.
        step: StepNo,
        /// What it answered.
        outputs: Outputs,
    },
    /// The outcome of an attempt: failed.
    StepFailed {
        /// Which step.
        step: StepNo,
        /// How.
        failure: Failure,
        /// When it is tried again; never, if there is none.
        retry_at: Option<Timestamp>,
    },
    /// The master died while the step, or its undo, was under way.
    Interrupted {
        /// Which step.
        step: StepNo,
    },
    /// From now on the job is taken back.
    Unwinding {
        /// Why.
        why: Why,
    },
    /// The intent of an undo.
    UndoStarted {
        /// Which step.
        step: StepNo,
        /// Which attempt, from 1.
        attempt: u32,
        /// In which life of the master.
        epoch: Epoch,
    },
    /// A step is as before.
    Undone {
        /// Which step.
        step: StepNo,
    },
    /// The outcome of an attempt to undo: failed.
    UndoFailed {
        /// Which step.
        step: StepNo,
        /// How.
        failure: Failure,
        /// When it is tried again; never, if there is none.
        retry_at: Option<Timestamp>,
    },
    /// A cleaning undo is put off until its host is back.
    UndoOwed {
        /// Which step.
        step: StepNo,
        /// How it failed.
        failure: Failure,
    },
    /// A debt is paid.
    DebtPaid {
        /// Which step's.
        step: StepNo,
    },
    /// It stands still.
    Paused {
        /// Who wanted it.
        actor: Actor,
    },
    /// It goes on: un-paused, or tried again without waiting, or taken out of `stuck`.
    Resumed {
        /// Who wanted it.
        actor: Actor,
    },
    /// It can go neither forward nor back.
    Stuck {
        /// Why.
        reason: String,
    },
    /// It is done.
    Succeeded,
    /// It is as before.
    RolledBack,
    /// An undo will not be done any more: its host is gone for good.
    DebtStruck {
        /// Which step's.
        step: StepNo,
        /// Who says so.
        actor: Actor,
    },
    /// A step counts as done, or as undone, because somebody says so.
    Skipped {
        /// Which step.
        step: StepNo,
        /// What they vouch for.
        assertion: Option<Assertion>,
        /// Who, and why.
        actor: Actor,
    },
    /// It is given up as it stands.
    Abandoned {
        /// What they vouch for.
        assertion: Option<Assertion>,
        /// Who, and why.
        actor: Actor,
    },
}

impl JobEvent {
    /// The event's name, in words.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::StepStarted { .. } => "step started",
            Self::StepSucceeded { .. } => "step succeeded",
            Self::StepFailed { .. } => "step failed",
            Self::Interrupted { .. } => "interrupted",
            Self::Unwinding { .. } => "unwinding",
            Self::UndoStarted { .. } => "undo started",
            Self::Undone { .. } => "undone",
            Self::UndoFailed { .. } => "undo failed",
            Self::UndoOwed { .. } => "undo owed",
            Self::DebtPaid { .. } => "debt paid",
            Self::Paused { .. } => "paused",
            Self::Resumed { .. } => "resumed",
            Self::Stuck { .. } => "stuck",
            Self::Succeeded => "succeeded",
            Self::RolledBack => "rolled back",
            Self::DebtStruck { .. } => "debt struck",
            Self::Skipped { .. } => "skipped",
            Self::Abandoned { .. } => "abandoned",
        }
    }
}

impl Entry {
    /// The bytes that go into the journal.
    ///
    /// # Errors
    /// The event is larger than a frame may be.
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        codec::encode(VERSION, self)
    }

    /// Reads what [`Entry::encode`] wrote, in this or any earlier version.
    ///
    /// # Errors
    /// The bytes are damaged, or of a version that this program does not know.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let envelope = codec::decode(bytes)?;
        match envelope.version {
            VERSION => envelope.read(),
            _ => Err(envelope.newer_than(VERSION)),
        }
    }
}
