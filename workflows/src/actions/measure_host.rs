//! Measures how much room a host has for guests from elsewhere.

use vsjob_workers::{HostAction, Library};

use crate::Line;
use crate::planner::host_action;

host_action! {
    /// Its room, and which of these bridges it lacks.
    MeasureHost { devices: Line } -> HostMeasured {
        /// Its architecture.
        arch: String,
        /// Bytes of memory that can be had.
        memory: u64,
        /// Bytes of disk that are free.
        disk: u64,
        /// Those of the bridges that it does not have.
        lacks: Line,
    }
    "measure-host" version 1, "measure the room there is",
    HostAction {
        read_only: true,
        needs: &[Library::Storage, Library::Network],
        do_: include_str!("measure_host.do.sh"),
        ..HostAction::EMPTY
    }
}
