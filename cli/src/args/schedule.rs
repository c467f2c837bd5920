//! `schedule`: what is added is an operation with its parameters, as for `submit`.

use clap::{Args, Subcommand};
use vsjob_engine::{ScheduleName, TimeOfDay};

use super::Submission;
use crate::message::{CatchUp, Overlap, Priority};

/// Schedules.
#[derive(Debug, Subcommand)]
pub(crate) enum Schedule {
    /// Submit an operation by itself from now on; what it takes is as for `submit`
    Add {
        /// A name for it
        name: ScheduleName,
        /// What is submitted, and when
        #[command(flatten)]
        what: Submission<ScheduleOptions>,
    },
    /// Show the schedules, when they fire next, and what came of them last
    List,
    /// Show a schedule
    Show {
        /// Its name
        name: ScheduleName,
    },
    /// Submit it no longer by itself; its job goes on
    Remove(OneSchedule),
    /// Let a schedule fire again; what was due meanwhile is not done
    Enable(OneSchedule),
    /// Let a schedule not fire
    Disable(OneSchedule),
    /// Submit now what a schedule submits
    Run(OneSchedule),
    /// Show when schedules fire next
    Next {
        /// Only this one
        name: Option<ScheduleName>,
        /// So many times of each
        #[arg(long, short = 'n', default_value_t = 5, value_name = "N")]
        times: u16,
    },
}

/// A schedule, and why something is done to it.
#[derive(Debug, Args)]
pub(crate) struct OneSchedule {
    /// Its name
    pub name: ScheduleName,
    /// Why; goes into the audit log
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// When an operation is submitted by itself.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "When it is submitted")]
pub(crate) struct ScheduleOptions {
    /// A crontab line: minute, hour, day of the month, month, day of the week
    #[arg(long, value_name = "LINE")]
    pub cron: String,
    /// Its time zone, such as Europe/Paris [default: this machine's]
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<String>,
    /// What has not begun by then does not begin
    #[arg(long, value_name = "HH:MM")]
    pub not_after: Option<TimeOfDay>,
    /// What becomes of a time at which nothing could be submitted
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    pub catch_up: CatchUp,
    /// What becomes of a time at which the job of the one before is not over
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    pub overlap: Overlap,
    /// It comes later by a part of this, always the same: 10m
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub jitter: Option<std::time::Duration>,
    /// The class of its jobs: jobs of a higher one get their turn first
    #[arg(long, value_enum, default_value_t, value_name = "CLASS")]
    pub priority: Priority,
    /// Why; goes into the audit log
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}
