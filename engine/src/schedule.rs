//! A schedule: an operation that is submitted by itself whenever a crontab line comes round. A schedule and each of its
//! firings are events of the journal, and a firing is written in one with its job: what is due is done once, whatever
//! crashes in between. Only `state.rs` changes what is kept here.

mod calendar;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::calendar::{BadCalendar, Calendar};
use crate::{Actor, BadName, Failure, JobId, Priority, Request, Timestamp, check_label};

/// The name of a schedule: 1 to 63 of `a-z`, `0-9` and `-`, beginning and ending with a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ScheduleName(String);

impl ScheduleName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ScheduleName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        check_label(text, "name of a schedule", 63, "-").map(|()| Self(text.to_owned()))
    }
}

impl fmt::Display for ScheduleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What is submitted, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// The crontab line.
    pub line: String,
    /// Its time zone.
    pub zone: String,
    /// The operation.
    pub operation: String,
    /// Its arguments, as given.
    pub args: Vec<(String, String)>,
    /// The class of its jobs.
    pub priority: Priority,
    /// What has not begun by then, in its zone, does not begin.
    pub not_after: Option<TimeOfDay>,
    /// What becomes of a time at which nothing could be submitted.
    pub catch_up: CatchUp,
    /// What becomes of a time at which its job before is not over.
    pub overlap: Overlap,
    /// It comes later by a part of this, always the same, so that what many schedules do is not done at once.
    pub jitter: Duration,
}

impl Schedule {
    /// The times that its line tells.
    ///
    /// # Errors
    /// The line or its zone is none, or the line never comes.
    pub fn calendar(&self) -> Result<Calendar, BadCalendar> {
        Calendar::new(&self.line, &self.zone)
    }

    /// By when what is due must have begun.
    #[must_use]
    pub fn begin_by(&self, due: Timestamp) -> Option<Timestamp> {
        let TimeOfDay { hour, minute } = self.not_after?;
        let calendar = Calendar::new(&format!("{minute} {hour} * * *"), &self.zone).ok()?;
        calendar.after(due)
    }

    /// How much later than its line says the schedule of this name comes.
    #[must_use]
    pub fn delay(&self, name: &ScheduleName) -> Duration {
        let hash = blake3::hash(name.0.as_bytes());
        let [part, ..] = hash.as_bytes();
        self.jitter * u32::from(*part) / 256
    }

    /// The request that it makes of what is due. The key is that of this time alone.
    #[must_use]
    pub fn request(&self, name: &ScheduleName, due: Timestamp, by: &Actor) -> Request {
        Request {
            operation: self.operation.clone(),
            args: self.args.clone(),
            actor: Actor {
                user: by.user.clone(),
                from: format!("schedule {name}"),
                reason: Some(format!("due at {due}")),
            },
            key: Some(format!("{KEY}{name}/{due}")),
            priority: self.priority,
            not_before: None,
        }
    }
}

/// The keys of schedules' jobs begin so.
const KEY: &str = "schedule/";

/// The schedule that made a request of this idempotency key.
#[must_use]
pub fn schedule_of(key: &str) -> Option<&str> {
    key.strip_prefix(KEY)?.split_once('/').map(|(name, _)| name)
}

/// A time of the day: `06:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeOfDay {
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
}

impl FromStr for TimeOfDay {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let two = |text: &str| {
            let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| text.parse::<u8>().ok()).flatten()
        };
        let parts = text
            .split_once(':')
            .map(|(hour, minute)| (two(hour), two(minute)));
        match parts {
            Some((Some(hour @ 0..=23), Some(minute @ 0..=59))) => Ok(Self { hour, minute }),
            _ => Err("a time of the day is written as 06:00"),
        }
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.hour, self.minute)
    }
}

/// What becomes of a time at which nothing could be submitted: no master was up, or its clock was in doubt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CatchUp {
    /// It is done once as soon as possible, however many were missed.
    #[default]
    Once,
    /// It is not done.
    Skip,
}

/// What becomes of a time at which the job of the one before is not over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Overlap {
    /// It is not done.
    #[default]
    Skip,
    /// It is done, once, as soon as that job is over.
    Queue,
}

/// What happened to a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScheduleEvent {
    /// It is this from now on.
    Set {
        /// What it is.
        schedule: Box<Schedule>,
        /// `vsjob.toml` says so.
        declared: bool,
        /// Who set it.
        actor: Actor,
    },
    /// There is none any more.
    Removed {
        /// Who removed it.
        actor: Actor,
    },
    /// It fires again.
    Enabled {
        /// Who wants it.
        actor: Actor,
    },
    /// It does not fire.
    Disabled {
        /// Who wants it.
        actor: Actor,
    },
    /// A job was submitted, in the same batch.
    Fired {
        /// When it was due.
        due: Timestamp,
        /// The job.
        job: JobId,
        /// Who had it fire by hand.
        by: Option<Actor>,
    },
    /// It was due, and will not be done.
    Missed {
        /// When it was due; what was due before goes with it.
        due: Timestamp,
        /// Why.
        why: Missed,
    },
}

/// Why what was due is not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Missed {
    /// It is due no longer, and is not caught up.
    Late,
    /// It could not be submitted by the time after which it may not begin.
    TooLate,
    /// This job of it is not over.
    Overlap(JobId),
    /// The operation was refused.
    Refused(Failure),
    /// It was due before a take-over was accepted: the master of before may have done it.
    TakenOver,
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late => f.write_str("no master was there in time, and it is not caught up"),
            Self::TooLate => f.write_str("it could not be submitted in time"),
            Self::Overlap(job) => write!(f, "job {} of it was not over", job.short()),
            Self::Refused(failure) => write!(f, "it was refused: {failure}"),
            Self::TakenOver => f.write_str("the master before may have done it"),
        }
    }
}

/// A schedule as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduled {
    /// What it is.
    pub schedule: Schedule,
    /// `vsjob.toml` says so.
    pub declared: bool,
    /// Whether it fires.
    pub enabled: bool,
    /// Who set it.
    pub actor: Actor,
    /// What was due until then is done or missed.
    pub settled: Timestamp,
    /// What came of it last.
    pub last: Option<Firing>,
    /// Its last job, and when that was due.
    pub job: Option<(JobId, Timestamp)>,
}

/// What came of a time that was due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firing {
    /// When it was due.
    pub due: Timestamp,
    /// When that was decided.
    pub at: Timestamp,
    /// Its job, or why it has none.
    pub came: Result<JobId, Missed>,
}
