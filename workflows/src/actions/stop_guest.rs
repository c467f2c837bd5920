//! Stops a guest.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{Given, GuestName, YesNo};

host_action! {
    /// Stops it, and answers when nothing of it runs.
    StopGuest { guest: GuestName, running: Given<YesNo> } -> GuestStopped {}
    "stop-guest" version 1, "stop {guest}",
    HostAction {
        needs: &[Library::Runtime],
        probe: include_str!("stop_guest.probe.sh"),
        do_: include_str!("stop_guest.do.sh"),
        undo: include_str!("stop_guest.undo.sh"),
        ..HostAction::EMPTY
    }
}
