//! The durable workflow engine of vsjob. It knows jobs, steps, time and disk; it knows no SSH and no guest.
//!
//! A job's plan is a list of steps made once at submit. Each step's intent is durable before it acts and its outcome is
//! durable before the next one starts, so that a crash at any moment leaves a job that can go on or be taken back.

mod action;
mod clock;
pub mod codec;
mod ids;
mod plan;
pub mod store;

pub use action::{Actions, Class, Failure, Mode, Outcome, Performing, Progress, Work};
pub use clock::{Clock, Sleep, SystemClock, Timestamp, VirtualClock};
pub use ids::{BadName, Epoch, HostName, JobId, StepNo, check_label};
pub use plan::{ActionRef, Arg, Object, Outputs, Placing, Plan, Retry, Step, UndoKind, Value};
