//! Takes a picture of a guest, for its consolidation.

use std::time::Duration;

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{Given, GuestName, Line, Ref, ShortId, SnapshotMode, VolumeName, YesNo};

host_action! {
    /// A read-only snapshot, taken while the guest runs, or while it is stopped for just that. Whatever happens in
    /// between, it goes on afterwards.
    TakeSnapshot { guest: GuestName, snapshot: Ref<VolumeName>, job: Ref<ShortId>, mode: SnapshotMode, running: Given<YesNo>, pre: Line, post: Line } -> SnapshotTaken {
        /// Where it is.
        tree: Line,
        /// The folder of the job there.
        lists: Line,
        /// When it was taken, by the clocks of the host: see transfer_begins.
        since: Line,
        /// How long the guest was stopped for it, in ms.
        down: u64,
    }
    "take-snapshot" version 1, "take a snapshot of {guest}",
    HostAction {
        needs: &[Library::Storage, Library::Runtime, Library::Network, Library::Transfer],
        probe: concat!(include_str!("take_snapshot.sh"), include_str!("take_snapshot.probe.sh")),
        do_: concat!(
            include_str!("guest_goes_on.sh"),
            include_str!("take_snapshot.sh"),
            include_str!("take_snapshot.do.sh")
        ),
        undo: concat!(include_str!("guest_goes_on.sh"), include_str!("take_snapshot.undo.sh")),
        // What is run in the guest around it may be a dump of its database.
        limit: Duration::from_secs(3600),
        ..HostAction::EMPTY
    }
}
