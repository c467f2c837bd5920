//! The durable workflow engine of vsjob. It knows jobs, steps, time and disk; it knows no SSH and no guest.
//!
//! A job's plan is a list of steps made once at submit. Each step's intent is durable before it acts and its outcome is
//! durable before the next one starts, so that a crash at any moment leaves a job that can go on or be taken back.

mod action;
mod assertion;
mod clock;
pub mod codec;
mod core;
mod error;
mod event;
mod hosts;
mod ids;
mod job;
mod locks;
mod plan;
mod records;
mod recovery;
mod runner;
mod schedule;
mod slots;
mod state;
pub mod store;
mod world;

pub use crate::assertion::{Assertion, Unvouched, said_to_be_off};
pub use crate::core::{Core, Decided, Due, Effect, Options, Order, ScheduleState, Ticket};
pub use action::{Actions, Class, Failure, Mode, Outcome, Performing, Progress, Work};
pub use clock::{Clock, Moment, Sleep, SystemClock, Timestamp, VirtualClock};
pub use error::EngineError;
pub use event::{ClockEvent, Entry, Event, JobEvent};
pub use hosts::{Forgotten, HostEvent, KnownHost, Maintenance, Sighting};
pub use ids::{BadName, Epoch, HostName, JobId, StepNo, check_label};
pub use job::{Actor, Direction, Job, Lock, NewJob, Priority, Request, Status, StepRecord, StepState, Why};
pub use plan::{ActionRef, Arg, Object, Outputs, Placing, Plan, Retry, Step, UndoKind, Value};
pub use recovery::under_way;
pub use runner::{
    Command, Debt, Engine, Filter, HistoryLine, JobView, LockView, ScheduleCommand, Submitted, TimeView,
};
pub use schedule::{
    BadCalendar, Calendar, CatchUp, Firing, Missed, Overlap, Schedule, ScheduleEvent, ScheduleName,
    Scheduled, TimeOfDay, schedule_of,
};
pub use state::{IllegalTransition, apply};
pub use world::{Jump, World, ledger};
