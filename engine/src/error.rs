//! What the engine refuses, each with its stable code and what to do about it.

use crate::codec::CodecError;
use crate::store::StoreError;
use crate::{BadCalendar, HostName, IllegalTransition, JobId, ScheduleName, Unvouched};

/// Why the engine does not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No such job.
    #[error("there is no job {0}")]
    UnknownJob(JobId),
    /// The job is over.
    #[error("job {job} is {state} already")]
    Over {
        /// The job.
        job: JobId,
        /// How it ended.
        state: &'static str,
    },
    /// It is being taken back already.
    #[error("job {0} is being taken back already")]
    AlreadyUnwinding(JobId),
    /// It can only go forward.
    #[error("job {job} is past its point of no return (`{step}`): it only goes forward now")]
    PastPivot {
        /// The job.
        job: JobId,
        /// The title of its pivot.
        step: String,
    },
    /// It stands still already.
    #[error("job {job} is {state}")]
    CannotPause {
        /// The job.
        job: JobId,
        /// Its state.
        state: &'static str,
    },
    /// It needs no help.
    #[error("job {job} is {state}: it does not stand at a step that cannot be done")]
    GetsOn {
        /// The job.
        job: JobId,
        /// Its state.
        state: &'static str,
    },
    /// What is said of the job is not enough.
    #[error("job {job} is left as it is: {why}")]
    Unvouched {
        /// The job.
        job: JobId,
        /// Why.
        why: Unvouched,
    },
    /// Whoever takes responsibility says why.
    #[error("no reason is given")]
    NoReason,
    /// It waits for its locks.
    #[error("job {0} is queued: it waits for its locks or its time, which `resume` cannot hasten")]
    NothingToResume(JobId),
    /// The idempotency key belongs to another request.
    #[error("the idempotency key `{}` belongs to job {job}, which asks for something else", .key.escape_default())]
    KeyInUse {
        /// The key.
        key: String,
        /// Its job.
        job: JobId,
    },
    /// The plan breaks a rule that every plan keeps.
    #[error("the plan cannot be taken in: {0}")]
    BadPlan(String),
    /// Nothing moves after a take-over until somebody has seen how the hosts are.
    #[error("this master has taken over, and holds every job until somebody has seen how the hosts are")]
    Held,
    /// There is nothing to accept.
    #[error("this master holds nothing back: there is nothing to accept")]
    NotHeld,
    /// There is no jump to accept.
    #[error("the wall clock has not jumped: there is nothing to accept")]
    ClockInOrder,
    /// A host cannot be forgotten while a job works on it.
    #[error("job {job} is not over and works on {host}")]
    HostInUse {
        /// The host.
        host: HostName,
        /// The job.
        job: JobId,
    },
    /// A host cannot be forgotten while guests live there.
    #[error("guests live on {host}: {}", .guests.join(", "))]
    HostHasGuests {
        /// The host.
        host: HostName,
        /// They.
        guests: Vec<String>,
    },
    /// No such schedule.
    #[error("there is no schedule `{0}`")]
    UnknownSchedule(ScheduleName),
    /// There is one of that name.
    #[error("there is a schedule `{0}` already, and it is another one")]
    ScheduleExists(ScheduleName),
    /// It stands in a file.
    #[error("schedule `{0}` stands in vsjob.toml")]
    Declared(ScheduleName),
    /// Its job is not over.
    #[error("job {job} of schedule `{schedule}` is not over")]
    ScheduleBusy {
        /// The schedule.
        schedule: ScheduleName,
        /// Its job.
        job: JobId,
    },
    /// Its times are none.
    #[error(transparent)]
    BadCalendar(#[from] BadCalendar),
    /// The master is leaving.
    #[error("the master is stopping")]
    Closed,
    /// The journal does not fit the index.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The codec.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

impl EngineError {
    /// The stable code, explained in `docs/errors`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownJob(_) => "VSJ0001",
            Self::Over { .. } => "VSJ0002",
            Self::AlreadyUnwinding(_) => "VSJ0003",
            Self::PastPivot { .. } => "VSJ0004",
            Self::CannotPause { .. } => "VSJ0005",
            Self::NothingToResume(_) => "VSJ0006",
            Self::KeyInUse { .. } => "VSJ0007",
            Self::BadPlan(_) => "VSJ0008",
            Self::Closed => "VSJ0009",
            Self::Illegal(_) => "VSJ0010",
            Self::Held => "VSJ0011",
            Self::NotHeld => "VSJ0013",
            Self::GetsOn { .. } => "VSJ0014",
            Self::Unvouched { why, .. } => why.code(),
            Self::NoReason => "VSJ0017",
            Self::UnknownSchedule(_) => "VSJ0018",
            Self::ScheduleExists(_) => "VSJ0019",
            Self::Declared(_) => "VSJ0020",
            Self::ScheduleBusy { .. } => "VSJ0021",
            Self::BadCalendar(_) => "VSJ0022",
            Self::ClockInOrder => "VSJ0546",
            Self::HostInUse { .. } => "VSJ0542",
            Self::HostHasGuests { .. } => "VSJ0543",
            Self::Store(error) => error.code(),
            Self::Codec(error) => error.code(),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::UnknownJob(_) => "`vsjob status` lists the jobs",
            Self::Over { .. } => "submit the operation again if it is to be done again",
            Self::AlreadyUnwinding(_) => "`vsjob status JOB --watch` shows how far it is",
            Self::PastPivot { .. } => "let it finish; `vsjob status JOB` says what it waits for",
            Self::CannotPause { .. } => "`vsjob resume JOB` lets it go on",
            Self::GetsOn { .. } => {
                "`vsjob status JOB` says what it waits for; `vsjob pause JOB` lets it stand still first"
            }
            Self::Unvouched { why, .. } => why.hint(),
            Self::NoReason => "say with --reason why you take responsibility; it goes into the audit log",
            Self::NothingToResume(_) => "`vsjob locks` shows who holds what it waits for",
            Self::KeyInUse { .. } => "use a new key for a new request",
            Self::BadPlan(_) | Self::Illegal(_) => "report it: this is a mistake in vsjob",
            Self::Held => "`vsjob scan` shows how they are, and how to let go",
            Self::NotHeld => "`vsjob status` lists the jobs",
            Self::ClockInOrder => "`vsjob clock show` tells the time",
            Self::HostInUse { .. } => "let the job end first: `vsjob status JOB` says what it waits for",
            Self::HostHasGuests { .. } => {
                "bring them back elsewhere first, or say that they are lost with --guests-are-lost"
            }
            Self::UnknownSchedule(_) => "`vsjob schedule list` lists the schedules",
            Self::ScheduleExists(_) => "`vsjob schedule remove` it first, or give the new one another name",
            Self::Declared(_) => {
                "take it out of the file and restart the master, or `vsjob schedule disable` it"
            }
            Self::ScheduleBusy { .. } => "`vsjob status JOB` says what it waits for",
            Self::BadCalendar(_) => "a line is such as `30 2 * * 1-5`, a zone such as `Europe/Paris`",
            Self::Closed => "try again when it is back",
            Self::Store(error) => error.hint(),
            Self::Codec(error) => error.hint(),
        }
    }
}
