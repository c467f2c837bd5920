//! Sends a generation to a host: rsync, run on the master, into the volume that waits for it there.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use vsjob_engine::{Failure, Mode, Outcome, Outputs, Performing, Work};
use vsjob_workers::Context;

use super::argument;
use super::begin_generation::Incoming;
use crate::generation::{Counted, Generation, Rsync, end_orphans, gone_is_fine};
use crate::planner::master_action;
use crate::{GenerationName, GuestName, Line, Ref, ShortId, TreeKind, YesNo};

master_action! {
    /// Makes the volume equal to the generation. What was sent stays sent: run again it goes on, and compares what is there
    /// by content. Its undo ends what a killed master left behind, so that what it writes to can be removed.
    SendGeneration { folder: Line, tree: TreeKind, guest: GuestName, name: GenerationName, destination: Line, shell: Line, remote: Line, compress: YesNo, job: Ref<ShortId> } -> GenerationSent {
        /// The files that the generation has.
        files: u64,
        /// Their bytes.
        size: u64,
        /// The bytes that went over the line.
        sent: u64,
    }
    "send-generation" version 1, "send generation {name} of {guest}", run
}

fn run(context: Context, work: Work) -> Performing {
    Box::pin(async move {
        let at = Incoming::of(&work);
        let lock = at.guest.join(format!("sending-{}", work.job.short()));
        let ended = end_orphans(&lock, &*context.clock).await;
        let sent = match (ended, work.mode) {
            (Err(why), _) => Err(why),
            (Ok(()), Mode::Undo) => Ok(Ok(Outputs::new())),
            (Ok(()), Mode::Do) => send(&at, &lock, &work).await,
        };
        match sent {
            // Another attempt needs its lock.
            Ok(Err(failure)) => Outcome::Failed(failure),
            Ok(Ok(outputs)) => match gone_is_fine(fs::remove_file(&lock)) {
                Err(why) => at.trouble(&why),
                Ok(()) => Outcome::Done(outputs),
            },
            Err(why) => at.trouble(&why),
        }
    })
}

async fn send(at: &Incoming, lock: &Path, work: &Work) -> io::Result<Result<Outputs, Failure>> {
    let said = |name| argument(work, name);
    let folder = at.guest.join(said("name"));
    let generation = Generation::read(&folder)?;
    File::create(lock)?.sync_all()?;
    // What is called there knows the tree and the place for half files.
    let sudo = said("remote").strip_suffix("rsync").unwrap_or_default();
    let remote = format!("{sudo}sh /var/lib/vsjob/jobs/{}/push", said("job"));
    let mut options = [
        "--delete",
        "--partial-dir=/scratch",
        "--filter=- /.vsjob-*-scratch",
    ]
    .map(OsStr::new)
    .to_vec();
    // What an earlier attempt sent may be older than a power cut of the host: then its size and time prove nothing.
    if work.resume || work.attempt > 1 {
        options.push(OsStr::new("--checksum"));
    }
    if said("compress") == YesNo::Yes.as_str() {
        options.push(OsStr::new("--compress"));
    }
    let rsync = Rsync {
        host: said("destination"),
        shell: said("shell"),
        remote: &remote,
        lock,
        total: generation.size,
        note: "sending",
        lives: false,
    };
    let sent = rsync
        .push(
            &generation.open(&folder)?.join(""),
            "/tree",
            &options,
            &work.progress,
        )
        .await;
    Ok(sent.map(|Counted { received, .. }| {
        Outputs::from([
            ("files".to_owned(), generation.files.to_string()),
            ("size".to_owned(), generation.size.to_string()),
            ("sent".to_owned(), received.to_string()),
        ])
    }))
}
