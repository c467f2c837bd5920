//! Checks a guest where it is, before it is copied.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{DeviceName, GuestName, Line, YesNo};

host_action! {
    /// The guest is here, whole, and nothing is in its tree that a copy would miss. If it `leaves`, it is defined anew
    /// elsewhere: then nothing is in its definition either that it would lack there.
    CheckSource { guest: GuestName, leaves: YesNo } -> SourceChecked {
        /// What its files take.
        bytes: u64,
        /// The architecture of its host.
        arch: String,
        /// What is in its definition that it would lack if it were defined anew; empty if nothing is.
        lacks: Line,
        /// The bridge that it is on.
        device: DeviceName,
    }
    "check-source" version 1, "check {guest} where it is",
    HostAction {
        read_only: true,
        limit: crate::planner::LONG,
        needs: &[Library::Storage, Library::Runtime],
        do_: include_str!("check_source.do.sh"),
        ..HostAction::EMPTY
    }
}
