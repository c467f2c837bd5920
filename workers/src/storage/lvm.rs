//! Volumes on LVM.

use crate::{Capability, Driver};

/// One logical volume a guest, and thick snapshots.
pub static LVM: Driver = Driver {
    name: "lvm",
    library: concat!(
        include_str!("machines.sh"),
        include_str!("lvm.sh"),
        include_str!("lvm_own.sh"),
        include_str!("lvm_thick.sh"),
        include_str!("lvm_snapshot.sh")
    ),
    can: &[Capability::Snapshot, Capability::DiskLimit],
};

/// One thin logical volume a guest.
pub static LVM_THIN: Driver = Driver {
    name: "lvm-thin",
    library: concat!(
        include_str!("machines.sh"),
        include_str!("lvm.sh"),
        include_str!("lvm_own.sh"),
        include_str!("lvm_thin.sh")
    ),
    can: &[Capability::Snapshot, Capability::DiskLimit],
};

/// One logical volume under the folders of all guests, as VS-Tools had it.
pub static LVM_SHARED: Driver = Driver {
    name: "lvm-shared",
    library: concat!(
        include_str!("machines.sh"),
        include_str!("folders.sh"),
        include_str!("dir.sh"),
        include_str!("lvm.sh"),
        include_str!("lvm_snapshot.sh"),
        include_str!("lvm_shared.sh")
    ),
    can: &[Capability::Snapshot],
};
