//! Packs a tree on the disk of the master into the archive of a template, which has another name until it is whole.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::AsyncReadExt;
use tokio::process::Command;
use vsjob_engine::{Failure, Mode, Outcome, Outputs, Performing, Work};
use vsjob_workers::Context;

use super::argument;
use super::begin_generation::{Incoming, class_of};
use super::copy_files::partial;
use crate::generation::{end_orphans, gone_is_fine};
use crate::planner::master_action;
use crate::template::{checksum, checksum_file};
use crate::{Line, TreeKind};

master_action! {
    /// Packs the tree of the job in `place` into what will be `to`, with its checksum in a file beside it. Its undo removes
    /// both. A relative `to` is beside the tree, and goes with it.
    PackTemplate { place: Line, tree: TreeKind, to: Line } -> TemplatePacked {
        /// Where it is now.
        archive: Line,
        /// Its bytes.
        bytes: u64,
        /// Its checksum.
        checksum: Line,
    }
    "pack-template" version 1, "pack the template", run
}

fn run(context: Context, work: Work) -> Performing {
    Box::pin(async move {
        let at = Incoming::in_place(&work);
        let ended = end_orphans(&at.lock(), &*context.clock).await;
        let removed = ended.and_then(|()| remove(&work));
        match (removed, work.mode) {
            (Err(why), _) => failed("a template cannot be packed", &why),
            (Ok(()), Mode::Undo) => Outcome::Done(Outputs::new()),
            (Ok(()), Mode::Do) => match pack(&at, &work).await {
                Ok(outputs) => Outcome::Done(outputs),
                Err(why) => failed("the template cannot be packed", &why),
            },
        }
    })
}

fn failed(what: &str, why: &io::Error) -> Outcome {
    Outcome::Failed(Failure::new(class_of(why), "VSJ0434", format!("{what}: {why}")))
}

/// What it will be called.
fn to(work: &Work) -> PathBuf {
    Incoming::in_place(work).folder.join(argument(work, "to"))
}

/// What it is called until then.
fn begun(work: &Work) -> PathBuf {
    Incoming::in_place(work).folder.join(partial(work))
}

/// What was begun goes. The checksum of an archive that somebody has put there is his.
fn remove(work: &Work) -> io::Result<()> {
    let ours = to(work)
        .symlink_metadata()
        .is_err()
        .then(|| checksum_file(&to(work)));
    for file in [Some(begun(work)), ours].into_iter().flatten() {
        gone_is_fine(fs::remove_file(file))?;
    }
    Ok(())
}

async fn pack(at: &Incoming, work: &Work) -> io::Result<Outputs> {
    let (partial, to) = (begun(work), to(work));
    if to.symlink_metadata().is_ok() {
        return Err(io::Error::other(format!("somebody has made {}", to.display())));
    }
    let folder = to.parent().unwrap_or(&to).to_owned();
    fs::create_dir_all(&folder)?;
    archive(at, &partial, work).await?;
    let read = tokio::task::spawn_blocking(move || {
        let (checksum, bytes) = checksum(&partial)?;
        File::open(&partial)?.sync_all()?;
        let beside = checksum_file(&to);
        let name = to.file_name().unwrap_or_default().display();
        fs::write(&beside, format!("{checksum}  {name}\n"))?;
        File::open(beside)?.sync_all()?;
        File::open(folder)?.sync_all()?;
        Ok(Outputs::from([
            ("archive".to_owned(), partial.display().to_string()),
            ("bytes".to_owned(), bytes.to_string()),
            ("checksum".to_owned(), checksum),
        ]))
    });
    read.await.unwrap_or_else(|panic| Err(io::Error::other(panic)))
}

/// Everything that a tree can have, as `unpack-template` takes it. It holds the lock of the tree as long as it lives.
async fn archive(at: &Incoming, partial: &Path, work: &Work) -> io::Result<()> {
    work.progress
        .send_modify(|progress| "packing".clone_into(&mut progress.note));
    // Root's alone: there are a guest's keys and passwords in it.
    let file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(partial)?;
    let mut child = Command::new("flock")
        .args(["--no-fork", "--nonblock"])
        .arg(at.lock())
        .args(["tar", "--create", "--format=posix", "--numeric-owner", "--sparse"])
        .args(["--xattrs", "--xattrs-include=*", "--acls", "--one-file-system"])
        .args(["--file=-", "-C"])
        .arg(at.open()?)
        .arg(".")
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut said = String::new();
    if let Some(errors) = child.stderr.take() {
        errors.take(16_384).read_to_string(&mut said).await?;
    }
    let status = child.wait().await?;
    match status.success() {
        true => Ok(()),
        false => Err(io::Error::other(format!(
            "tar ended with {status}: {}",
            said.trim()
        ))),
    }
}
