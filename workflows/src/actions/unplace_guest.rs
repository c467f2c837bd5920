//! Takes a guest out of placement. The step that has this action says so in the plan; here is nothing to be done.

use vsjob_engine::{Outcome, Outputs, Performing, Work};
use vsjob_workers::Context;

use crate::GuestName;
use crate::planner::master_action;

master_action! {
    /// From here on it lives nowhere.
    UnplaceGuest { guest: GuestName } -> Unplaced {}
    "unplace-guest" version 1, "take {guest} out of placement", unplace
}

fn unplace(_: Context, _: Work) -> Performing {
    Box::pin(async { Outcome::Done(Outputs::new()) })
}
