//! The journal and the index together, once they are open: who sees what, and when a snapshot is due.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::Notify;

use super::audit;
use super::cursor::Journal;
use super::directory::Lock;
use super::index::{Index, IndexThread};
use super::journal::Writer;
use super::opening::Opening;
use super::options::LocalOptions;
use crate::store::{Audit, Frames, Head, Opened, Purpose, Put, Read, Record, Scan, Store, StoreError, Usage};

/// The store on a local disk. Dropping it is like a crash, but for the lock; [`flush`](Store::flush) first to stop
/// gracefully.
pub struct Local {
    // In the order of dropping: the lock goes last.
    pub(super) writer: Writer,
    pub(super) _index_thread: IndexThread,
    pub(super) index: Arc<Index>,
    pub(super) journal: Journal,
    pub(super) journal_limit: u64,
    pub(super) _lock: Lock,
}

impl Local {
    /// Opens the store in `directory`, or makes one there. One process at a time.
    ///
    /// Repairs what a crash may leave and says so in the warnings. Anything that would mean that acknowledged frames
    /// are lost is refused, and changed nothing, unless [`LocalOptions::accept_loss`]. So is a disk without any room.
    pub fn open(directory: &Path, options: LocalOptions) -> Result<Opened<Self>, StoreError> {
        let opened = Opening::begin(directory, options).and_then(Opening::finish);
        opened.map_err(|error| match error.is_full() {
            true => StoreError::Full {
                path: directory.to_owned(),
            },
            false => error,
        })
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local")
            .field("directory", &self.journal.paths.root)
            .field("head", &self.writer.head())
            .finish_non_exhaustive()
    }
}

impl Local {
    /// An index that failed ends the process, to be rebuilt by the next one. But for want of room it fails only when
    /// there is room to rebuild it; until then running jobs finish: the journal has its own room, and their changes
    /// stay in memory.
    fn check_index(&self, purpose: Purpose) -> Result<(), StoreError> {
        let Some(error) = self.index.failure() else {
            return Ok(());
        };
        match purpose {
            _ if !self.index.waits_for_room(&error) => Err(error),
            Purpose::Finish => Ok(()),
            Purpose::NewWork => Err(StoreError::Full {
                path: self.journal.paths.journal.clone(),
            }),
        }
    }
}

impl Store for Local {
    fn append(&mut self, frames: &[Vec<u8>], purpose: Purpose) -> Result<Head, StoreError> {
        self.check_index(purpose)?;
        self.writer.append(frames, purpose)
    }

    fn admits(&mut self, purpose: Purpose) -> Result<(), StoreError> {
        self.check_index(purpose)?;
        self.writer.admits(purpose)
    }

    fn index(&mut self, head: Head, puts: Vec<Put>) {
        self.index.push(head, puts);
        if self.writer.snapshot_is_due() {
            self.index.want_snapshot();
        }
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.index.flush()
    }

    fn head(&self) -> Head {
        self.writer.head()
    }

    fn failing(&self) -> Arc<Notify> {
        self.index.failing()
    }

    fn reader(&self) -> Arc<dyn Read> {
        Arc::new(Reader {
            index: self.index.clone(),
            journal: self.journal.clone(),
            journal_limit: self.journal_limit,
        })
    }
}

struct Reader {
    index: Arc<Index>,
    journal: Journal,
    journal_limit: u64,
}

impl Read for Reader {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.index.get(key)
    }

    fn scan(&self, scan: Scan<'_>) -> Result<Vec<Record>, StoreError> {
        self.index.scan(scan)
    }

    fn frames_after(&self, sequence: u64) -> Frames {
        Box::new(self.journal.frames_after(sequence))
    }

    fn verify(&self) -> Result<Audit, StoreError> {
        audit::verify(&self.journal)
    }

    fn usage(&self) -> Result<Usage, StoreError> {
        let map = self.journal.map();
        let (index, index_backlog) = self.index.usage()?;
        Ok(Usage {
            journal: map.size() + map.spare,
            journal_limit: self.journal_limit,
            room: map.room,
            index,
            index_backlog,
        })
    }
}
