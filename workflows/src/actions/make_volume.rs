//! Makes an empty volume.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{Ref, VolumeName};

host_action! {
    /// Makes an empty volume; its undo removes it with all that is in it.
    MakeVolume { volume: Ref<VolumeName> } -> VolumeMade {}
    "make-volume" version 1, "make the volume",
    HostAction {
        needs: &[Library::Storage],
        probe: include_str!("make_volume.probe.sh"),
        do_: include_str!("make_volume.do.sh"),
        undo: include_str!("make_volume.undo.sh"),
        limit: crate::planner::LONG,
        ..HostAction::EMPTY
    }
}
