//! Where jobs survive: a journal of frames, durable when [`Store::append`] returns, and an index of records behind it.
//! Bytes in, bytes out; the engine owns their meaning.

mod error;
mod memory;
mod seam;

pub use error::StoreError;
pub use memory::Memory;
pub use seam::{
    Audit, Damage, Frame, Frames, Head, Opened, Purpose, Put, Read, Record, Scan, Store, Usage, Warning,
};
