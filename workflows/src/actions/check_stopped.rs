//! Checks that a guest does not run.

use vsjob_workers::{HostAction, Library};

use crate::GuestName;
use crate::planner::host_action;

host_action! {
    /// It stands still.
    CheckStopped { guest: GuestName } -> StandsStill {}
    "check-stopped" version 1, "see that {guest} is stopped",
    HostAction {
        read_only: true,
        needs: &[Library::Runtime],
        do_: include_str!("check_stopped.do.sh"),
        ..HostAction::EMPTY
    }
}
