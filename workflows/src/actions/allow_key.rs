//! Allows a job's key on the target.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{Ref, ShortId, VolumeName};

host_action! {
    /// From now on that key may write that volume, for a week, and nothing else.
    AllowKey { job: Ref<ShortId>, key: Ref<String>, volume: Ref<VolumeName> } -> KeyAllowed {
        /// What the sshd of this host shows.
        host_key: String,
    }
    "allow-key" version 1, "allow the job's key",
    HostAction {
        needs: &[Library::Storage, Library::Transfer],
        probe: include_str!("allow_key.probe.sh"),
        do_: include_str!("allow_key.do.sh"),
        undo: include_str!("allow_key.undo.sh"),
        ..HostAction::EMPTY
    }
}
