//! Storage: where the volumes of guests are.

mod btrfs;

pub use btrfs::BTRFS;

use crate::Driver;

/// Every storage there is.
pub const STORAGES: &[&Driver] = &[&BTRFS];
