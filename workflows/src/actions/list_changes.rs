//! Lists what a consolidation must not leave to size and time.

use vsjob_workers::{HostAction, Library};

use crate::planner::{LONG, host_action};
use crate::{Line, Ref, ShortId, VolumeName};

host_action! {
    /// Lists the files whose status has changed since the last generation, all folders, and files of several names.
    ListChanges { snapshot: Ref<VolumeName>, job: Ref<ShortId>, since: Ref<Line> } -> ChangesListed {}
    "list-changes" version 1, "list what has changed",
    HostAction {
        needs: &[Library::Storage, Library::Transfer],
        probe: include_str!("list_changes.probe.sh"),
        do_: include_str!("list_changes.do.sh"),
        limit: LONG,
        ..HostAction::EMPTY
    }
}
