//! Finds the guests of a host.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;

host_action! {
    /// Answers `guest.NAME=STATE ENABLED DEFINED` for each, and how many names cannot be a guest's.
    ScanHost {} -> Scanned {
        /// Names that cannot be a guest's.
        strange: u32,
    }
    "scan-host" version 1, "find guests",
    HostAction {
        read_only: true,
        needs: &[Library::Storage, Library::Runtime],
        do_: include_str!("scan_host.do.sh"),
        ..HostAction::EMPTY
    }
}
