//! Reads a generation that is to be restored: every byte, before anything is made of it anywhere.

use std::io;

use vsjob_engine::{Class, Failure, Mode, Outcome, Outputs, Performing, Work};
use vsjob_workers::Context;

use super::argument;
use super::begin_generation::Incoming;
use crate::generation::{Difference, Generation, GenerationName, Manifest, room};
use crate::planner::master_action;
use crate::{GuestName, Line, TreeKind};

master_action! {
    /// It is what its manifest says. One that is not is marked, so that neither a restore nor a backup begins from it again.
    CheckGeneration { folder: Line, tree: TreeKind, guest: GuestName, name: GenerationName } -> GenerationChecked {
        /// The bytes that its files take on a disk.
        bytes: u64,
    }
    "check-generation" version 1, "read every byte of generation {name} of {guest}", run
}

/// So many differences are told.
const MOST: usize = 5;

fn run(_: Context, work: Work) -> Performing {
    Box::pin(async move {
        if work.mode == Mode::Undo {
            return Outcome::Done(Outputs::new());
        }
        let at = Incoming::of(&work);
        let asked = work.clone();
        let read = tokio::task::spawn_blocking({
            let at = at.clone();
            move || read(&at, &asked)
        });
        match read.await.unwrap_or_else(|panic| Err(io::Error::other(panic))) {
            Ok(Ok(bytes)) => Outcome::Done(Outputs::from([("bytes".to_owned(), bytes.to_string())])),
            Ok(Err(why)) => Outcome::Failed(Failure::new(Class::Permanent, "VSJ0498", why)),
            Err(why) => at.trouble(&why),
        }
    })
}

/// Its bytes, or what is wrong with it.
fn read(at: &Incoming, work: &Work) -> io::Result<Result<u64, String>> {
    let guest: GuestName = argument(work, "guest").parse().map_err(io::Error::other)?;
    let name: GenerationName = argument(work, "name").parse().map_err(io::Error::other)?;
    let folder = at.guest.join(name.as_str());
    let generation = Generation::read(&folder)?;
    let mut tell = |bytes| {
        work.progress.send_modify(|progress| {
            progress.bytes = bytes;
            progress.total = Some(generation.size);
            "reading the generation".clone_into(&mut progress.note);
        });
    };
    let tree = generation.open(&folder)?;
    let differs = match Manifest::read(&folder.join("manifest"), &generation.manifest) {
        Ok(manifest) => manifest.verify(&tree, MOST, &mut tell)?,
        Err(why) if why.kind() == io::ErrorKind::InvalidData => vec![Difference {
            name: "manifest".to_owned(),
            what: "is damaged",
        }],
        Err(why) => return Err(why),
    };
    if differs.is_empty() {
        return room(&tree).map(Ok);
    }
    at.generations.mark_damaged(&guest, &name)?;
    let differs: Vec<String> = differs
        .iter()
        .map(|one| format!("{} {}", one.name, one.what))
        .collect();
    let others = at.generations.whole(&guest).map(|(name, _)| name.to_string());
    let others = others.collect::<Vec<_>>().join(", ");
    Ok(Err(format!(
        "generation {name} of {guest} is not as it was sealed: {}; as far as is known, these are whole: {}",
        differs.join(", "),
        if others.is_empty() { "none" } else { &others }
    )))
}
