//! Checks that a guest can be brought back to a host.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{DeviceName, Given, GuestName, Line, Megabytes, YesNo};

host_action! {
    /// Its name and its address are free there, unless it takes the place of whoever has them, and there is room, and what it
    /// needs.
    CheckRestore { guest: GuestName, address: Line, device: Given<DeviceName>, bytes: Given<u64>, disk: Megabytes, replaces: YesNo } -> RestoreChecked {}
    "check-restore" version 1, "check that {guest} can come here",
    HostAction {
        read_only: true,
        needs: &[Library::Storage, Library::Runtime, Library::Network],
        do_: include_str!("check_restore.do.sh"),
        ..HostAction::EMPTY
    }
}
