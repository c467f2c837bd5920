//! Unpacks a template into a volume.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{Megabytes, Ref, ShortId, VolumeName};

host_action! {
    /// Unpacks the template of the job into its volume, which is made anew for that.
    UnpackTemplate { volume: Ref<VolumeName>, job: Ref<ShortId>, bytes: u64, megabytes: Megabytes } -> Unpacked {}
    "unpack-template" version 1, "unpack the template",
    HostAction {
        needs: &[Library::Storage],
        probe: include_str!("unpack_template.probe.sh"),
        do_: include_str!("unpack_template.do.sh"),
        limit: crate::planner::LONG,
        ..HostAction::EMPTY
    }
}
