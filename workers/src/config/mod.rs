//! The files that describe the pool and its master. A file is read whole: all that is wrong with it is told in one
//! run, each with its line and column.

mod create;
pub mod entry;
mod networks;
mod problem;
mod schedules;
mod settings;
mod slaves;
mod values;

pub use create::{CreateDefaults, CreateMethod};

pub use networks::{Network, Networks};
pub use problem::{Problem, Problems};
pub use settings::{Settings, StoreSizes};
pub use slaves::{Slave, Slaves};
pub use values::Window;
