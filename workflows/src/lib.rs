//! What each operation does. An operation is one file: its request, its refusals, its plan, its tests, in this order.
//! An action that a plan is made of is one file under `actions/`, with its scripts beside it.

pub mod actions;
mod admission;
mod adopt;
mod backup;
mod backup_conf;
mod batch;
mod create;
mod demo;
mod downtime;
mod evacuate;
mod fence;
mod generation;
mod guest;
mod move_;
mod names;
mod operation;
mod pin;
mod planner;
mod prune;
mod purge;
mod recover;
mod refusal;
mod remove;
mod removed;
mod rename;
mod request;
mod restore;
mod restore_files;
mod room;
mod site;
mod stored;
mod template;
mod template_create;
mod template_remove;
#[cfg(test)]
mod tests;
mod undelete;

pub use actions::registry;
pub use backup_conf::{BackupConf, BackupLine};
pub use batch::{Tally, tally};
pub use downtime::stood_still;
pub use generation::{
    Difference, Facts, Generation, GenerationName, Generations, Keep, SnapshotMode, TreeKind,
};
pub use names::{
    BadAmount, CpuPercent, DeviceName, GuestName, Leftover, Line, Megabytes, OnBudget, ShortId, Span,
    SuiteName, TemplateName, VolumeName, YesNo,
};
pub use operation::{Held, Operation, Planned, operation, operations};
pub use planner::{Argument, Call, Given, Placed, Planner, Ref};
pub use recover::recoverable;
pub use refusal::Refusal;
pub use removed::{Removed, removed};
pub use request::{Parameter, Parameters, Reading};
pub use room::{Room, Survey, Takes};
pub use site::{Site, SiteHost, site_hosts};
pub use template::{Template, jobs_of_template, templates};
