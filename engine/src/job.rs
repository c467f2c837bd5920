//! A job and everything that is known of it. The record as it stands is the sum of its events; only `state.rs` changes it.

use serde::{Deserialize, Serialize};

use crate::{Epoch, Failure, JobId, Outputs, Plan, Step, StepNo, Timestamp, UndoKind};

/// Who gave a command, from where, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The user, as the kernel or SSH says.
    pub user: String,
    /// Where the command came from.
    pub from: String,
    /// `--reason`.
    pub reason: Option<String>,
}

/// Jobs of a higher class get locks and slots first; within one class it is first come, first served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Priority {
    /// Somebody waits for it.
    High,
    /// The usual.
    #[default]
    Normal,
    /// Whenever there is nothing else to do.
    Low,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The operation.
    pub operation: String,
    /// Its arguments, as given.
    pub args: Vec<(String, String)>,
    /// Who asked.
    pub actor: Actor,
    /// The idempotency key: the same key with the same request is the same job.
    pub key: Option<String>,
    /// Its class.
    pub priority: Priority,
    /// Not before this moment.
    pub not_before: Option<Timestamp>,
}

impl Request {
    /// Whether `other` asks for the same: who asks, and why, does not matter.
    #[must_use]
    pub fn asks_the_same(&self, other: &Self) -> bool {
        self.operation == other.operation && self.args == other.args
    }
}

/// Something that a job holds from before its first step to its end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Lock {
    /// What is held: `guest/ldap`, `host/vsh-01`, `address/10.0.1.5`.
    pub key: String,
    /// Whether others may hold it too, if they share it.
    pub shared: bool,
}

/// A job to be taken in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewJob {
    /// What was asked for.
    pub request: Request,
    /// What it is about, in a few words, for people.
    pub title: String,
    /// What will be performed.
    pub plan: Plan,
    /// What it holds meanwhile.
    pub locks: Vec<Lock>,
}

/// Why a job is taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Why {
    /// A step failed.
    Failed {
        /// Which.
        step: StepNo,
        /// How.
        failure: Failure,
    },
    /// Somebody cancelled it.
    Cancelled(Actor),
    /// Somebody turned it back at its pivot.
    TurnedBack {
        /// The host that was to go on is off and stays off. If nobody says so, it may have gone on: then nothing is
        /// undone before what was done after it is undone for certain.
        host_is_off: bool,
        /// Who.
        actor: Actor,
    },
}

/// Which way a job goes, or would go if it went on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// It has not begun: it waits for its locks or its time.
    Queued,
    /// Towards its end.
    Forward,
    /// Back to where it began.
    Backward(Why),
}

/// Where a job stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Waits for its locks or its time.
    Queued,
    /// Goes forward.
    Running,
    /// Is taken back.
    Unwinding(Why),
    /// Stands still until resumed; a step under way ends first.
    Paused(Direction),
    /// Can go neither forward nor back by itself.
    Stuck {
        /// Why, and what to do.
        reason: String,
        /// Which way it goes when it is resumed.
        direction: Direction,
    },
    /// Done.
    Succeeded,
    /// As before, because of this failure.
    RolledBack(Failure),
    /// As before, because somebody wanted it.
    Cancelled,
    /// Given up as it stood: somebody took responsibility for what it has left.
    Abandoned {
        /// What they said.
        reason: String,
    },
}

impl Status {
    /// Nothing will happen any more, debts excepted.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(
            self,
            Self::Succeeded | Self::RolledBack(_) | Self::Cancelled | Self::Abandoned { .. }
        )
    }

    /// The state's name: one word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Unwinding(_) => "unwinding",
            Self::Paused(_) => "paused",
            Self::Stuck { .. } => "stuck",
            Self::Succeeded => "succeeded",
            Self::RolledBack(_) => "rolled back",
            Self::Cancelled => "cancelled",
            Self::Abandoned { .. } => "abandoned",
        }
    }
}

/// Where a step stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StepState {
    /// Its turn has not come.
    Planned,
    /// Intended, perhaps performed.
    Started {
        /// Which attempt, from 1.
        attempt: u32,
        /// In which life of the master.
        epoch: Epoch,
    },
    /// An attempt failed; the next one comes at `until`.
    Waiting {
        /// The attempt that failed.
        attempt: u32,
        /// How.
        failure: Failure,
        /// When the next one comes.
        until: Timestamp,
    },
    /// Is to be tried again at once, with all its attempts, because somebody resumed the job.
    Retrying,
    /// Done.
    Succeeded,
    /// Failed for good.
    Failed(Failure),
    /// Its undo is intended, perhaps performed.
    UndoStarted {
        /// Which attempt, from 1.
        attempt: u32,
        /// In which life of the master.
        epoch: Epoch,
    },
    /// An attempt to undo it failed; the next one comes at `until`.
    UndoWaiting {
        /// The attempt that failed.
        attempt: u32,
        /// How.
        failure: Failure,
        /// When the next one comes.
        until: Timestamp,
    },
    /// Its undo is to be tried again at once, with all its attempts.
    UndoRetrying,
    /// Its undo failed for good.
    UndoFailed(Failure),
    /// As before.
    Undone,
    /// Its undo is owed: its host was away.
    Owed(Failure),
    /// An administrator took responsibility for it.
    Skipped {
        /// What they said.
        reason: String,
    },
}

impl StepState {
    /// The state's name: one or two words.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Started { .. } => "started",
            Self::Waiting { .. } => "waiting",
            Self::Retrying => "retrying",
            Self::Succeeded => "succeeded",
            Self::Failed(_) => "failed",
            Self::UndoStarted { .. } => "undoing",
            Self::UndoWaiting { .. } => "waiting to undo",
            Self::UndoRetrying => "retrying to undo",
            Self::UndoFailed(_) => "undo failed",
            Self::Undone => "undone",
            Self::Owed(_) => "undo owed",
            Self::Skipped { .. } => "skipped",
        }
    }
}

