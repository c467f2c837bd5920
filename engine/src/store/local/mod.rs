//! The store on a local disk: a journal of preallocated segments, fdatasynced, and sled behind it as the index.
//! `docs/store.md` has the formats and what is refused when.

mod audit;
mod copy;
mod cursor;
mod database;
mod directory;
mod disk;
mod frame;
mod index;
mod journal;
mod keeper;
mod mark;
mod opening;
mod options;
mod overlay;
mod prepare;
mod recover;
mod segment;
mod snapshot;
mod store;

pub use audit::audit;
pub use copy::{copy, exists};
pub use disk::{Faults, Operation};
pub use options::LocalOptions;
pub use store::Local;
