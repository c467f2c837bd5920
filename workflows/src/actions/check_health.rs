//! Checks that a guest is healthy.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{Given, GuestName, Line, YesNo};

host_action! {
    /// It runs, has its address, and the command, if there is one, succeeds in it.
    CheckHealth { guest: GuestName, running: Given<YesNo>, address: Given<Line>, command: Line } -> Healthy {}
    "check-health" version 1, "check the health of {guest}",
    HostAction {
        needs: &[Library::Runtime, Library::Network],
        probe: include_str!("check_health.probe.sh"),
        do_: include_str!("check_health.do.sh"),
        ..HostAction::EMPTY
    }
}
