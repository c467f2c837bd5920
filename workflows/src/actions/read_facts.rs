//! Reads what an undo, and the other host, will need to know of a guest.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{CpuPercent, DeviceName, GuestName, Line, Megabytes, YesNo};

host_action! {
    /// Whether it runs, and what its definition says.
    ReadFacts { guest: GuestName } -> Facts {
        /// It runs.
        running: YesNo,
        /// It starts with its host.
        enabled: YesNo,
        /// Its address and prefix length; empty if nothing tells.
        address: Line,
        /// The bridge that it is on.
        device: DeviceName,
        /// The limit of its memory.
        rss: Megabytes,
        /// The size of its /tmp.
        tmpfs: Megabytes,
        /// The most processes that it may have.
        proc: u32,
        /// Its part of the processors.
        cpu: CpuPercent,
        /// The most that its files may take.
        disk: Megabytes,
    }
    "read-facts" version 1, "read the facts of {guest}",
    HostAction {
        read_only: true,
        needs: &[Library::Runtime, Library::Storage, Library::Network],
        do_: include_str!("read_facts.do.sh"),
        ..HostAction::EMPTY
    }
}
