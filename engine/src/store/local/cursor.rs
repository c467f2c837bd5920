//! Reads the journal's frames in order while its owner writes: up to the last frame that was durable when it began.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::directory::Paths;
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

/// What readers know of the journal: moved on by the writer after each fdatasync, and by the keeper when it archives.
#[derive(Clone, Debug)]
pub(super) struct Map {
    /// The number of the first segment that is kept. Those before it are archived, or gone.
    pub(super) number: u64,
    /// The last frame before it.
    pub(super) before: Head,
    /// The kept segments, up to the tail's.
    pub(super) kept: VecDeque<Kept>,
    pub(super) tail: Tail,
    /// Of the prepared segments, in bytes.
    pub(super) spare: u64,
    /// What no frame has taken yet.
    pub(super) room: u64,
    /// How long the last snapshot is.
    pub(super) snapshot: u64,
}

/// A segment that is not archived.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    /// The sequence of its first frame.
    pub(super) first: u64,
    /// In bytes.
    pub(super) size: u64,
}

impl Map {
    /// Of the kept segments, without the prepared ones, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.kept.iter().map(|kept| kept.size).sum()
    }

    /// The kept segment that has frame `sequence`, or will have it.
    fn segment_of(&self, sequence: u64) -> Option<u64> {
        let beyond = self.kept.partition_point(|kept| kept.first <= sequence);
        Some(self.number + (beyond as u64).checked_sub(1)?)
    }

    /// How many bytes of frames there are beyond `offset` of segment `number`, or a little more.
    pub(super) fn bytes_after(&self, number: u64, offset: u64) -> u64 {
        let skipped = usize::try_from(number.saturating_sub(self.number)).unwrap_or(usize::MAX);
        let sizes = self.kept.iter().skip(skipped).map(|kept| kept.size);
        let last = self.kept.back().map_or(0, |kept| kept.size);
        (sizes.sum::<u64>() + self.tail.at as u64).saturating_sub(last + offset)
    }
}

/// The journal as readers see it.
#[derive(Clone)]
pub(super) struct Journal {
    pub(super) disk: Disk,
    pub(super) paths: Paths,
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

    pub(super) fn open_segment(&self, number: u64, expected: u64) -> Result<Segment, StoreError> {
        segment::open_to_read(&self.disk, &self.paths, self.id, number, expected)
    }

    /// The frames after `sequence`, archived ones too.
    pub(super) fn frames_after(&self, sequence: u64) -> Cursor {
        let map = self.map();
        Cursor {
            journal: self.clone(),
            after: sequence,
            number: map.segment_of(sequence.saturating_add(1)),
            before: None,
            loaded: None,
            ended: sequence >= map.tail.head.sequence,
            map,
        }
    }

    /// Where frame `head` ends, if the journal has that frame and no other in its place.
    pub(super) fn end_of(&self, head: Head) -> Result<Tail, StoreError> {
        let Map { number, before, .. } = self.map();
        if head == before {
            let at = HEADER;
            return Ok(Tail { number, at, head });
        }
        let mut cursor = self.frames_after(head.sequence.saturating_sub(1));
        match cursor.next().transpose()? {
            Some(frame) if frame.head == head => Ok(Tail {
                number: cursor.number.unwrap_or(number),
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

    /// The archived segment that has frame `sequence`: the last that does not begin after it.
    fn archived(&self, sequence: u64, before: u64) -> Result<u64, StoreError> {
        let mut numbers = segment::list(&self.disk, &self.paths.archive)?;
        numbers.retain(|&number| number < before);
        let (mut low, mut high) = (0, numbers.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            let segment = self.open_segment(numbers[middle], sequence)?;
            if segment.seal.is_some_and(|seal| seal.first <= sequence) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let found = low.checked_sub(1).map(|last| numbers[last]);
        found.ok_or_else(|| {
            let first = numbers.first().copied().unwrap_or(before);
            let name = segment::name(first.saturating_sub(1));
            StoreError::Absent {
                path: self.paths.archive.join(name),
            }
        })
    }
}

/// Yields frames; the first error ends it.
pub(super) struct Cursor {
    journal: Journal,
    map: Map,
    after: u64,
    /// The segment that is read; `None` while it has to be looked for in the archive.
    number: Option<u64>,
    /// The end of the segment before it, which has been read.
    before: Option<Head>,
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
    fn load(&self, number: u64) -> Result<Loaded, StoreError> {
        let expected = self.after.saturating_add(1);
        let segment = self.journal.open_segment(number, expected)?;
        let end = match number == self.map.tail.number {
            true => self.map.tail.at,
            false => segment.sealed(expected)?.end,
        };
        let bytes = segment.handle.read(0, end)?;
        let before = match self.before {
            Some(before) => before,
            None => self.before(&segment, expected)?,
        };
        Ok(Loaded {
            segment,
            bytes,
            walk: Walk::new(HEADER, before),
        })
    }

    /// The last frame before `segment`, with which reading begins.
    fn before(&self, segment: &Segment, expected: u64) -> Result<Head, StoreError> {
        match segment.number.cmp(&self.map.number) {
            Ordering::Equal => Ok(self.map.before),
            Ordering::Greater => {
                let last = self.journal.open_segment(segment.number - 1, expected)?;
                Ok(last.sealed(expected)?.last)
            }
            // The segment before it may be gone.
            Ordering::Less => segment.claim().ok_or_else(|| {
                let what = "the frame's header is damaged";
                StoreError::Damaged(segment.damage(HEADER, expected, what))
            }),
        }
    }

    fn step(&mut self) -> Result<Option<Frame>, StoreError> {
        loop {
            let number = match self.number {
                Some(number) => number,
                None => self.journal.archived(self.after + 1, self.map.number)?,
            };
            self.number = Some(number);
            let mut loaded = match self.loaded.take() {
                Some(loaded) => loaded,
                None => self.load(number)?,
            };
            if loaded.walk.at < loaded.bytes.len() {
                let frame = loaded.step()?;
                self.loaded = Some(loaded);
                if frame.head.sequence > self.after {
                    return Ok(Some(frame));
                }
            } else if number == self.map.tail.number {
                return Ok(None);
            } else {
                loaded.check_seal()?;
                self.before = Some(loaded.walk.head);
                self.number = Some(number + 1);
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
