//! Starts a guest.

use vsjob_workers::{HostAction, Library};

use crate::GuestName;
use crate::planner::host_action;

host_action! {
    /// Starts it, unless it is in quarantine.
    StartGuest { guest: GuestName } -> GuestStarted {}
    "start-guest" version 1, "start {guest}",
    HostAction {
        needs: &[Library::Runtime, Library::Network],
        probe: include_str!("start_guest.probe.sh"),
        do_: include_str!("start_guest.do.sh"),
        ..HostAction::EMPTY
    }
}
