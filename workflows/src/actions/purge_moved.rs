//! Deletes what a move or a remove left behind.

use vsjob_workers::{HostAction, Library};

use crate::Leftover;
use crate::planner::host_action;

host_action! {
    /// Deletes what a move or a remove left behind. There is no way back.
    PurgeMoved { moved: Leftover } -> Purged {}
    "purge-moved" version 1, "delete {moved}",
    HostAction {
        needs: &[Library::Storage, Library::Runtime],
        probe: include_str!("purge_moved.probe.sh"),
        do_: include_str!("purge_moved.do.sh"),
        limit: crate::planner::LONG,
        ..HostAction::EMPTY
    }
}
