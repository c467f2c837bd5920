//! How a step reaches a host: SSH, channels, launched commands and drivers, and the files that describe the pool.

mod action;
mod driver;
pub mod network;
mod registry;
pub mod runtime;
pub mod storage;

pub use action::{Context, HostAction, MasterAction};
pub use driver::{Capability, Driver, Drivers, Library};
pub use registry::{Action, Registry, Script, Side};
