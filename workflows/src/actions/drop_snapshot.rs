//! Removes what was needed to read a guest for its consolidation.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{Ref, ShortId, VolumeName};

host_action! {
    /// Removes the snapshot and the job's folder.
    DropSnapshot { snapshot: Ref<VolumeName>, job: Ref<ShortId> } -> SnapshotDropped {}
    "drop-snapshot" version 1, "remove what was needed to read it",
    HostAction {
        needs: &[Library::Storage, Library::Transfer],
        probe: include_str!("drop_snapshot.probe.sh"),
        do_: include_str!("drop_snapshot.do.sh"),
        ..HostAction::EMPTY
    }
}
