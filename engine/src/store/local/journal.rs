//! Writes the journal: one write and one fdatasync a batch. Called by the store's single owner with whole batches, so
//! it needs neither a task nor a lock of its own; readers are told of the new end after each fdatasync.

use std::collections::VecDeque;

use super::cursor::{Journal, Kept, Tail};
use super::disk::Disk;
use super::frame::{self, Place};
use super::options::LocalOptions;
use super::prepare::{Maker, Preparer};
use super::recover::Survey;
use super::segment::{self, HEADER, SEAL, Seal, Segment};
use crate::store::{Head, Purpose, StoreError};

/// The journal's end, and the room beyond it.
pub(super) struct Writer {
    disk: Disk,
    options: LocalOptions,
    journal: Journal,
    current: Segment,
    /// Its first frame.
    first: u64,
    /// Segments begun since readers were last told.
    begun: Vec<Kept>,
    at: usize,
    head: Head,
    /// How many bytes of frames were written since the last snapshot was asked for.
    unsaved: u64,
    ready: VecDeque<Segment>,
    preparer: Preparer,
    buffer: Vec<u8>,
    /// After a failure that leaves unknown what is durable.
    stopped: bool,
}

/// How a batch is spread over the current segment and the next ones.
struct Spread {
    /// How many frames go into each; the first entry is the current segment's.
    counts: Vec<usize>,
    /// What the last of them has left.
    left: usize,
}

impl Writer {
    /// Goes on at `tail`, in the current segment of `survey`.
    pub(super) fn start(
        options: LocalOptions,
        journal: Journal,
        survey: Survey,
        tail: Tail,
        unsaved: u64,
    ) -> Result<Self, StoreError> {
        let disk = Disk::new(options.faults.clone());
        let preparer = Preparer::start(Maker {
            disk: disk.clone(),
            paths: journal.paths.clone(),
            id: journal.id,
            size: options.segment_size,
        })?;
        let mut writer = Self {
            disk,
            options,
            journal,
            current: survey.current,
            first: survey.kept.back().map_or(1, |kept| kept.first),
            begun: Vec::new(),
            at: tail.at,
            head: tail.head,
            unsaved,
            ready: VecDeque::new(),
            preparer,
            buffer: Vec::new(),
            stopped: false,
        };
        writer.use_spare(survey.spare)?;
        writer.prepare_ahead();
        writer.publish();
        Ok(writer)
    }

    /// Takes over what was prepared before; segments of another size than is wanted now are removed.
    fn use_spare(&mut self, spare: Vec<Segment>) -> Result<(), StoreError> {
        let mut spare = VecDeque::from(spare);
        while spare
            .front()
            .is_some_and(|next| next.size as u64 == self.options.segment_size)
        {
            self.ready.extend(spare.pop_front());
        }
        // The last one first: a crash in between leaves no gap.
        while let Some(unusable) = spare.pop_back() {
            self.disk.remove(&unusable.handle.path)?;
            self.disk.sync_directory(&self.journal.paths.journal)?;
        }
        Ok(())
    }

    pub(super) const fn head(&self) -> Head {
        self.head
    }

    /// Whether another snapshot of the state is due; says so once.
    pub(super) fn snapshot_is_due(&mut self) -> bool {
        let longest = self.options.journal_limit / 4;
        let last = self.journal.map_mut().snapshot.min(longest);
        let is_due = self.unsaved >= self.options.snapshot_every.max(last);
        if is_due {
            self.unsaved = 0;
        }
        is_due
    }

    /// See [`Store::append`](crate::store::Store::append).
    pub(super) fn append(&mut self, frames: &[Vec<u8>], purpose: Purpose) -> Result<Head, StoreError> {
        if self.stopped {
            return Err(StoreError::Stopped);
        }
        if frames.is_empty() {
            return Ok(self.head);
        }
        let sizes = self.sizes(frames)?;
        if purpose == Purpose::NewWork {
            self.admit_new_work(sizes.iter().sum())?;
        }
        let spread = self.make_room(&sizes, purpose)?;
        let before = self.head;
        if let Err(error) = self.write(frames, &spread) {
            self.stopped = !error.is_refusal();
            self.head = before;
            return Err(error);
        }
        self.prepare_ahead();
        self.publish();
        Ok(self.head)
    }

    /// See [`Store::admits`](crate::store::Store::admits).
    pub(super) fn admits(&mut self, purpose: Purpose) -> Result<(), StoreError> {
        if self.stopped {
            return Err(StoreError::Stopped);
        }
        let smallest = frame::size(0);
        if purpose == Purpose::NewWork {
            self.admit_new_work(smallest)?;
        }
        self.make_room(&[smallest], purpose).map(drop)
    }

    fn sizes(&self, frames: &[Vec<u8>]) -> Result<Vec<usize>, StoreError> {
        let limit = self.capacity() - frame::size(0);
        match frames.iter().find(|frame| frame.len() > limit) {
            None => Ok(frames.iter().map(|frame| frame::size(frame.len())).collect()),
            Some(frame) => Err(StoreError::TooLarge {
                size: frame.len() as u64,
                limit: limit as u64,
            }),
        }
    }

    /// What each new segment takes.
    fn capacity(&self) -> usize {
        segment::capacity(usize::try_from(self.options.segment_size).unwrap_or(usize::MAX))
    }

