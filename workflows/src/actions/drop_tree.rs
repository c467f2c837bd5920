//! Removes what a job has received, or built, on the disk of the master to pack it.

use vsjob_engine::{Mode, Outcome, Outputs, Performing, Work};

use super::begin_generation::{Incoming, remove};
use crate::planner::master_action;
use crate::{Line, TreeKind};

master_action! {
    /// The tree of the job in `place` goes: it is in the archive.
    DropTree { place: Line, tree: TreeKind } -> TreeDropped {}
    "drop-tree" version 1, "remove what was packed", |_, work| run(work)
}

fn run(work: Work) -> Performing {
    Box::pin(async move {
        match work.mode {
            Mode::Undo => Outcome::Done(Outputs::new()),
            Mode::Do => Incoming::in_place(&work).blocking(remove).await,
        }
    })
}
