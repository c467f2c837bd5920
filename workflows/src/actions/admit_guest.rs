//! Admits a guest to its network.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{Given, GuestName, Line, Ref, ShortId, YesNo};

host_action! {
    /// Opens its link and tells the neighbours. From here on it may take in what must not be lost.
    AdmitGuest { guest: GuestName, running: Given<YesNo>, address: Given<Line>, job: Ref<ShortId> } -> Admitted {
        /// `yes`; `no` if it does not run, and stays so.
        admitted: YesNo,
    }
    "admit-guest" version 1, "admit {guest}",
    HostAction {
        needs: &[Library::Storage, Library::Runtime, Library::Network, Library::Transfer],
        probe: include_str!("admit_guest.probe.sh"),
        do_: include_str!("admit_guest.do.sh"),
        ..HostAction::EMPTY
    }
}
