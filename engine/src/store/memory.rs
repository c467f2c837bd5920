//! A store in memory: the oracle of the tests. It keeps what it was given for as long as its [`Memory`] or a clone of
//! it lives, so that a test can "restart" the engine on it; it survives no process.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Audit, Frame, Frames, Head, Opened, Purpose, Put, Read, Record, Scan, Store, StoreError, Usage};

/// A store in memory. Clones share their content.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    content: Arc<Mutex<Content>>,
}

#[derive(Debug, Default)]
struct Content {
    frames: Vec<Frame>,
    records: BTreeMap<Vec<u8>, Vec<u8>>,
    indexed: Head,
    refusing: Option<Refusing>,
}

/// What a full [`Memory`] still takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusing {
    NewWork,
    Everything,
}

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The store as it would be opened after a restart: the index is at the last head that it was given.
    #[must_use]
    pub fn open(&self) -> Opened<Self> {
        Opened {
            store: self.clone(),
            indexed: self.content().indexed,
            warnings: Vec::new(),
        }
    }

    /// The disk is full from now on, but for the reserve.
    pub fn fill(&self) {
        self.content().refusing = Some(Refusing::NewWork);
    }

    /// The disk is full from now on, and the reserve is used up.
    pub fn fill_to_the_brim(&self) {
        self.content().refusing = Some(Refusing::Everything);
    }

    /// There is room again.
    pub fn make_room(&self) {
        self.content().refusing = None;
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content {
    fn head(&self) -> Head {
        self.frames.last().map_or(Head::EMPTY, |frame| frame.head)
    }

    fn refuses(&self, purpose: Purpose) -> bool {
        match self.refusing {
            None => false,
            Some(Refusing::NewWork) => purpose == Purpose::NewWork,
            Some(Refusing::Everything) => true,
        }
    }
}

impl Store for Memory {
    fn append(&mut self, frames: &[Vec<u8>], purpose: Purpose) -> Result<Head, StoreError> {
        self.admits(purpose)?;
        let mut content = self.content();
        for payload in frames {
            let before = content.head();
            let mut hasher = blake3::Hasher::new();
            hasher.update(&before.hash).update(payload);
            let head = Head {
                sequence: before.sequence + 1,
                hash: hasher.finalize().into(),
            };
            let payload = payload.clone();
            content.frames.push(Frame { head, payload });
        }
        Ok(content.head())
    }

    fn admits(&mut self, purpose: Purpose) -> Result<(), StoreError> {
        if self.content().refuses(purpose) {
            return Err(StoreError::Full {
                path: PathBuf::from("memory"),
            });
        }
        Ok(())
    }

    fn index(&mut self, head: Head, puts: Vec<Put>) {
        let mut content = self.content();
        content.indexed = head;
        for Put { key, value } in puts {
            match value {
                Some(value) => content.records.insert(key, value),
                None => content.records.remove(&key),
            };
        }
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn head(&self) -> Head {
        self.content().head()
    }

    fn reader(&self) -> Arc<dyn Read> {
        Arc::new(self.clone())
    }
}

impl Read for Memory {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.content().records.get(key).cloned())
    }

    fn scan(&self, scan: Scan<'_>) -> Result<Vec<Record>, StoreError> {
        let content = self.content();
        let from = Bound::Included(scan.prefix.to_vec());
        let mut records: Vec<_> = content
            .records
            .range((from, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(scan.prefix))
            .collect();
        if scan.newest_first {
            records.reverse();
        }
        let beyond = |key: &[u8]| match scan.after {
            None => true,
            Some(after) if scan.newest_first => key < after,
            Some(after) => key > after,
        };
        Ok(records
            .into_iter()
            .filter(|(key, _)| beyond(key))
            .take(scan.limit)
            .map(|(key, value)| Record {
                key: key.clone(),
                value: value.clone(),
            })
            .collect())
    }

    fn frames_after(&self, sequence: u64) -> Frames {
        let content = self.content();
        let skipped = usize::try_from(sequence).unwrap_or(usize::MAX);
        let frames: Vec<_> = content.frames.iter().skip(skipped).cloned().collect();
        Box::new(frames.into_iter().map(Ok))
    }

    fn verify(&self) -> Result<Audit, StoreError> {
        let content = self.content();
        Ok(Audit {
            first: 1,
            frames: content.frames.len() as u64,
            head: content.head(),
            damage: None,
        })
    }

    fn usage(&self) -> Result<Usage, StoreError> {
        let content = self.content();
        let frames = content.frames.iter().map(|frame| frame.payload.len() as u64);
        let records = content.records.iter();
        Ok(Usage {
            journal: frames.sum(),
            journal_limit: u64::MAX,
            room: u64::MAX,
            index: records.map(|(key, value)| (key.len() + value.len()) as u64).sum(),
            index_backlog: 0,
        })
    }
}
