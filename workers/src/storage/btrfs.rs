//! Volumes that are subvolumes of a btrfs.

use crate::{Capability, Driver};

/// One subvolume a guest.
pub static BTRFS: Driver = Driver {
    name: "btrfs",
    library: concat!(
        include_str!("machines.sh"),
        include_str!("folders.sh"),
        include_str!("in_place.sh"),
        include_str!("btrfs.sh")
    ),
    can: &[Capability::Snapshot, Capability::DiskLimit],
};
