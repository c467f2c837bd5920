//! Counts what arrived while the guest still runs.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{Ref, VolumeName, YesNo};

host_action! {
    /// Counts the copy, and that it is what was sent, if that stood still.
    CountCopy { volume: Ref<VolumeName>, files: Ref<u64>, size: Ref<u64>, still: YesNo } -> CopyCounted {
        /// Files that are here.
        files: u64,
    }
    "count-copy" version 2, "count the copy",
    HostAction {
        read_only: true,
        needs: &[Library::Storage, Library::Transfer],
        do_: include_str!("count_copy.do.sh"),
        limit: crate::planner::LONG,
        ..HostAction::EMPTY
    }
}
