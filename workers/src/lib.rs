//! How a step reaches a host: SSH, channels, launched commands and drivers, and the files that describe the pool.

mod action;
mod answer;
mod channel;
mod claim;
mod config;
mod consent;
mod driver;
mod frame;
#[doc(hidden)]
pub mod fuzzing;
mod here;
mod host;
mod host_error;
mod internal;
mod launched;
mod line;
pub mod network;
mod perform;
mod pool;
mod registry;
mod relay;
mod run_name;
pub mod runtime;
pub mod storage;

pub use action::{Context, Desk, Doing, HostAction, MasterAction, Successor};
pub use answer::coded;
pub use channel::{Answer, Channel, ChannelError, Request};
pub use claim::Claim;
pub use config::{
    CreateDefaults, CreateMethod, Network, Networks, Problem, Problems, Settings, Slave, Slaves, StoreSizes,
    Window, entry,
};
pub use consent::{Consents, Said};
pub use driver::{Capability, Driver, Drivers, Library};
pub use frame::{Capture, printable};
pub use here::{boot_id, run_here};
pub use host::{Facts, Host, HostParts, Question};
pub use host_error::HostError;
pub use line::{
    Exposed, Line, LineError, PaperLine, Pending, Reached, SshLine, SshOptions, Wire, end_leftovers,
};
pub use pool::Pool;
pub use registry::{Action, Registry, Script, Side};
pub use run_name::{NoRunName, Run, RunName};
