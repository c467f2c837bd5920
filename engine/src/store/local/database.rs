//! sled itself: how it is opened, and made again; what stands in it.
//!
//! sled 0.34.7 does not fsync, fails to open for ever after a kill while it was being opened, and may panic on damaged
//! files. So: what it leaves half-made is removed first, a panic is an error like any other, an index that failed is
//! rebuilt at the next opening, and so is one that a power cut or a kernel's crash found open.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::Duration;

use super::directory::Paths;
use super::disk::Disk;
use super::mark::{Mark, this_boot};
use super::options::LocalOptions;
use super::overlay::Layer;
use super::snapshot::{self, Entry, Snapshot};
use crate::store::{Head, StoreError};

const HEAD_KEY: &[u8] = b"h";
pub(super) const RECORD: u8 = b'r';
/// How much of a snapshot is handed to sled at once. The less, the less memory it takes for that: see `docs/store.md`.
const LOADED_AT_ONCE: usize = 32 << 10;

/// We hold the directory's lock, so whoever has sled's is about to let go: a process that was just killed, or threads of
/// sled that outlive what was dropped here.
const LOCK_TRIES: u32 = 1000;
const LOCK_PAUSE: Duration = Duration::from_millis(2);

/// An index that has just been opened.
pub(super) struct OpenedIndex {
    pub(super) database: sled::Db,
    pub(super) head: Head,
    /// Why it must be rebuilt although it could be opened.
    pub(super) distrust: Option<&'static str>,
}

impl OpenedIndex {
    /// It has nothing, or nothing that counts.
    pub(super) fn must_be_made(&self) -> bool {
        self.head == Head::EMPTY || self.distrust.is_some()
    }

    /// All that is in it, by key.
    pub(super) fn records(&self, paths: &Paths) -> impl Iterator<Item = Result<Entry, StoreError>> + use<> {
        records(&self.database, paths)
    }
}

/// Opens the index, or an empty one in place of one that cannot be opened; the latter is set aside and `Err` inside
/// says why.
pub(super) fn open(
    disk: &Disk,
    paths: &Paths,
    options: &LocalOptions,
) -> Result<(OpenedIndex, Option<String>), StoreError> {
    let is_new = !paths.index.exists();
    let mark = Mark::read(disk, paths)?;
    let distrust = mark.distrust().filter(|_| !is_new);
    if distrust.is_none() {
        // Before sled writes anything, so that what a kill leaves is still trusted.
        Mark::Open(this_boot()).write(disk, paths)?;
    }
    remove_half_made(disk, paths)?;
    let opened = sled_open(paths, options).and_then(|database| {
        let head = read_head(&database, paths)?;
        Ok((database, head))
    });
    let why = match opened {
        Ok((database, head)) => {
            let opened = OpenedIndex {
                database,
                head,
                distrust,
            };
            return Ok((opened, None));
        }
        Err(Unusable::Refused(error)) => return Err(error),
        Err(Unusable::Damaged(why)) => why,
    };
    Ok((rebuild(disk, paths, options)?, Some(why)))
}

/// Sets the index aside, in place of the one set aside before, and opens an empty one.
pub(super) fn rebuild(disk: &Disk, paths: &Paths, options: &LocalOptions) -> Result<OpenedIndex, StoreError> {
    if paths.index.exists() {
        disk.remove(&paths.index_aside)?;
        disk.rename(&paths.index, &paths.index_aside)?;
    }
    match sled_open(paths, options) {
        Ok(database) => Ok(OpenedIndex {
            database,
            head: Head::EMPTY,
            distrust: None,
        }),
        Err(Unusable::Refused(error)) => Err(error),
        Err(Unusable::Damaged(why)) => Err(failed(paths.index.clone(), io::Error::other(why))),
    }
}

/// Fills an empty index with the state of a snapshot.
pub(super) fn load(opened: &mut OpenedIndex, paths: &Paths, snapshot: &Snapshot) -> Result<(), StoreError> {
    let begin = &snapshot.begin;
    // Flushed each time: what is not is kept in memory.
    let apply = |batch: sled::Batch| {
        guarded(|| {
            opened.database.apply_batch(batch)?;
            opened.database.flush().map(drop)
        })
        .map_err(|source| failed(paths.index.clone(), source))
    };
    let (mut batch, mut size) = (sled::Batch::default(), 0);
    snapshot::read(&snapshot.path, begin.store, |(key, value)| {
        size += key.len() + value.len();
        batch.insert(stored_key(&key), value);
        if size < LOADED_AT_ONCE {
            return Ok(());
        }
        size = 0;
        apply(std::mem::take(&mut batch))
    })?;
    // Last of all: an index that does not say how far it goes is none.
    batch.insert(HEAD_KEY, head_value(begin.head()));
    apply(batch)?;
    opened.head = begin.head();
    Ok(())
}

enum Unusable {
    /// It cannot be opened now; nothing says that it is damaged.
    Refused(StoreError),
    Damaged(String),
}