    fn admit_new_work(&self, needed: usize) -> Result<(), StoreError> {
        let needed = needed as u64;
        let kept = self.journal.map_mut().size();
        let written = kept - self.current.size as u64 + self.at as u64;
        if written + needed > self.options.journal_limit {
            let limit = self.options.journal_limit;
            return Err(StoreError::Limit { limit });
        }
        if self.disk.free(&self.journal.paths.journal)? < self.options.min_free {
            return Err(self.full());
        }
        Ok(())
    }

    fn full(&self) -> StoreError {
        StoreError::Full {
            path: self.journal.paths.journal.clone(),
        }
    }

    /// Spreads a batch over prepared room, waiting for more of it where needed. New work leaves the reserve alone.
    fn make_room(&mut self, sizes: &[usize], purpose: Purpose) -> Result<Spread, StoreError> {
        let reserve = match purpose {
            Purpose::NewWork => usize::try_from(self.options.reserve).unwrap_or(usize::MAX),
            Purpose::Finish => 0,
        };
        let spread = self.spread(sizes);
        loop {
            let used = spread.counts.len() - 1;
            let unused = self.ready.iter().skip(used).map(Segment::capacity);
            if self.ready.len() >= used && spread.left + unused.sum::<usize>() >= reserve {
                return Ok(spread);
            }
            match self.preparer.take(self.next_number()) {
                Ok(segment) => self.ready.push_back(segment),
                Err(error) if error.is_full() => return Err(self.full()),
                Err(error) => {
                    self.stopped = true;
                    return Err(error);
                }
            }
        }
    }

    /// A batch that fits into one segment is not split, so that it is kept as a whole or not at all.
    fn spread(&self, sizes: &[usize]) -> Spread {
        let total: usize = sizes.iter().sum();
        let rest = segment::capacity(self.current.size) + HEADER - self.at;
        if total <= rest {
            return Spread {
                counts: vec![sizes.len()],
                left: rest - total,
            };
        }
        let capacity = self.capacity();
        let (mut counts, mut left) = if total <= capacity {
            (vec![0, 0], capacity)
        } else {
            (vec![0], rest)
        };
        for &size in sizes {
            if size > left {
                counts.push(0);
                left = capacity;
            }
            left -= size;
            if let Some(count) = counts.last_mut() {
                *count += 1;
            }
        }
        Spread { counts, left }
    }

    fn next_number(&self) -> u64 {
        self.ready.back().map_or(self.current.number, |last| last.number) + 1
    }

    /// Has the next segment made in the background, if there is none.
    fn prepare_ahead(&mut self) {
        if self.ready.is_empty() {
            let number = self.next_number();
            self.preparer.begin(number);
        }
    }

    fn write(&mut self, frames: &[Vec<u8>], spread: &Spread) -> Result<(), StoreError> {
        let (last, full) = match spread.counts.split_last() {
            Some(split) => split,
            None => return Ok(()),
        };
        let mut frames = frames;
        for &count in full {
            let (now, later) = frames.split_at(count);
            self.write_batch(now)?;
            self.seal()?;
            frames = later;
        }
        let (from, before) = (self.at, self.head);
        let written = self.write_batch(&frames[..*last]);
        match written {
            // Only a file system that copies on write can run out of room here.
            Err(error) if error.is_full() && full.is_empty() => {
                self.take_back(from, before)?;
                Err(self.full())
            }
            Err(error) => Err(error),
            Ok(()) => self.disk.sync(&self.current.handle),
        }
    }

    /// Writes frames into the current segment, as one batch; the caller syncs.
    fn write_batch(&mut self, frames: &[Vec<u8>]) -> Result<(), StoreError> {
        self.buffer.clear();
        let count = u32::try_from(frames.len()).unwrap_or(u32::MAX);
        for (position, payload) in (0..).zip(frames) {
            let place = Place { position, count };
            self.head = frame::encode(&mut self.buffer, self.head, place, payload);
        }
        let at = self.at as u64;
        self.at += self.buffer.len();
        self.unsaved += self.buffer.len() as u64;
        self.disk.write(&self.current.handle, &self.buffer, at)
    }

    /// Nothing of the batch that was just written is synced: zeros in its place make it as if it had never been.
    fn take_back(&mut self, from: usize, before: Head) -> Result<(), StoreError> {
        let zeros = vec![0; self.buffer.len()];
        self.disk.write(&self.current.handle, &zeros, from as u64)?;
        self.at = from;
        self.head = before;
        Ok(())
    }

    /// Ends the current segment, durably, and goes on in the next one, which is ready.
    fn seal(&mut self) -> Result<(), StoreError> {
        let seal = segment::seal(Seal {
            first: self.first,
            last: self.head,
            end: self.at,
        });
        let at = (self.current.size - SEAL) as u64;
        self.disk.write(&self.current.handle, &seal, at)?;
        self.disk.sync(&self.current.handle)?;
        let next = self.ready.pop_front().ok_or(StoreError::Stopped)?;
        self.current = next;
        self.at = HEADER;
        self.first = self.head.sequence + 1;
        self.begun.push(Kept {
            first: self.first,
            size: self.current.size as u64,
        });
        Ok(())
    }

    fn publish(&mut self) {
        let mut map = self.journal.map_mut();
        map.kept.extend(self.begun.drain(..));
        map.tail = Tail {
            number: self.current.number,
            at: self.at,
            head: self.head,
        };
        let ready = || self.ready.iter();
        map.spare = ready().map(|segment| segment.size as u64).sum();
        let rest = segment::capacity(self.current.size) + HEADER - self.at;
        map.room = (rest + ready().map(Segment::capacity).sum::<usize>()) as u64;
    }
}
