//! Makes an unpacked tree a guest's.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{GuestName, Line, Ref, VolumeName};

host_action! {
    /// Name, ids, keys, addresses; no link of the tree is followed out of it.
    WriteIdentity { volume: Ref<VolumeName>, guest: GuestName, address: Line, gateway: Line, domain: Line, nameservers: Line, mirror: Line } -> IdentityWritten {}
    "write-identity" version 1, "write the identity of {guest}",
    HostAction {
        needs: &[Library::Storage],
        probe: include_str!("write_identity.probe.sh"),
        do_: include_str!("write_identity.do.sh"),
        ..HostAction::EMPTY
    }
}
