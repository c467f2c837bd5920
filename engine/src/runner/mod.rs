//! The engine at work: one owner thread for the state, tokio tasks for what acts.

mod handle;
mod owner;
mod replay;
mod schedules;

pub use handle::{Debt, Engine, Filter, HistoryLine, JobView, LockView, Submitted, TimeView};
pub use owner::Command;
pub use schedules::ScheduleCommand;
