//! The seam between the engine and whatever keeps its bytes: few calls, each saying what is durable when it returns.
//! [`Memory`](super::Memory) and the local store implement it; `conformance` checks any implementation.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Notify;

use super::StoreError;

/// The last frame of a journal. The first frame has sequence 1; [`Head::EMPTY`] stands before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Head {
    /// The frame's number, without gaps.
    pub sequence: u64,
    /// blake3 of the frame, which includes the hash of the frame before it.
    pub hash: [u8; 32],
}

impl Head {
    /// The head of a journal without frames.
    pub const EMPTY: Self = Self {
        sequence: 0,
        hash: [0; 32],
    };
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (", self.sequence)?;
        self.hash[..6]
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, "…)")
    }
}

/// One change of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// Whose record it is.
    pub key: Vec<u8>,
    /// The record; `None` deletes it.
    pub value: Option<Vec<u8>>,
}

/// What an append is for; it decides who may use the last of the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A new job, or anything else that may as well be refused. Refused when it would touch the reserve.
    NewWork,
    /// Lets a running job finish or unwind. May use the reserve.
    Finish,
}

/// One frame of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its number and hash.
    pub head: Head,
    /// What was appended.
    pub payload: Vec<u8>,
}

/// One record of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its key, as it was put.
    pub key: Vec<u8>,
    /// Its value, as it was put last.
    pub value: Vec<u8>,
}

/// Which records of the index, in which order, and how many at most.
#[derive(Clone, Copy, Debug)]
pub struct Scan<'a> {
    /// Only keys that start with this; empty for all.
    pub prefix: &'a [u8],
    /// The last key of the page before: only records beyond it, in the order asked for.
    pub after: Option<&'a [u8]>,
    /// At most this many.
    pub limit: usize,
    /// Greatest key first; keys are compared byte by byte.
    pub newest_first: bool,
}

impl<'a> Scan<'a> {
    /// Every record whose key starts with `prefix`, smallest key first.
    #[must_use]
    pub const fn all(prefix: &'a [u8]) -> Self {
        Self {
            prefix,
            after: None,
            limit: usize::MAX,
            newest_first: false,
        }
    }

    /// The `limit` records with the greatest keys that start with `prefix`, greatest first.
    #[must_use]
    pub const fn newest(prefix: &'a [u8], limit: usize) -> Self {
        Self {
            prefix,
            after: None,
            limit,
            newest_first: true,
        }
    }
}

/// What a walk over the whole journal found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// The first frame that is there. Those before it were archived, and are not, or no longer, in the archive.
    pub first: u64,
    /// How many frames are whole and linked, counted from it to the damage or the head.
    pub frames: u64,
    /// The last of them.
    pub head: Head,
    /// The first thing that is wrong; `None` if nothing is.
    pub damage: Option<Damage>,
}

/// A place where the journal is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// Where in it, in bytes.
    pub offset: u64,
    /// The frame that should be there; 0 in a file that has no frames.
    pub sequence: u64,
    /// What is wrong.
    pub what: &'static str,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            offset,
            sequence,
            what,
        } = self;
        write!(f, "{}, byte {offset}", file.display())?;
        if *sequence > 0 {
            write!(f, ", where frame {sequence} should be")?;
        }
        write!(f, ": {what}")
    }
}

/// How full a store is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// What the journal takes, its preallocated room included, and what is archived not.
    pub journal: u64,
    /// Where new work is refused.
    pub journal_limit: u64,
    /// What is preallocated and not yet written.
    pub room: u64,
    /// What the index takes.
    pub index: u64,
    /// How many records wait to be written into the index.
    pub index_backlog: u64,
}

/// Something that opening a store repaired. Nothing acknowledged was lost, unless it was `accept_loss` that asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Its stable code, explained in `docs/errors`.
    pub code: &'static str,
    /// What was found and what was done about it.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

