//! Finds what on a host carries our names.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;

host_action! {
    /// Answers `object.N=KIND NAME` for each.
    ListObjects {} -> ObjectsListed {
        /// How many.
        objects: u32,
    }
    "list-objects" version 1, "find what carries our names",
    HostAction {
        read_only: true,
        needs: &[Library::Storage, Library::Transfer],
        do_: include_str!("list_objects.do.sh"),
        ..HostAction::EMPTY
    }
}