/// A step of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Where it stands.
    pub state: StepState,
    /// What it answered; kept when it is undone, because later undos may need it.
    pub outputs: Option<Outputs>,
    /// How many attempts were intended. Their numbers are never used again: they name run directories.
    pub attempts: u32,
    /// How many attempts to undo it were intended.
    pub undo_attempts: u32,
    /// How many attempts failed since somebody last said `resume`, or since the direction changed.
    pub failures: u32,
    /// When it was first intended.
    pub started: Option<Timestamp>,
    /// When it last changed.
    pub ended: Option<Timestamp>,
    /// How often the master died while it was under way, since it last got anywhere.
    pub interruptions: u32,
}

impl Default for StepRecord {
    fn default() -> Self {
        Self {
            state: StepState::Planned,
            outputs: None,
            attempts: 0,
            undo_attempts: 0,
            failures: 0,
            started: None,
            ended: None,
            interruptions: 0,
        }
    }
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// What was asked for.
    pub request: Request,
    /// What it is about.
    pub title: String,
    /// What is performed.
    pub plan: Plan,
    /// What it holds while it is open.
    pub locks: Vec<Lock>,
    /// Where it stands.
    pub status: Status,
    /// Where its steps stand; as many as the plan has.
    pub steps: Vec<StepRecord>,
    /// When it was submitted.
    pub submitted: Timestamp,
    /// When it got its locks.
    pub started: Option<Timestamp>,
    /// When it was over.
    pub ended: Option<Timestamp>,
    /// The sequence number of its first event.
    pub first: u64,
    /// The sequence number of its last event so far.
    pub last: u64,
}

impl Job {
    /// A job as it is taken in.
    #[must_use]
    pub fn new(id: JobId, new: NewJob, at: Timestamp, sequence: u64) -> Self {
        Self {
            id,
            request: new.request,
            title: new.title,
            steps: vec![StepRecord::default(); new.plan.steps.len()],
            plan: new.plan,
            locks: new.locks,
            status: Status::Queued,
            submitted: at,
            started: None,
            ended: None,
            first: sequence,
            last: sequence,
        }
    }

    /// The record of step `no`.
    #[must_use]
    pub fn step(&self, no: StepNo) -> Option<&StepRecord> {
        self.steps.get(no.index())
    }

    /// The steps with their numbers.
    pub fn numbered(&self) -> impl DoubleEndedIterator<Item = (StepNo, &StepRecord)> {
        self.steps
            .iter()
            .enumerate()
            .map(|(no, step)| (StepNo(u16::try_from(no).unwrap_or(u16::MAX)), step))
    }

    /// Whether the intent of the pivot is durable: from then on the job only goes forward.
    #[must_use]
    pub fn is_past_pivot(&self) -> bool {
        self.plan
            .pivot()
            .and_then(|no| self.step(no))
            .is_some_and(|step| step.state != StepState::Planned)
    }

    /// Whether something may be out of service until it is over: it has begun what takes a gating undo, or its pivot.
    #[must_use]
    pub(crate) fn holds_something_up(&self) -> bool {
        let is_begun = |no| self.step(no).is_some_and(|step| step.state != StepState::Planned);
        self.plan
            .numbered()
            .any(|(no, step)| (step.pivot || step.undo == Some(UndoKind::Gating)) && is_begun(no))
    }

    /// The step whose turn it is: the first that has not succeeded.
    #[must_use]
    pub fn current(&self) -> Option<StepNo> {
        self.numbered()
            .find(|(_, step)| !matches!(step.state, StepState::Succeeded | StepState::Skipped { .. }))
            .map(|(no, _)| no)
    }

    /// The step whose undo comes next: the last that may have had an effect and is not taken back.
    #[must_use]
    pub fn next_undo(&self) -> Option<StepNo> {
        self.numbered()
            .rev()
            .find(|(no, step)| match step.state {
                StepState::Planned | StepState::Undone | StepState::Owed(_) | StepState::Skipped { .. } => {
                    false
                }
                // A step that has succeeded and has no undo changed nothing that must be taken back.
                StepState::Succeeded => self.plan.step(*no).is_some_and(|step| step.undo.is_some()),
                _ => true,
            })
            .map(|(no, _)| no)
    }

    /// Steps whose undo is still owed to an absent host.
    pub fn debts(&self) -> impl DoubleEndedIterator<Item = (StepNo, &Failure)> {
        self.numbered().filter_map(|(no, step)| match &step.state {
            StepState::Owed(failure) => Some((no, failure)),
            _ => None,
        })
    }

    /// Whether nothing waits for the undo of a step. One without an undo of its own has nothing that gates: it only has to
    /// be stopped. But when the job was turned back at its pivot, whatever may have come alive since gates what brings the
    /// old back to life.
    pub(crate) fn is_cleaning(&self, no: StepNo) -> bool {
        let gates = |step: &Step| step.undo == Some(UndoKind::Gating);
        !self.may_live_on() && self.plan.step(no).is_some_and(|step| !gates(step))
    }

    fn may_live_on(&self) -> bool {
        let (Status::Unwinding(why)
        | Status::Paused(Direction::Backward(why))
        | Status::Stuck {
            direction: Direction::Backward(why),
            ..
        }) = &self.status
        else {
            return false;
        };
        matches!(
            why,
            Why::TurnedBack {
                host_is_off: false,
                ..
            }
        )
    }
}
