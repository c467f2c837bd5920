//! Checks that a copy is whole.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{Ref, VolumeName};

host_action! {
    /// What is here is what was there, by counts and bytes.
    VerifyCopy { volume: Ref<VolumeName>, counted: Ref<u64>, files: Ref<u64>, size: Ref<u64>, grown: Ref<String> } -> CopyVerified {
        /// Files that are here.
        counted: u64,
    }
    "verify-copy" version 1, "verify the copy",
    HostAction {
        read_only: true,
        needs: &[Library::Storage, Library::Transfer],
        do_: include_str!("verify_copy.do.sh"),
        limit: crate::planner::LONG,
        ..HostAction::EMPTY
    }
}
