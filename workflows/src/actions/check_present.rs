//! Checks that a guest is still where it was when its job was planned.

use vsjob_workers::{HostAction, Library};

use crate::GuestName;
use crate::planner::host_action;

host_action! {
    /// It is here.
    CheckPresent { guest: GuestName } -> Present {}
    "check-present" version 1, "see that {guest} is here",
    HostAction {
        read_only: true,
        needs: &[Library::Storage],
        do_: include_str!("check_present.do.sh"),
        ..HostAction::EMPTY
    }
}
