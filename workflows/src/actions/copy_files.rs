//! Copies files of a generation into a folder of the master.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with, syncfs};
use vsjob_engine::{Class, Failure, Mode, Outcome, Outputs, Performing, Work};
use vsjob_workers::Context;

use super::argument;
use super::begin_generation::Incoming;
use crate::generation::{Generation, Manifest, Rsync, end_orphans, gone_is_fine};
use crate::planner::master_action;
use crate::{GenerationName, GuestName, Line, TreeKind};

master_action! {
    /// Copies what is at `path` into the folder that will be `to`, and compares it with the manifest there. Its undo removes it.
    CopyFiles { folder: Line, tree: TreeKind, guest: GuestName, name: GenerationName, path: Line, to: Line } -> FilesCopied {
        /// The files, folders among them.
        files: u64,
    }
    "copy-files" version 1, "copy {path} of generation {name} of {guest}", copy
}

master_action! {
    /// Gives a folder, or an archive, its name, if nothing has that.
    NameFiles { to: Line } -> FilesNamed {}
    "name-files" version 1, "give the copy the name {to}", |_, work| name(work)
}

/// What it is called while it is not whole. Root's alone, as a generation is: there may be programs in it that run as their owner.
pub(super) fn partial(work: &Work) -> PathBuf {
    format!("{}.partial-{}", argument(work, "to"), work.job.short()).into()
}

fn copy(context: Context, work: Work) -> Performing {
    Box::pin(async move {
        let at = Incoming::of(&work);
        let lock = at.guest.join(format!("copying-{}", work.job.short()));
        let ended = end_orphans(&lock, &*context.clock).await;
        let done = match (ended, work.mode) {
            (Err(why), _) => Err(why),
            (Ok(()), Mode::Undo) => remove(&work).await.map(|()| Ok(Outputs::new())),
            (Ok(()), Mode::Do) => bring(&at, &lock, &work).await,
        };
        match (done, gone_is_fine(fs::remove_file(&lock))) {
            (Ok(Ok(outputs)), Ok(())) => Outcome::Done(outputs),
            (Ok(Err(failure)), _) => Outcome::Failed(failure),
            (Err(why), _) | (_, Err(why)) => at.trouble(&why),
        }
    })
}

async fn remove(work: &Work) -> io::Result<()> {
    gone_is_fine(tokio::fs::remove_dir_all(partial(work)).await)
}

async fn bring(at: &Incoming, lock: &Path, work: &Work) -> io::Result<Result<Outputs, Failure>> {
    let path = Path::new(argument(work, "path"));
    let folder = at.guest.join(argument(work, "name"));
    let generation = Generation::read(&folder)?;
    let manifest = Manifest::read(&folder.join("manifest"), &generation.manifest)?;
    let (Some(wanted), Some(last)) = (manifest.below(path), path.file_name()) else {
        return Err(io::ErrorKind::NotFound.into());
    };
    remove(work).await?;
    let partial = partial(work);
    DirBuilder::new().mode(0o700).create(&partial)?;
    File::create(lock)?.sync_all()?;
    let rsync = Rsync {
        host: "",
        shell: "",
        remote: "",
        lock,
        total: 0,
        note: "copying",
        lives: false,
    };
    let to = format!("{}/", partial.display());
    if let Err(failure) = rsync
        .push(&generation.open(&folder)?.join(path), &to, &[], &work.progress)
        .await
    {
        return Ok(Err(failure));
    }
    let copied = partial.join(last);
    let compared = tokio::task::spawn_blocking(move || {
        let differs = wanted.verify(&copied, 1, &mut |_| {})?;
        syncfs(File::open(partial)?)?;
        Ok((differs, wanted.len()))
    });
    let (differs, files) = compared
        .await
        .unwrap_or_else(|panic| Err(io::Error::other(panic)))?;
    Ok(match differs.first() {
        None => Ok(Outputs::from([("files".to_owned(), files.to_string())])),
        Some(one) => Err(Failure::new(
            Class::Permanent,
            "VSJ0498",
            format!(
                "in the generation, beneath {}, {} {}",
                path.display(),
                one.name,
                one.what
            ),
        )),
    })
}

fn name(work: Work) -> Performing {
    Box::pin(async move {
        let (from, to) = (partial(&work), Path::new(argument(&work, "to")));
        let named = match renameat_with(CWD, &from, CWD, to, RenameFlags::NOREPLACE) {
            Err(rustix::io::Errno::NOENT) if to.symlink_metadata().is_ok() => Ok(()),
            renamed => renamed.map_err(io::Error::from),
        };
        let synced = named.and_then(|()| File::open(to.parent().unwrap_or(to))?.sync_all());
        match synced {
            Ok(()) => Outcome::Done(Outputs::new()),
            Err(why) => {
                let what = format!("{} cannot become {}: {why}", from.display(), to.display());
                Outcome::Failed(Failure::new(Class::Permanent, "VSJ0479", what))
            }
        }
    })
}
