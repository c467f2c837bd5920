//! Checks that a guest can come to a host.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{DeviceName, GuestName, Megabytes, Ref};

host_action! {
    /// Its name is free there, and there is room, and what it needs.
    CheckTarget { guest: GuestName, bytes: Ref<u64>, arch: Ref<String>, device: Ref<DeviceName>, disk: Ref<Megabytes> } -> TargetChecked {
        /// Bytes that are free.
        free: u64,
    }
    "check-target" version 1, "check where {guest} goes",
    HostAction {
        read_only: true,
        needs: &[Library::Storage, Library::Runtime, Library::Network],
        do_: include_str!("check_target.do.sh"),
        ..HostAction::EMPTY
    }
}
