//! Checks that the copy of a guest that placement names is whole.

use vsjob_workers::{HostAction, Library};

use crate::GuestName;
use crate::planner::host_action;

host_action! {
    /// It is here, whole, startable, and open.
    CheckCopy { guest: GuestName } -> CopyChecked {}
    "check-copy" version 1, "see that {guest} is whole where it lives",
    HostAction {
        read_only: true,
        needs: &[Library::Storage, Library::Runtime, Library::Network],
        do_: include_str!("check_copy.do.sh"),
        ..HostAction::EMPTY
    }
}
