//! Fences a guest that was copied away.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{GuestName, Ref, VolumeName};

host_action! {
    /// Its definition and its volume get a name under which nothing starts them.
    FenceGuest { guest: GuestName, moved: Ref<VolumeName> } -> GuestFenced {}
    "fence-guest" version 1, "fence {guest} where it was",
    HostAction {
        needs: &[Library::Storage, Library::Runtime],
        probe: include_str!("fence_guest.probe.sh"),
        do_: include_str!("fence_guest.do.sh"),
        undo: include_str!("fence_guest.undo.sh"),
        ..HostAction::EMPTY
    }
}
