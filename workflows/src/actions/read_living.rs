//! Begins to read a guest as it is, for its consolidation: where its storage takes no pictures.

use vsjob_workers::{HostAction, Library};

use crate::planner::{LONG, host_action};
use crate::{Given, GuestName, Line, Ref, ShortId, YesNo};

host_action! {
    /// Lists what the pass that comes next must not leave to size and time. The first pass runs `pre` before. Of one that
    /// stands `still` nothing may run.
    ReadLiving { guest: GuestName, job: Ref<ShortId>, pass: u64, still: YesNo, since: Ref<Line>, running: Given<YesNo>, pre: Line, post: Line } -> LivingRead {
        /// Where the tree is.
        tree: Line,
        /// The folder of the job there.
        lists: Line,
        /// When the pass began, by the clocks of the host: see transfer_begins.
        since: Line,
    }
    "read-living" version 1, "list what has changed in {guest}, pass {pass}",
    HostAction {
        needs: &[Library::Storage, Library::Runtime, Library::Network, Library::Transfer],
        probe: concat!(include_str!("read_living.sh"), include_str!("read_living.probe.sh")),
        do_: concat!(include_str!("read_living.sh"), include_str!("read_living.do.sh")),
        undo: concat!(include_str!("guest_goes_on.sh"), include_str!("read_living.undo.sh")),
        limit: LONG,
        ..HostAction::EMPTY
    }
}
