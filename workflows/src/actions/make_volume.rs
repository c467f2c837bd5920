//! Makes an empty volume.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{Given, Megabytes, Ref, VolumeName};

host_action! {
    /// Makes an empty volume for so many bytes of files, of that size where volumes have one and it is not 0; its undo removes
    /// it with all that is in it.
    MakeVolume { volume: Ref<VolumeName>, bytes: Given<u64>, megabytes: Given<Megabytes> } -> VolumeMade {}
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
