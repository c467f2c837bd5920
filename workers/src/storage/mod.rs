//! Storage: where the volumes of guests are.

mod btrfs;
mod dir;
mod lvm;

pub use btrfs::BTRFS;
pub use dir::DIR;
pub use lvm::{LVM, LVM_SHARED, LVM_THIN};

use crate::Driver;

/// Every storage there is.
pub const STORAGES: &[&Driver] = &[&BTRFS, &DIR, &LVM, &LVM_THIN, &LVM_SHARED];
