//! Volumes that are subvolumes of a btrfs.

use crate::{Capability, Driver};

/// One subvolume a guest.
pub static BTRFS: Driver = Driver {
    name: "btrfs",
    library: concat!(include_str!("machines.sh"), "\n", include_str!("btrfs.sh")),
    can: &[Capability::Snapshot, Capability::DiskLimit],
};
