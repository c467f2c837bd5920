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

/// The trees of generations on the master: one volume a guest.
pub const TREES_LVM: &str = concat!(
    include_str!("../prelude.sh"),
    // Paper is elsewhere.
    "R=${VSJOB_ROOT-}\n",
    include_str!("machines.sh"),
    include_str!("lvm.sh"),
    include_str!("lvm_own.sh"),
    include_str!("lvm_thick.sh"),
    include_str!("lvm_snapshot.sh"),
    include_str!("trees_thick.sh"),
    include_str!("trees.sh")
);

/// The same: one thin volume a generation.
pub const TREES_LVM_THIN: &str = concat!(
    include_str!("../prelude.sh"),
    // Paper is elsewhere.
    "R=${VSJOB_ROOT-}\n",
    include_str!("machines.sh"),
    include_str!("lvm.sh"),
    include_str!("lvm_own.sh"),
    include_str!("lvm_thin.sh"),
    include_str!("trees_thin.sh"),
    include_str!("trees.sh")
);

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
