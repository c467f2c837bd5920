//! Says of a generation whether it is kept whatever a rule says.

use std::io;

use vsjob_engine::{Mode, Outcome, Outputs, Performing, Work};
use vsjob_workers::Context;

use super::argument;
use super::begin_generation::Incoming;
use crate::planner::master_action;
use crate::{GenerationName, GuestName, Line, TreeKind, YesNo};

master_action! {
    /// Pins it, or unpins it.
    PinGeneration { folder: Line, tree: TreeKind, guest: GuestName, name: GenerationName, on: YesNo } -> GenerationPinned {}
    "pin-generation" version 1, "mark generation {name} of {guest}", run
}

fn run(_: Context, work: Work) -> Performing {
    Box::pin(async move {
        if work.mode == Mode::Undo {
            return Outcome::Done(Outputs::new());
        }
        Incoming::of(&work).blocking(move |at| pin(at, &work)).await
    })
}

fn pin(at: &Incoming, work: &Work) -> io::Result<Outputs> {
    let guest = argument(work, "guest").parse().map_err(io::Error::other)?;
    let name = argument(work, "name").parse().map_err(io::Error::other)?;
    at.generations.pin(&guest, &name, argument(work, "on") == "yes")?;
    Ok(Outputs::new())
}
