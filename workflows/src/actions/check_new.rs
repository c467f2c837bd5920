//! Checks that a new guest can be made on a host.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{DeviceName, GuestName, Line, Megabytes};

host_action! {
    /// Its name and its address are free, and there is room.
    CheckNew { guest: GuestName, address: Line, device: DeviceName, bytes: u64, disk: Megabytes } -> NewChecked {}
    "check-new" version 1, "check that {guest} and its address are free",
    HostAction {
        read_only: true,
        needs: &[Library::Storage, Library::Runtime, Library::Network],
        do_: include_str!("check_new.do.sh"),
        ..HostAction::EMPTY
    }
}
