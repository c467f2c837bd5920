//! Gives a generation its name.

use std::fs::{self, File};
use std::io;

use vsjob_engine::{Mode, Outcome, Outputs, Performing, Work};
use vsjob_workers::Context;

use super::argument;
use super::begin_generation::Incoming;
use crate::generation::{Generation, GenerationName, end_orphans, gone_is_fine};
use crate::planner::master_action;
use crate::{GuestName, Line, Ref, TreeKind};

master_action! {
    /// Nothing in it changes from now on.
    SealGeneration { folder: Line, tree: TreeKind, guest: GuestName, name: Ref<GenerationName> } -> GenerationSealed {}
    "seal-generation" version 1, "seal the generation of {guest}", run
}

fn run(context: Context, work: Work) -> Performing {
    Box::pin(async move {
        if work.mode == Mode::Undo {
            return Outcome::Done(Outputs::new());
        }
        let at = Incoming::of(&work);
        if let Err(why) = end_orphans(&at.lock(), &*context.clock).await {
            return at.trouble(&why);
        }
        let name = argument(&work, "name").to_owned();
        at.blocking(move |at| seal(at, &name)).await
    })
}

pub(super) fn seal(at: &Incoming, name: &str) -> io::Result<Outputs> {
    let sealed = at.guest.join(name);
    let kind = at.generations.kind;
    if at.folder.exists() {
        for rest in ["lists", "partial"] {
            gone_is_fine(fs::remove_dir_all(at.folder.join(rest)))?;
        }
        for rest in ["doubtful", "generation.part"] {
            gone_is_fine(fs::remove_file(at.folder.join(rest)))?;
        }
        kind.seal(&at.tree(), at.base_tree()?.as_deref())?;
        fs::rename(&at.folder, &sealed)?;
    }
    // What a half-way point of this needed.
    for rest in ["lock", "name"] {
        gone_is_fine(fs::remove_file(sealed.join(rest)))?;
    }
    if let Some(base) = Generation::read(&sealed)?.base.filter(|_| kind.replaces()) {
        gone_is_fine(fs::remove_dir_all(at.guest.join(base)))?;
    }
    File::open(&at.guest)?.sync_all()?;
    File::open(&sealed)?.sync_all()?;
    Ok(Outputs::new())
}
