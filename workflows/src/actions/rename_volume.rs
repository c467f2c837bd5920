//! Gives a volume its final name.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{GuestName, Ref, VolumeName};

host_action! {
    /// Gives a volume its final name; the undo gives back the first one.
    RenameVolume { from: Ref<VolumeName>, to: GuestName } -> VolumeRenamed {}
    "rename-volume" version 1, "give the volume the name {to}",
    HostAction {
        needs: &[Library::Storage, Library::Runtime],
        probe: include_str!("rename_volume.probe.sh"),
        do_: include_str!("rename_volume.do.sh"),
        undo: include_str!("rename_volume.undo.sh"),
        ..HostAction::EMPTY
    }
}
