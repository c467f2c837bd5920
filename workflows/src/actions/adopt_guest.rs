//! Sees a guest that is to be adopted.

use vsjob_workers::{HostAction, Library};

use crate::GuestName;
use crate::planner::host_action;

host_action! {
    /// A guest of that name is here. Nothing is changed.
    AdoptGuest { guest: GuestName } -> Adopted {
        /// `running` or `stopped`.
        running: String,
    }
    "adopt-guest" version 1, "see {guest}",
    HostAction {
        read_only: true,
        needs: &[Library::Storage, Library::Runtime],
        do_: include_str!("adopt_guest.do.sh"),
        ..HostAction::EMPTY
    }
}
