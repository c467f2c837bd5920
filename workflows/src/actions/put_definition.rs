//! Writes a guest's definition.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{CpuPercent, DeviceName, Given, GuestName, Line, Megabytes};

host_action! {
    /// Writes the definition of a guest on a host. It is not enabled by that.
    PutDefinition { guest: GuestName, address: Given<Line>, device: Given<DeviceName>, rss: Given<Megabytes>, tmpfs: Given<Megabytes>, proc: Given<u32>, cpu: Given<CpuPercent>, disk: Given<Megabytes> } -> DefinitionPut {}
    "put-definition" version 1, "write the definition of {guest}",
    HostAction {
        needs: &[Library::Runtime, Library::Storage],
        probe: include_str!("put_definition.probe.sh"),
        do_: include_str!("put_definition.do.sh"),
        undo: include_str!("put_definition.undo.sh"),
        ..HostAction::EMPTY
    }
}
