//! Makes the place for a new generation of a guest, on the disk of the master.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use vsjob_engine::{Class, Failure, HostName, Mode, Outcome, Outputs, Performing, Timestamp, Work};
use vsjob_workers::Context;

use super::argument;
use super::seal_generation::seal;
use crate::generation::{
    Facts, Generation, GenerationName, Generations, INCOMING, Removed, end_orphans, gone_is_fine, is_gone,
};
use crate::planner::master_action;
use crate::{CpuPercent, DeviceName, GuestName, Line, Megabytes, Ref, SnapshotMode, TreeKind, YesNo};

master_action! {
    /// Begins a generation: as the last one is, or empty, for so many bytes of files. Its undo removes it with all that was received.
    BeginGeneration { folder: Line, tree: TreeKind, guest: GuestName, host: HostName, mode: SnapshotMode, excludes: Line, running: Ref<YesNo>, enabled: Ref<YesNo>, address: Ref<Line>, device: Ref<DeviceName>, rss: Ref<Megabytes>, tmpfs: Ref<Megabytes>, proc: Ref<u32>, cpu: Ref<CpuPercent>, disk: Ref<Megabytes>, bytes: Ref<u64> } -> GenerationBegun {
        /// Its name, once it is sealed.
        name: GenerationName,
        /// The generation that it begins as; empty if there is none.
        base: Line,
        /// What has not changed since then is right in it; `none` if it is empty.
        since: Line,
    }
    "begin-generation" version 1, "make a place for a generation of {guest}", run
}

fn run(context: Context, work: Work) -> Performing {
    Box::pin(async move {
        let at = Incoming::of(&work);
        match (end_orphans(&at.lock(), &*context.clock).await, work.mode) {
            (Err(why), _) => at.trouble(&why),
            (Ok(()), Mode::Undo) => at.blocking(remove).await,
            (Ok(()), Mode::Do) => {
                let now = context.clock.now();
                at.blocking(move |at| begin(at, &work, now)).await
            }
        }
    })
}

/// The place of a generation that a job makes.
#[derive(Clone, Debug)]
pub(super) struct Incoming {
    pub generations: Generations,
    pub guest: PathBuf,
    pub folder: PathBuf,
}

impl Incoming {
    /// That of the job.
    pub(super) fn of(work: &Work) -> Self {
        let generations = Generations {
            folder: argument(work, "folder").into(),
            kind: argument(work, "tree").parse().unwrap_or_default(),
        };
        let guest = generations.folder.join(argument(work, "guest"));
        Self {
            folder: guest.join(format!("{INCOMING}{}", work.job.short())),
            guest,
            generations,
        }
    }

    /// The same of a job that has it no longer for a generation, but to pack it: in the folder `place`.
    pub(super) fn in_place(work: &Work) -> Self {
        let place = PathBuf::from(argument(work, "place"));
        Self {
            folder: place.join(format!("{INCOMING}{}", work.job.short())),
            generations: Generations {
                folder: place.clone(),
                kind: argument(work, "tree").parse().unwrap_or_default(),
            },
            guest: place,
        }
    }

    /// Held by what writes there.
    pub(super) fn lock(&self) -> PathBuf {
        self.folder.join("lock")
    }

    pub(super) fn tree(&self) -> PathBuf {
        self.folder.join("tree")
    }

    /// The same, where it can be written to.
    pub(super) fn open(&self) -> io::Result<PathBuf> {
        self.generations.kind.open(&self.tree())
    }

    /// The folder of the generation that this one was begun from.
    pub(super) fn base(&self) -> io::Result<Option<(PathBuf, Generation)>> {
        let Some(base) = Generation::read(&self.folder)?.base else {
            return Ok(None);
        };
        let folder = self.guest.join(base);
        let generation = Generation::read(&folder)?;
        Ok(Some((folder, generation)))
    }

    /// Its tree.
    pub(super) fn base_tree(&self) -> io::Result<Option<PathBuf>> {
        let base = Generation::read(&self.folder)?.base;
        Ok(base.map(|base| self.guest.join(base).join("tree")))
    }

    /// Does what waits for the disk, apart from what must not wait.
    pub(super) async fn blocking(
        self,
        act: impl FnOnce(&Self) -> io::Result<Outputs> + Send + 'static,
    ) -> Outcome {
        let there = self.clone();
        let done = tokio::task::spawn_blocking(move || act(&there)).await;
        match done.unwrap_or_else(|panic| Err(io::Error::other(panic))) {
            Ok(outputs) => Outcome::Done(outputs),
            Err(why) => self.trouble(&why),
        }
    }

    /// The disk does not do what it should.
    pub(super) fn trouble(&self, why: &io::Error) -> Outcome {
        if let Some(failure) = why.get_ref().and_then(|why| why.downcast_ref::<Failure>()) {
            return Outcome::Failed(failure.clone());
        }
        let what = format!("{}: {why}", self.folder.display());
        Outcome::Failed(Failure::new(class_of(why), "VSJ0496", what))
    }
}

/// What an earlier master began may end yet; a disk does not mend itself.
pub(super) fn class_of(why: &io::Error) -> Class {
    match why.kind() {
        io::ErrorKind::TimedOut => Class::Transient,
        _ => Class::Permanent,
    }
}

/// Before anything was written, in the form of transfer_since: all is compared.
const NEVER: &str = "0000000000 0 none";

