//! Removes what was needed to send.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{Ref, ShortId, VolumeName};

host_action! {
    /// Removes the snapshot and the key.
    DropSent { job: Ref<ShortId>, snapshot: Ref<VolumeName> } -> SentDropped {}
    "drop-sent" version 1, "remove the snapshot and the key",
    HostAction {
        needs: &[Library::Storage, Library::Transfer],
        probe: include_str!("drop_sent.probe.sh"),
        do_: include_str!("drop_sent.do.sh"),
        ..HostAction::EMPTY
    }
}
