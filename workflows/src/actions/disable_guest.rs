//! Disables a guest.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{Given, GuestName, YesNo};

host_action! {
    /// From now on the guest does not start with this host. The undo enables it, and starts it if it ran: its host may have
    /// been booted anew meanwhile.
    DisableGuest { guest: GuestName, enabled: Given<YesNo>, running: Given<YesNo> } -> GuestDisabled {}
    "disable-guest" version 1, "disable {guest}",
    HostAction {
        needs: &[Library::Runtime],
        probe: include_str!("disable_guest.probe.sh"),
        do_: include_str!("disable_guest.do.sh"),
        undo: include_str!("disable_guest.undo.sh"),
        ..HostAction::EMPTY
    }
}
