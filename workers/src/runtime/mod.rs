//! Runtimes: what starts and stops guests.

mod nspawn;

pub use nspawn::NSPAWN;

use crate::Driver;

/// Every runtime there is.
pub const RUNTIMES: &[&Driver] = &[&NSPAWN];
