//! Where jobs survive: a journal of frames, durable when [`Store::append`] returns, and an index of records behind it.
//! Bytes in, bytes out; the engine owns their meaning.

pub mod conformance;
mod error;
mod local;
mod memory;
mod seam;

pub use error::StoreError;
pub use local::{Faults, Local, LocalOptions, Operation, audit, copy, exists};
pub use memory::Memory;
pub use seam::{
    Audit, Damage, Frame, Frames, Head, Opened, Purpose, Put, Read, Record, Scan, Store, Usage, Warning,
};
