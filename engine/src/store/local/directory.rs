//! The store's directory: who may open it, and which store it is.
//!
//! ```text
//! lock       the pid of the process that has it open
//! store      format and id, written once
//! journal/   segments
//! archive/   segments that lie before both snapshots
//! snapshots/ the state at two frames of the journal
//! index/     sled
//! index.mark whether the index can be trusted
//! ```

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, test_kill_process};
use uuid::Uuid;

use super::disk::Disk;
use crate::store::StoreError;

/// A master that was killed while it was starting a process leaves the lock with that process until it becomes another
/// program: how often, and how long after each try, that is waited for.
const TRIES: u32 = 1000;
const PAUSE: Duration = Duration::from_millis(5);

const FORMAT: &str = "vsjob store 1";

/// Where the parts of a store are.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    pub(super) root: PathBuf,
    pub(super) journal: PathBuf,
    pub(super) archive: PathBuf,
    pub(super) snapshots: PathBuf,
    pub(super) index: PathBuf,
    pub(super) index_aside: PathBuf,
    pub(super) index_mark: PathBuf,
    store: PathBuf,
    lock: PathBuf,
}

impl Paths {
    pub(super) fn of(root: &Path) -> Self {
        Self {
            root: root.to_path_buf(),
            journal: root.join("journal"),
            archive: root.join("archive"),
            snapshots: root.join("snapshots"),
            index: root.join("index"),
            index_aside: root.join("index.aside"),
            index_mark: root.join("index.mark"),
            store: root.join("store"),
            lock: root.join("lock"),
        }
    }
}

/// Keeps other processes out for as long as it lives. The lock is on the directory itself, which nobody can remove and
/// make anew while it is held; the file `lock` only says who holds it.
#[derive(Debug)]
pub(super) struct Lock {
    _directory: File,
}

impl Lock {
    pub(super) fn take(disk: &Disk, paths: &Paths) -> Result<Self, StoreError> {
        let failed = |source| StoreError::Io {
            doing: "lock",
            path: paths.root.clone(),
            source,
        };
        let directory = File::open(&paths.root).map_err(failed)?;
        let mut tries = TRIES;
        loop {
            match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    let holder = holder(disk, paths)?;
                    tries -= 1;
                    if tries == 0 || !holder.is_some_and(is_dead) {
                        let directory = paths.root.clone();
                        return Err(StoreError::Locked {
                            directory,
                            pid: holder,
                        });
                    }
                    std::thread::park_timeout(PAUSE);
                }
                Err(errno) => return Err(failed(io::Error::from(errno))),
            }
        }
        let holder = disk.create(&paths.lock)?;
        disk.write(&holder, format!("{}\n", std::process::id()).as_bytes(), 0)?;
        Ok(Self {
            _directory: directory,
        })
    }
}

/// The process that has the store open, or had it open last.
fn holder(disk: &Disk, paths: &Paths) -> Result<Option<u32>, StoreError> {
    let holder = disk.read_text(&paths.lock)?;
    Ok(holder.and_then(|text| text.trim().parse().ok()))
}

fn is_dead(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
}

/// The id of the store, or `None` if it has none yet.
pub(super) fn read_id(disk: &Disk, paths: &Paths) -> Result<Option<Uuid>, StoreError> {
    let Some(text) = disk.read_text(&paths.store)? else {
        return Ok(None);
    };
    let foreign = |what: &str| StoreError::Foreign {
        path: paths.store.clone(),
        what: what.to_owned(),
    };
    let (format, id) = text
        .trim_end()
        .split_once('\n')
        .ok_or_else(|| foreign("it is not two lines"))?;
    if format != FORMAT {
        return Err(foreign("its format is of another version"));
    }
    let id = id.parse().map_err(|_| foreign("its id cannot be read"))?;
    Ok(Some(id))
}

/// Gives the store its id, durably.
pub(super) fn write_id(disk: &Disk, paths: &Paths, id: Uuid) -> Result<(), StoreError> {
    disk.replace(&paths.store, &format!("{FORMAT}\n{id}\n"))
}

/// Removes segments and snapshots that were still being made when the last process ended.
pub(super) fn remove_unfinished(disk: &Disk, paths: &Paths) -> Result<(), StoreError> {
    for directory in [&paths.journal, &paths.snapshots] {
        if !directory.is_dir() {
            continue;
        }
        for name in disk.names(directory)? {
            if name.ends_with(".partial") {
                disk.remove(&directory.join(name))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_is_open_is_refused_at_once_and_one_whose_holder_is_dead_when_it_does_not_go() {
        let folder = tempfile::tempdir().unwrap();
        let (disk, paths) = (Disk::faultless(), Paths::of(folder.path()));
        let lock = Lock::take(&disk, &paths).unwrap();
        let refused = || match Lock::take(&disk, &paths).unwrap_err() {
            StoreError::Locked { pid, .. } => pid,
            other => panic!("{other}"),
        };
        assert_eq!(refused(), Some(std::process::id()));
        let mut dead = std::process::Command::new("true").spawn().unwrap();
        dead.wait().unwrap();
        std::fs::write(&paths.lock, dead.id().to_string()).unwrap();
        assert_eq!(refused(), Some(dead.id()));
        assert!(is_dead(dead.id()) && !is_dead(std::process::id()));
        drop(lock);
        Lock::take(&disk, &paths).unwrap();
    }
}
