//! Removes what was needed to receive.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{Ref, ShortId};

host_action! {
    /// Forbids the job's key, and removes the job's folder.
    DropReceived { job: Ref<ShortId> } -> ReceivedDropped {}
    "drop-received" version 1, "remove the job's folder",
    HostAction {
        needs: &[Library::Transfer],
        probe: include_str!("drop_received.probe.sh"),
        do_: include_str!("drop_received.do.sh"),
        ..HostAction::EMPTY
    }
}
