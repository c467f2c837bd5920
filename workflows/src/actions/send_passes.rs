//! Copies a guest while it runs.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{GuestName, Line, OnBudget, Ref, ShortId, Span, VolumeName, YesNo};

host_action! {
    /// Copies it again and again, each time from a fresh snapshot where there can be one, until a further pass would be short enough to be made
    /// while the guest stands still, or passes stop getting shorter.
    SendPasses { guest: GuestName, snapshot: Ref<VolumeName>, job: Ref<ShortId>, address: Line, port: u16, user: Line, host_key: Ref<String>, bytes: Ref<u64>, max_downtime: Span, on_budget: OnBudget, bwlimit: Line, compress: YesNo, relay: YesNo, running: Ref<YesNo>, still: YesNo } -> PassesSent {
        /// How many.
        passes: u32,
        /// Files of the last one.
        files: u64,
        /// Their bytes.
        size: u64,
        /// Bytes sent in all.
        sent: u64,
        /// How long the guest will probably stand still, in ms.
        predicted: u64,
    }
    "send-passes" version 3, "copy {guest} while it runs",
    HostAction {
        needs: &[Library::Storage, Library::Runtime, Library::Transfer],
        probe: include_str!("send_passes.probe.sh"),
        do_: include_str!("send_passes.do.sh"),
        undo: include_str!("send_passes.undo.sh"),
        limit: crate::planner::LONG,
        stall: Some(crate::planner::STALL),
        ..HostAction::EMPTY
    }
}