fn sled_open(paths: &Paths, options: &LocalOptions) -> Result<sled::Db, Unusable> {
    let config = sled::Config::new()
        .path(&paths.index)
        .cache_capacity(options.cache)
        .flush_every_ms(None);
    for _ in 0..LOCK_TRIES {
        match guarded(|| config.open()).map_err(|source| unusable(paths, source)) {
            Err(Unusable::Refused(StoreError::Locked { .. })) => std::thread::park_timeout(LOCK_PAUSE),
            result => return result,
        }
    }
    guarded(|| config.open()).map_err(|source| unusable(paths, source))
}

fn unusable(paths: &Paths, source: io::Error) -> Unusable {
    use io::ErrorKind::{
        InvalidData, InvalidInput, IsADirectory, NotADirectory, NotFound, Other, UnexpectedEof,
    };
    let text = source.to_string();
    if text.contains("could not acquire lock") {
        let directory = paths.root.clone();
        return Unusable::Refused(StoreError::Locked { directory, pid: None });
    }
    match source.kind() {
        InvalidData | InvalidInput | IsADirectory | NotADirectory | NotFound | Other | UnexpectedEof => {
            Unusable::Damaged(text)
        }
        _ => Unusable::Refused(failed(paths.index.clone(), source)),
    }
}

/// sled writes its snapshot under this name first; one that was left makes every opening fail.
fn remove_half_made(disk: &Disk, paths: &Paths) -> Result<(), StoreError> {
    if !paths.index.is_dir() {
        return Ok(());
    }
    for name in disk.names(&paths.index)? {
        if name.starts_with("snap.") && name.ends_with(".generating") {
            disk.remove(&paths.index.join(name))?;
        }
    }
    Ok(())
}

fn read_head(database: &sled::Db, paths: &Paths) -> Result<Head, Unusable> {
    let value = guarded(|| database.get(HEAD_KEY)).map_err(|source| unusable(paths, source))?;
    let Some(value) = value else {
        return if database.is_empty() {
            Ok(Head::EMPTY)
        } else {
            Err(Unusable::Damaged("it does not say how far it goes".to_owned()))
        };
    };
    let malformed = || Unusable::Damaged("what it says of its head cannot be read".to_owned());
    let (sequence, hash) = value.split_first_chunk::<8>().ok_or_else(malformed)?;
    Ok(Head {
        sequence: u64::from_le_bytes(*sequence),
        hash: hash.try_into().map_err(|_| malformed())?,
    })
}

pub(super) fn records(
    database: &sled::Db,
    paths: &Paths,
) -> impl Iterator<Item = Result<Entry, StoreError>> + use<> {
    let index = paths.index.clone();
    database.scan_prefix([RECORD]).map(move |entry| {
        let (key, value) = entry.map_err(|e| failed(index.clone(), e.into()))?;
        Ok((key[1..].to_vec(), value.to_vec()))
    })
}

pub(super) fn stored_key(key: &[u8]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(key.len() + 1);
    stored.push(RECORD);
    stored.extend_from_slice(key);
    stored
}

pub(super) fn batch(head: Head, layer: &Layer) -> sled::Batch {
    let mut batch = sled::Batch::default();
    for (key, change) in layer {
        match change {
            Some(value) => batch.insert(stored_key(key), value.as_slice()),
            None => batch.remove(stored_key(key)),
        }
    }
    batch.insert(HEAD_KEY, head_value(head));
    batch
}

fn head_value(head: Head) -> Vec<u8> {
    [&head.sequence.to_le_bytes()[..], &head.hash].concat()
}

/// Runs a call of sled; its errors and its panics are I/O errors afterwards.
pub(super) fn guarded<T>(call: impl FnOnce() -> sled::Result<T>) -> io::Result<T> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(io::Error::from),
        Err(panic) => Err(io::Error::other(panic_text(&*panic))),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "it panicked".to_owned())
}

pub(super) fn failed(path: PathBuf, source: io::Error) -> StoreError {
    StoreError::Index { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_sled_has_left_half_made_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::of(folder.path());
        std::fs::create_dir(&paths.index).unwrap();
        let names = [
            "snap.0000000000000001",
            "snap.0000000000000002.generating",
            "db.generating",
        ];
        for name in names {
            std::fs::write(paths.index.join(name), "").unwrap();
        }
        remove_half_made(&Disk::faultless(), &paths).unwrap();
        assert_eq!(
            names.map(|name| paths.index.join(name).exists()),
            [true, false, true]
        );
    }

    #[test]
    fn a_panic_of_sled_is_an_error_that_says_why() {
        let says = |call: fn() -> sled::Result<()>| guarded(call).unwrap_err().to_string();
        assert_eq!(says(|| panic!("no page")), "no page");
        assert_eq!(says(|| panic!("no page {}", 7)), "no page 7");
        assert_eq!(says(|| std::panic::panic_any(7)), "it panicked");
    }
}
