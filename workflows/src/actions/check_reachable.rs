//! Looks whether a guest answers.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{DeviceName, Line, Ref, YesNo};

host_action! {
    /// Whether somebody answers at that address, seen from this host.
    CheckReachable { device: Ref<DeviceName>, address: Ref<Line>, running: Ref<YesNo> } -> Looked {
        /// `yes`, `no` or `unknown`.
        reachable: String,
    }
    "check-reachable" version 1, "look whether it answers from elsewhere",
    HostAction {
        read_only: true,
        needs: &[Library::Network],
        do_: include_str!("check_reachable.do.sh"),
        ..HostAction::EMPTY
    }
}