/// Right from any half-way point of itself: what it has chosen is written down before it is used.
fn begin(at: &Incoming, work: &Work, now: Timestamp) -> io::Result<Outputs> {
    let said = |name| argument(work, name).to_owned();
    DirBuilder::new().recursive(true).mode(0o700).create(&at.folder)?;
    File::create(at.lock())?.sync_all()?;
    if !at.folder.join("generation.json").exists() {
        let guest = said("guest").parse::<GuestName>().map_err(io::Error::other)?;
        let base = at.generations.newest(&guest);
        if let Some((name, _)) = &base
            && at.generations.kind.replaces()
            && at.generations.is_pinned(&guest, name)
        {
            let what = format!("{name} of {guest} is pinned, and would be replaced");
            return Err(io::Error::other(Failure::new(Class::Permanent, "VSJ0570", what)));
        }
        let since = match &base {
            None => "none".to_owned(),
            // Another host has another clock, and copied files have another history. And who has another address may be
            // another guest, that was given this name.
            Some((_, base)) if base.host != said("host") || base.facts.address != said("address") => {
                NEVER.to_owned()
            }
            Some((_, base)) => base.since.clone(),
        };
        let draft = Generation {
            version: Generation::VERSION,
            guest: said("guest"),
            host: said("host"),
            mode: said("mode"),
            crash_consistent: true,
            taken: now.to_string(),
            since,
            files: 0,
            size: 0,
            received: 0,
            tree: at.generations.kind.to_string(),
            manifest: String::new(),
            base: base.map(|(name, _)| name.to_string()),
            excludes: serde_json::from_str(&said("excludes")).map_err(io::Error::other)?,
            facts: Facts {
                running: said("running"),
                enabled: said("enabled"),
                address: said("address"),
                device: said("device"),
                rss: said("rss"),
                tmpfs: said("tmpfs"),
                proc: said("proc"),
                cpu: said("cpu"),
                disk: said("disk"),
            },
        };
        let last = at.generations.names_of(&guest).pop_last();
        let name = GenerationName::new(now, last.as_ref(), &work.job.short());
        write(&at.folder.join("name"), name.as_str())?;
        // The last: once it is there, all that was chosen is.
        draft.write(&at.folder)?;
    }
    let draft = Generation::read(&at.folder)?;
    let base = at.base_tree()?;
    let bytes = argument(work, "bytes").parse().unwrap_or(0);
    at.generations.kind.begin(&at.tree(), base.as_deref(), bytes)?;
    File::open(&at.folder)?.sync_all()?;
    File::open(&at.guest)?.sync_all()?;
    Ok(Outputs::from([
        ("name".to_owned(), fs::read_to_string(at.folder.join("name"))?),
        ("base".to_owned(), draft.base.unwrap_or_default()),
        ("since".to_owned(), draft.since),
    ]))
}

/// It goes with all that is in it. If it has taken the place of the generation before there is no way back, and it becomes one.
pub(super) fn remove(at: &Incoming) -> io::Result<Outputs> {
    let base = match at.base_tree() {
        // Nothing was begun, since what was chosen is written down first; or it does not matter.
        Err(why) if is_gone(&why) || !at.generations.kind.replaces() => None,
        known => known?,
    };
    if at.generations.kind.remove(&at.tree(), base.as_deref())? == Removed::Settled {
        return seal(at, &fs::read_to_string(at.folder.join("name"))?);
    }
    gone_is_fine(fs::remove_dir_all(&at.folder))?;
    if at.guest.is_dir() {
        File::open(&at.guest)?.sync_all()?;
    }
    Ok(Outputs::new())
}

pub(super) fn write(path: &Path, text: &str) -> io::Result<()> {
    fs::write(path, text)?;
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incoming(folder: &Path, kind: TreeKind) -> Incoming {
        let guest = folder.join("ldap");
        Incoming {
            generations: Generations {
                folder: folder.to_owned(),
                kind,
            },
            folder: guest.join(format!("{INCOMING}1f2e3d4c")),
            guest,
        }
    }

    #[test]
    fn an_earlier_master_may_end_its_writing_yet_and_a_disk_does_not_mend_itself() {
        let at = incoming(Path::new("/kept"), TreeKind::Folder);
        let class = |kind: io::ErrorKind| match at.trouble(&kind.into()) {
            Outcome::Failed(failure) => (failure.class, failure.code),
            outcome => panic!("{outcome:?}"),
        };
        let code = "VSJ0496".to_owned();
        assert_eq!(class(io::ErrorKind::TimedOut), (Class::Transient, code.clone()));
        assert_eq!(class(io::ErrorKind::StorageFull), (Class::Permanent, code));
    }

    #[test]
    fn what_cannot_be_read_goes_unless_it_may_have_taken_the_place_of_the_last_one() {
        for kind in [TreeKind::Folder, TreeKind::Volume] {
            let kept = tempfile::tempdir().unwrap();
            let at = incoming(kept.path(), kind);
            fs::create_dir_all(&at.folder).unwrap();
            fs::write(at.folder.join("generation.json"), "{").unwrap();
            let removed = remove(&at);
            assert_eq!(removed.is_err(), kind.replaces(), "{removed:?}");
            assert_eq!(at.folder.exists(), kind.replaces());
            // Nothing was begun.
            fs::create_dir_all(&at.folder).unwrap();
            drop(fs::remove_file(at.folder.join("generation.json")));
            remove(&at).unwrap();
            assert!(!at.folder.exists());
            remove(&at).unwrap();
        }
    }
}
