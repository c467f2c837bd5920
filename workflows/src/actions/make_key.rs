//! Makes the key of one job.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{Ref, ShortId};

host_action! {
    /// Makes a key pair on the source for that one job. Its private half never leaves that host.
    MakeKey { job: Ref<ShortId> } -> KeyMade {
        /// The public half.
        key: String,
    }
    "make-key" version 1, "make the job's key",
    HostAction {
        needs: &[Library::Transfer],
        probe: include_str!("make_key.probe.sh"),
        do_: include_str!("make_key.do.sh"),
        undo: include_str!("make_key.undo.sh"),
        ..HostAction::EMPTY
    }
}
