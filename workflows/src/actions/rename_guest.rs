//! Gives a guest another name on its host: a removed one its own again, or one that lives a new one.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{GuestName, Line};

host_action! {
    /// Its volume and its definition get that name. It stands still; the undo stops it first, should it run by then.
    RenameGuest { from: Line, to: GuestName } -> GuestRenamed {}
    "rename-guest" version 1, "give {from} the name {to}",
    HostAction {
        needs: &[Library::Storage, Library::Runtime, Library::Network],
        probe: include_str!("rename_guest.probe.sh"),
        do_: include_str!("rename_guest.do.sh"),
        undo: include_str!("rename_guest.undo.sh"),
        ..HostAction::EMPTY
    }
}
