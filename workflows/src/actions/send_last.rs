//! Copies a guest that stands still.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{GuestName, Line, Ref, ShortId, YesNo};

host_action! {
    /// The last pass: what the target answers is durable there.
    SendLast { guest: GuestName, job: Ref<ShortId>, address: Line, port: u16, user: Line, host_key: Ref<String>, bytes: Ref<u64>, bwlimit: Line, compress: YesNo, relay: YesNo } -> LastSent {
        /// Files of the guest.
        files: u64,
        /// Their bytes.
        size: u64,
        /// Bytes sent.
        sent: u64,
        /// How many files the copy gained; `unknown` if the pass was begun twice.
        grown: String,
    }
    "send-last" version 3, "copy the rest of {guest}",
    HostAction {
        needs: &[Library::Storage, Library::Runtime, Library::Transfer],
        probe: include_str!("send_last.probe.sh"),
        do_: include_str!("send_last.do.sh"),
        limit: crate::planner::LONG,
        stall: Some(crate::planner::STALL),
        ..HostAction::EMPTY
    }
}
