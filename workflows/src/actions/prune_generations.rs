//! Deletes generations that are not kept any longer.

use std::fs::{self, File};
use std::io;

use vsjob_engine::{Mode, Outcome, Outputs, Performing, Work};
use vsjob_workers::Context;

use super::argument;
use super::begin_generation::Incoming;
use crate::generation::Keep;
use crate::planner::master_action;
use crate::{GuestName, Line, TreeKind};

master_action! {
    /// Deletes what the rule does not keep: never the newest, never a pinned one, and none that cannot be read, which
    /// somebody has to look at. No rule: nothing.
    PruneGenerations { folder: Line, tree: TreeKind, guest: GuestName, keep: Line } -> GenerationsPruned {
        /// How many were deleted.
        pruned: u64,
    }
    "prune-generations" version 1, "delete what {guest} need not keep", run
}

/// What a generation is called while it is deleted: half of one must not be taken for one.
const REMOVING: &str = "removing-";

fn run(_: Context, work: Work) -> Performing {
    Box::pin(async move {
        if work.mode == Mode::Undo {
            return Outcome::Done(Outputs::new());
        }
        let at = Incoming::of(&work);
        at.blocking(move |at| prune(at, argument(&work, "guest"), argument(&work, "keep")))
            .await
    })
}

fn prune(at: &Incoming, guest: &str, keep: &str) -> io::Result<Outputs> {
    let guest: GuestName = guest.parse().map_err(io::Error::other)?;
    let mut pruned = 0;
    if !keep.is_empty() {
        let keep: Keep = keep.parse().map_err(io::Error::other)?;
        for name in at.generations.doomed(&guest, &keep) {
            let removing = at.guest.join(format!("{REMOVING}{name}"));
            fs::rename(at.guest.join(name.as_str()), removing)?;
            pruned += 1;
        }
        File::open(&at.guest)?.sync_all()?;
    }
    for entry in fs::read_dir(&at.guest)? {
        let entry = entry?;
        if entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(REMOVING.as_bytes())
        {
            // What its tree is, it says itself: the settings may have changed since it was made.
            at.generations.remove(&entry.path())?;
        }
    }
    Ok(Outputs::from([("pruned".to_owned(), pruned.to_string())]))
}
