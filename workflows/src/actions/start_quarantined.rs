//! Starts a guest in quarantine.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{Given, GuestName, YesNo};

host_action! {
    /// Starts it so that nobody but its own host can reach it. Nothing enabled it.
    StartQuarantined { guest: GuestName, running: Given<YesNo> } -> Quarantined {}
    "start-quarantined" version 1, "start {guest} in quarantine",
    HostAction {
        needs: &[Library::Runtime, Library::Network],
        probe: include_str!("start_quarantined.probe.sh"),
        do_: include_str!("start_quarantined.do.sh"),
        undo: include_str!("start_quarantined.undo.sh"),
        ..HostAction::EMPTY
    }
}
