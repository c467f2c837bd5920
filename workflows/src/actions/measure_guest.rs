//! Measures what a guest takes where it is, so that another host can be found for it.

use std::time::Duration;

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{DeviceName, GuestName};

host_action! {
    /// Where nothing keeps count of a guest's disk, it is counted: so long as somebody waits for the answer, and no longer.
    MeasureGuest { guest: GuestName } -> GuestMeasured {
        /// Bytes of memory.
        memory: u64,
        /// Bytes of disk.
        disk: u64,
        /// The bridge that it is on.
        device: DeviceName,
    }
    "measure-guest" version 1, "measure {guest}",
    HostAction {
        read_only: true,
        limit: Duration::from_secs(45),
        needs: &[Library::Storage, Library::Runtime],
        do_: include_str!("measure_guest.do.sh"),
        ..HostAction::EMPTY
    }
}
