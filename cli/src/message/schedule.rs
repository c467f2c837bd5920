//! What is said about schedules.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{JobLine, Priority, Who};

/// What becomes of a time at which nothing could be submitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CatchUp {
    /// It is done once as soon as possible, however many were missed
    #[default]
    Once,
    /// It is not done
    Skip,
}

/// What becomes of a time at which the job of the one before is not over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Overlap {
    /// It is not done
    #[default]
    Skip,
    /// It is done, once, as soon as that job is over
    Queue,
}

/// What is submitted, and when.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ScheduleSpec {
    /// The crontab line: minute, hour, day of the month, month, day of the week.
    pub cron: String,
    /// Its time zone, such as `Europe/Paris`.
    pub zone: String,
    /// The operation.
    pub operation: String,
    /// Its parameters by name.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// The class of its jobs.
    #[serde(default)]
    pub priority: Priority,
    /// What has not begun by then does not begin: `06:00`.
    #[serde(default)]
    pub not_after: Option<String>,
    /// What becomes of a time at which nothing could be submitted.
    #[serde(default)]
    pub catch_up: CatchUp,
    /// What becomes of a time at which the job of the one before is not over.
    #[serde(default)]
    pub overlap: Overlap,
    /// It comes later by a part of these seconds, always the same.
    #[serde(default)]
    pub jitter: u64,
}

/// A schedule to be added.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddSchedule {
    /// Its name.
    pub schedule: String,
    /// What it is.
    pub what: ScheduleSpec,
    /// Who asks, as far as the client can say.
    #[serde(default)]
    pub who: Who,
}

/// The schedules.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Schedules {
    /// By name.
    pub schedules: Vec<ScheduleView>,
}

/// A schedule as it stands.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ScheduleView {
    /// Its name.
    pub schedule: String,
    /// What it is.
    #[serde(flatten)]
    pub what: ScheduleSpec,
    /// Whether it fires.
    pub enabled: bool,
    /// It stands in vsjob.toml.
    pub declared: bool,
    /// Who set it.
    pub user: String,
    /// It is due since then, and waits.
    pub due: Option<DateTime<Utc>>,
    /// When it fires next, and then.
    pub next: Vec<FiringTime>,
    /// What came of it last.
    pub last: Option<LastFiring>,
}

/// A time at which a schedule fires.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct FiringTime {
    /// When.
    pub at: DateTime<Utc>,
    /// The same by its zone's wall clock, with the zone's name for it.
    pub local: String,
}

/// What came of a schedule.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct LastFiring {
    /// When it was due.
    pub due: DateTime<Utc>,
    /// The same by its zone's wall clock.
    pub local: String,
    /// Its job.
    pub job: Option<JobLine>,
    /// Why it has none.
    pub missed: Option<String>,
}