/// A store that has just been opened.
#[derive(Debug)]
pub struct Opened<S> {
    /// The store.
    pub store: S,
    /// What the index knows. The frames after it must be replayed and their changes handed to [`Store::index`].
    pub indexed: Head,
    /// What had to be repaired.
    pub warnings: Vec<Warning>,
}

impl<S: Store + 'static> Opened<S> {
    /// The same, whatever the store is.
    #[must_use]
    pub fn boxed(self) -> Opened<Box<dyn Store>> {
        Opened {
            store: Box::new(self.store),
            indexed: self.indexed,
            warnings: self.warnings,
        }
    }
}

/// The frames of a journal, in order. Ends after the last one, or after its first error.
pub type Frames = Box<dyn Iterator<Item = Result<Frame, StoreError>> + Send>;

/// Keeps frames and records. There is one, with one owner; [`Store::reader`] is for everybody else.
pub trait Store: Send {
    /// Appends `frames` in this order, as one batch, and returns the last one's head.
    ///
    /// `Ok`: all of them are durable. An error that [`StoreError::is_refusal`]: none is kept and the store goes on.
    /// Any other error: what is durable is unknown, nothing can be appended any more, and the process must end.
    /// After a crash a batch that was not acknowledged is there as a whole or not at all (local store: up to
    /// one segment's size; a longer batch may be there in part, from its start).
    fn append(&mut self, frames: &[Vec<u8>], purpose: Purpose) -> Result<Head, StoreError>;

    /// Whether a small append for `purpose` would be taken now. May wait until room for it has been prepared.
    ///
    /// A master asks before it decides about new work, because a decision cannot be taken back when its append is
    /// refused; it may then append it to [`Finish`](Purpose::Finish) with what it decided otherwise.
    fn admits(&mut self, purpose: Purpose) -> Result<(), StoreError>;

    /// Brings the index from wherever it is to `head`, which must be a frame that is already appended.
    ///
    /// Readers see `puts` when it returns. Nothing is durable: after a crash the index is at this or at an earlier
    /// head, with exactly the puts up to it. Waits only if the index lags behind by more than its bounded backlog.
    fn index(&mut self, head: Head, puts: Vec<Put>);

    /// Waits until the index is durable up to the last head it was given: a graceful stop.
    fn flush(&mut self) -> Result<(), StoreError>;

    /// The last frame that is durable.
    fn head(&self) -> Head;

    /// Reads, from any thread, while the owner writes.
    fn reader(&self) -> Arc<dyn Read>;

    /// Is told once when the store has failed with nobody appending: [`admits`](Self::admits) says how.
    fn failing(&self) -> Arc<Notify> {
        Arc::default()
    }
}

/// Reads what a [`Store`] keeps.
pub trait Read: Send + Sync {
    /// The record under `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// A page of records. Each is what it was at some moment since the call began.
    fn scan(&self, scan: Scan<'_>) -> Result<Vec<Record>, StoreError>;

    /// The frames after `sequence` that are durable now; each is checked, with its link to the one before. An error, if
    /// the first of them was archived and has been removed.
    fn frames_after(&self, sequence: u64) -> Frames;

    /// Walks the whole journal and checks every byte of it. An error is a file that could not be read;
    /// damage is a result.
    fn verify(&self) -> Result<Audit, StoreError>;

    /// How full it is.
    fn usage(&self) -> Result<Usage, StoreError>;
}

impl<S: Store + ?Sized> Store for Box<S> {
    fn failing(&self) -> Arc<Notify> {
        (**self).failing()
    }

    fn admits(&mut self, purpose: Purpose) -> Result<(), StoreError> {
        (**self).admits(purpose)
    }

    fn append(&mut self, frames: &[Vec<u8>], purpose: Purpose) -> Result<Head, StoreError> {
        (**self).append(frames, purpose)
    }

    fn index(&mut self, head: Head, puts: Vec<Put>) {
        (**self).index(head, puts);
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        (**self).flush()
    }

    fn head(&self) -> Head {
        (**self).head()
    }

    fn reader(&self) -> Arc<dyn Read> {
        (**self).reader()
    }
}
