//! Makes a host ready for what the master sends.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{Ref, ShortId, VolumeName};

host_action! {
    /// From now on what is received for the job goes into that volume; its undo ends what still receives.
    AwaitPush { job: Ref<ShortId>, volume: Ref<VolumeName> } -> PushAwaited {}
    "await-push" version 1, "make ready to receive",
    HostAction {
        needs: &[Library::Storage, Library::Transfer],
        probe: include_str!("await_push.probe.sh"),
        do_: include_str!("await_push.do.sh"),
        undo: include_str!("await_push.undo.sh"),
        ..HostAction::EMPTY
    }
}
