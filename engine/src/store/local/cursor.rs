//! Reads the journal's frames in order while its owner writes: up to the last frame that was durable when it began.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::disk::Disk;
use super::frame::{Look, Walk};
use super::segment::{self, HEADER, Segment};
use crate::store::{Frame, Head, StoreError};

/// Where the durable frames end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tail {
    /// The segment.
    pub(super) number: u64,
    /// The offset in it.
    pub(super) at: usize,
    /// The last frame.
    pub(super) head: Head,
}

/// What readers know of the journal: moved on by the writer after each fdatasync.
#[derive(Clone, Debug)]
pub(super) struct Map {
    /// The first frame of each segment up to the tail's; the first entry is segment 1's.
    pub(super) firsts: Vec<u64>,
    pub(super) tail: Tail,
    /// Of all segments, in bytes, the prepared ones included.
    pub(super) size: u64,
    /// Of these, what no frame has taken yet.
    pub(super) room: u64,
    /// How long the last snapshot is.
    pub(super) snapshot: u64,
}

/// The journal as readers see it.
#[derive(Clone)]
pub(super) struct Journal {
    pub(super) disk: Disk,
    pub(super) directory: PathBuf,
    pub(super) id: Uuid,
    pub(super) map: Arc<Mutex<Map>>,
}

impl Journal {
    pub(super) fn map(&self) -> Map {
        self.map_mut().clone()
    }

    pub(super) fn map_mut(&self) -> MutexGuard<'_, Map> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many bytes of frames there are beyond `offset` of segment `number`, or a little more.
    pub(super) fn bytes_after(&self, number: u64, offset: u64) -> u64 {
        let Tail { number: last, at, .. } = self.map().tail;
        let sizes = self.map().size / self.map().firsts.len().max(1) as u64;
        (last.saturating_sub(number) * sizes + at as u64).saturating_sub(offset)
    }

    pub(super) fn open_segment(&self, number: u64, expected: u64) -> Result<Segment, StoreError> {
        segment::open_to_read(&self.disk, &self.directory, self.id, number, expected)
    }

    /// The frames after `sequence`.
    pub(super) fn frames_after(&self, sequence: u64) -> Cursor {
        let map = self.map();
        let before = map
            .firsts
            .partition_point(|&first| first <= sequence.saturating_add(1));
        Cursor {
            journal: self.clone(),
            after: sequence,
            number: before.max(1) as u64,
            loaded: None,
            ended: sequence >= map.tail.head.sequence,
            map,
        }
    }

    /// Where frame `head` ends, if the journal has that frame and no other in its place.
    pub(super) fn end_of(&self, head: Head) -> Result<Tail, StoreError> {
        let before = head.sequence.saturating_sub(1);
        let mut cursor = self.frames_after(before);
        match cursor.next().transpose()? {
            Some(frame) if frame.head == head => Ok(Tail {
                number: cursor.number,
                at: cursor.loaded.map_or(HEADER, |loaded| loaded.walk.at),
                head,
            }),
            Some(frame) => Err(StoreError::Diverged {
                indexed: head,
                journal: frame.head,
            }),
            None => Err(StoreError::Missing {
                indexed: head.sequence,
                journal: cursor.map.tail.head.sequence,
            }),
        }
    }
}

/// Yields frames; the first error ends it.
pub(super) struct Cursor {
    journal: Journal,
    map: Map,
    after: u64,
    number: u64,
    loaded: Option<Loaded>,
    ended: bool,
}

/// A segment in memory, and how far it was read.
struct Loaded {
    segment: Segment,
    bytes: Vec<u8>,
    walk: Walk,
}

impl Cursor {
    fn load(&self) -> Result<Loaded, StoreError> {
        let index = usize::try_from(self.number - 1).unwrap_or(usize::MAX);
        let first = self.map.firsts.get(index).copied().unwrap_or(1);
        let segment = self.journal.open_segment(self.number, first)?;
        let last_of_all = self.number == self.map.tail.number;
        let end = match segment.seal {
            _ if last_of_all => self.map.tail.at,
            Some(seal) => seal.end,
            None => {
                let what = "the segment's seal is gone";
                let offset = segment.size - segment::SEAL;
                return Err(StoreError::Damaged(segment.damage(offset, first, what)));
            }
        };
        let bytes = segment.handle.read(0, end)?;
        let head = match self.number {
            1 => Head::EMPTY,
            number => self.last_of(number - 1, first)?,
        };
        Ok(Loaded {
            segment,
            bytes,
            walk: Walk::new(HEADER, head),
        })
    }

    /// The last frame of a sealed segment, which is followed by frame `next`.
    fn last_of(&self, number: u64, next: u64) -> Result<Head, StoreError> {
        let segment = self.journal.open_segment(number, next.saturating_sub(1))?;
        segment.seal.map(|seal| seal.last).ok_or_else(|| {
            let offset = segment.size - segment::SEAL;
            StoreError::Damaged(segment.damage(offset, next, "the segment's seal is gone"))
        })
    }

    fn step(&mut self) -> Result<Option<Frame>, StoreError> {
        loop {
            let mut loaded = match self.loaded.take() {
                Some(loaded) => loaded,
                None => self.load()?,
            };
            if loaded.walk.at < loaded.bytes.len() {
                let frame = loaded.step()?;
                self.loaded = Some(loaded);
                if frame.head.sequence > self.after {
                    return Ok(Some(frame));
                }
            } else if self.number == self.map.tail.number {
                return Ok(None);
            } else {
                loaded.check_seal()?;
                self.number += 1;
            }
        }
    }
}

impl Loaded {
    fn step(&mut self) -> Result<Frame, StoreError> {
        let Walk { at, head, .. } = self.walk;
        let what = match self.walk.step(&self.bytes) {
            Look::Frame { head, payload, .. } => {
                let payload = payload.to_vec();
                return Ok(Frame { head, payload });
            }
            Look::End | Look::Torn => "a frame is missing",
            Look::Damaged(what) => what,
        };
        let damage = self.segment.damage(at, head.sequence + 1, what);
        Err(StoreError::Damaged(damage))
    }

    fn check_seal(&self) -> Result<(), StoreError> {
        let segment = &self.segment;
        match segment.seal {
            Some(seal) if seal.last == self.walk.head => Ok(()),
            _ => Err(StoreError::Damaged(segment.damage(
                segment.size - segment::SEAL,
                self.walk.head.sequence,
                "the segment's seal names another frame",
            ))),
        }
    }
}

impl Iterator for Cursor {
    type Item = Result<Frame, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.step().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}
