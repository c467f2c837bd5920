//! Limits a volume.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{Megabytes, Ref, VolumeName};

host_action! {
    /// The most that it can hold.
    LimitVolume { volume: Ref<VolumeName>, megabytes: Megabytes } -> VolumeLimited {}
    "limit-volume" version 1, "limit the volume to {megabytes} MB",
    HostAction {
        needs: &[Library::Storage],
        probe: include_str!("limit_volume.probe.sh"),
        do_: include_str!("limit_volume.do.sh"),
        ..HostAction::EMPTY
    }
}
