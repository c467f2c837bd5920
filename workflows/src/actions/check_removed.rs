//! Checks that a removed guest can come back.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{DeviceName, Given, GuestName, Leftover, Line};

host_action! {
    /// It is here, and its name and its address are free.
    CheckRemoved { moved: Leftover, guest: GuestName, address: Given<Line>, device: Given<DeviceName> } -> RemovedChecked {}
    "check-removed" version 1, "check that {moved} is here, and that nobody has its name and address",
    HostAction {
        read_only: true,
        needs: &[Library::Storage, Library::Runtime, Library::Network],
        do_: include_str!("check_removed.do.sh"),
        ..HostAction::EMPTY
    }
}
