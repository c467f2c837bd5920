//! Checks a guest where it is, before it is copied.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{DeviceName, GuestName, Line, YesNo};

host_action! {
    /// The guest is here, whole, and nothing is in its tree that a copy would miss. If it `leaves`, it is defined anew
    /// elsewhere: then nothing is in its definition either that it would lack there. Its files take about as many bytes as are
    /// `expected`; if that is 0, they are counted, which is a look at each of them on most storages.
    CheckSource { guest: GuestName, leaves: YesNo, expected: u64 } -> SourceChecked {
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
