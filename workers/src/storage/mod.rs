//! Storage: where the volumes of guests are.

mod btrfs;
mod dir;

pub use btrfs::BTRFS;
pub use dir::DIR;

use crate::Driver;

/// Every storage there is.
pub const STORAGES: &[&Driver] = &[&BTRFS, &DIR];
