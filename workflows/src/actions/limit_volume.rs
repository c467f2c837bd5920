//! Limits what the files of a guest may take.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{Given, GuestName, Megabytes};

host_action! {
    /// The most that the volume of a guest can hold, where its host counts that; 0 is no limit.
    LimitVolume { guest: GuestName, megabytes: Given<Megabytes> } -> VolumeLimited {}
    "limit-volume" version 1, "limit what the files of {guest} take",
    HostAction {
        needs: &[Library::Storage],
        probe: include_str!("limit_volume.probe.sh"),
        do_: include_str!("limit_volume.do.sh"),
        ..HostAction::EMPTY
    }
}
