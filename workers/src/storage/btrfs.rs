//! Volumes that are subvolumes of a btrfs.

use crate::{Capability, Driver};

/// One subvolume a guest.
pub static BTRFS: Driver = Driver {
    name: "btrfs",
    library: include_str!("btrfs.sh"),
    can: &[Capability::Snapshot, Capability::DiskLimit],
};
