//! Looks whether what was received is what was sent, and writes down what it is.

use std::fs;
use std::io;

use vsjob_engine::{Class, Failure, Mode, Outcome, Outputs, Performing, Work};
use vsjob_workers::Context;

use super::argument;
use super::begin_generation::Incoming;
use crate::generation::{Count, Generation, Manifest};
use crate::planner::master_action;
use crate::{GuestName, Line, Ref, TreeKind, YesNo};

master_action! {
    /// Counts, writes the manifest, and completes `generation.json`. What was sent of a guest that went on is not to be counted.
    CompleteGeneration { folder: Line, tree: TreeKind, guest: GuestName, since: Ref<Line>, files: Ref<u64>, size: Ref<u64>, received: Ref<u64>, still: YesNo } -> GenerationCompleted {
        /// The checksum of its manifest.
        manifest: Line,
    }
    "complete-generation" version 1, "verify and write the manifest", run
}

fn run(_: Context, work: Work) -> Performing {
    Box::pin(async move {
        let at = Incoming::of(&work);
        if work.mode == Mode::Undo {
            return Outcome::Done(Outputs::new());
        }
        let number = |name| argument(&work, name).parse().unwrap_or(0);
        let sent = Count {
            files: number("files"),
            size: number("size"),
        };
        let counted = at.clone().blocking({
            let work = work.clone();
            move |at| complete(at, &work, sent)
        });
        match counted.await {
            Outcome::Done(outputs) if outputs.is_empty() => Outcome::Failed(Failure::new(
                Class::Permanent,
                "VSJ0481",
                format!(
                    "{} files of {} bytes were sent, and others are here",
                    sent.files, sent.size
                ),
            )),
            outcome => outcome,
        }
    })
}

/// Answers nothing if it is not what was sent.
fn complete(at: &Incoming, work: &Work, sent: Count) -> io::Result<Outputs> {
    let known = match at.base()? {
        Some((folder, base)) => Manifest::read(&folder.join("manifest"), &base.manifest)?,
        None => Manifest::default(),
    };
    let mut tell = |bytes| {
        work.progress.send_modify(|progress| {
            progress.bytes = bytes;
            "reading what is new".clone_into(&mut progress.note);
        });
    };
    let (manifest, count) = Manifest::of(&at.open()?, &known, &mut tell)?;
    let crash_consistent = argument(work, "still") != "no";
    if count != sent && crash_consistent {
        return Ok(Outputs::new());
    }
    let checksum = manifest.write(&at.folder.join("manifest"))?;
    for list in ["folders", "mapped.names"] {
        let from = at.folder.join("lists").join(list);
        if from.exists() {
            fs::copy(from, at.folder.join(list))?;
            fs::File::open(at.folder.join(list))?.sync_all()?;
        }
    }
    let generation = Generation {
        files: count.files,
        size: count.size,
        received: argument(work, "received").parse().unwrap_or(0),
        since: argument(work, "since").to_owned(),
        manifest: checksum.clone(),
        crash_consistent,
        ..Generation::read(&at.folder)?
    };
    generation.write(&at.folder)?;
    at.generations
        .kind
        .finish(&at.tree(), at.base_tree()?.as_deref())?;
    Ok(Outputs::from([("manifest".to_owned(), checksum)]))
}
