//! Tells how a guest is.

use vsjob_workers::{HostAction, Library};

use crate::GuestName;
use crate::planner::host_action;

host_action! {
    /// Whether it is enabled and runs.
    TellState { guest: GuestName } -> StateTold {
        /// `running` or `stopped`.
        running: String,
        /// `enabled` or `disabled`.
        enabled: String,
    }
    "tell-state" version 1, "look how {guest} is",
    HostAction {
        read_only: true,
        needs: &[Library::Runtime],
        do_: include_str!("tell_state.do.sh"),
        ..HostAction::EMPTY
    }
}
