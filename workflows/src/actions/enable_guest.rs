//! Enables a guest.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{DeviceName, Given, GuestName, Line, YesNo};

host_action! {
    /// It starts with its host, if it did; and it is started if a reboot stopped it.
    EnableGuest { guest: GuestName, enabled: Given<YesNo>, running: Given<YesNo>, address: Given<Line>, device: Given<DeviceName> } -> GuestEnabled {}
    "enable-guest" version 1, "enable {guest}",
    HostAction {
        needs: &[Library::Runtime, Library::Network],
        probe: include_str!("enable_guest.probe.sh"),
        do_: include_str!("enable_guest.do.sh"),
        ..HostAction::EMPTY
    }
}
