//! The engine at work: one owner thread for the state, tokio tasks for what acts.

mod handle;
mod owner;
mod replay;

pub use handle::{Debt, Engine, Filter, HistoryLine, JobView, LockView, Submitted, TimeView};
pub use owner::Command;
