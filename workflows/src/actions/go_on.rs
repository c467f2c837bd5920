//! Lets a guest go on that was read as it is.

use std::time::Duration;

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{Given, GuestName, Line, Ref, ShortId, YesNo};

host_action! {
    /// Starts it, if it was stopped to be read, and runs `post` in it, if `pre` was run.
    GoOn { guest: GuestName, job: Ref<ShortId>, start: Given<YesNo>, post: Line } -> WentOn {
        /// Whether it was.
        started: YesNo,
    }
    "go-on" version 1, "let {guest} go on",
    HostAction {
        needs: &[Library::Storage, Library::Runtime, Library::Network, Library::Transfer],
        probe: include_str!("go_on.probe.sh"),
        do_: concat!(include_str!("guest_goes_on.sh"), include_str!("go_on.do.sh")),
        limit: Duration::from_secs(3600),
        ..HostAction::EMPTY
    }
}
