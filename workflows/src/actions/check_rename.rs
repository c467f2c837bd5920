//! Checks that a guest can have another name.

use vsjob_workers::{HostAction, Library};

use crate::GuestName;
use crate::planner::host_action;

host_action! {
    /// It is here, and nobody has that name.
    CheckRename { guest: GuestName, to: GuestName } -> RenameChecked {}
    "check-rename" version 1, "check that {guest} is here, and that nothing is called {to}",
    HostAction {
        read_only: true,
        needs: &[Library::Storage, Library::Runtime],
        do_: include_str!("check_rename.do.sh"),
        ..HostAction::EMPTY
    }
}
