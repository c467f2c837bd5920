//! Prepares the next segments ahead of the writer, in a thread of its own, so that no append waits for 8 MiB of zeros.
//!
//! They are zero-written, not only allocated: a write into an allocated but unwritten extent makes fdatasync commit the
//! file system's own journal as well. `docs/store.md` has the figures.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use uuid::Uuid;

use super::directory::Paths;
use super::disk::Disk;
use super::segment::{self, Segment};
use crate::store::StoreError;

/// Makes segments of one journal.
#[derive(Clone)]
pub(super) struct Maker {
    pub(super) disk: Disk,
    pub(super) paths: Paths,
    pub(super) id: Uuid,
    pub(super) size: u64,
}

impl Maker {
    /// Makes segment `number`. It gets its name only when all of it is durable; what a failure leaves is removed.
    pub(super) fn make(&self, number: u64) -> Result<Segment, StoreError> {
        let partial = self.paths.journal.join(format!("{number:08}.partial"));
        let made = self.fill(&partial, number);
        if made.is_err() {
            // Best effort, as the disk may be full or failing: the next opening removes it as well.
            let _ = self.disk.remove(&partial);
        }
        made?;
        self.disk
            .rename(&partial, &self.paths.journal.join(segment::name(number)))?;
        segment::open(&self.disk, &self.paths, self.id, number, 0)
    }

    fn fill(&self, partial: &Path, number: u64) -> Result<(), StoreError> {
        const CHUNK: usize = 1 << 20;
        let handle = self.disk.create(partial)?;
        self.disk.allocate(&handle, self.size)?;
        let zeros = vec![0; CHUNK];
        let mut at = 0;
        while at < self.size {
            let length = usize::try_from(self.size - at).map_or(CHUNK, |rest| rest.min(CHUNK));
            self.disk.write(&handle, &zeros[..length], at)?;
            at += length as u64;
        }
        self.disk
            .write(&handle, &segment::header(self.id, number, self.size), 0)?;
        self.disk.sync(&handle)
    }
}

/// A thread that makes one segment at a time. Dropping it waits for the one being made.
pub(super) struct Preparer {
    requests: Option<Sender<u64>>,
    results: Receiver<Result<Segment, StoreError>>,
    thread: Option<JoinHandle<()>>,
    busy: bool,
}

impl Preparer {
    pub(super) fn start(maker: Maker) -> Result<Self, StoreError> {
        let (requests, wanted) = channel();
        let (made, results) = channel();
        let path = maker.paths.journal.clone();
        let work = move || {
            for number in wanted {
                if made.send(maker.make(number)).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("journal-prepare".to_owned())
            .spawn(work)
            .map_err(|source| StoreError::Io {
                doing: "start a thread for",
                path,
                source,
            })?;
        Ok(Self {
            requests: Some(requests),
            results,
            thread: Some(thread),
            busy: false,
        })
    }

    /// Begins to make segment `number`, unless one is being made.
    pub(super) fn begin(&mut self, number: u64) {
        if !self.busy {
            self.busy = self
                .requests
                .as_ref()
                .is_some_and(|requests| requests.send(number).is_ok());
        }
    }

    /// Waits for segment `number`. An attempt that was begun earlier and failed is repeated once, as there may be room
    /// by now.
    pub(super) fn take(&mut self, number: u64) -> Result<Segment, StoreError> {
        if self.busy
            && let Ok(segment) = self.receive()
        {
            return Ok(segment);
        }
        self.begin(number);
        self.receive()
    }

    fn receive(&mut self) -> Result<Segment, StoreError> {
        let received = self.results.recv();
        self.busy = false;
        received.unwrap_or(Err(StoreError::Stopped))
    }
}

impl Drop for Preparer {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was reported by the panic hook; nothing is left to do about it.
            let _ = thread.join();
        }
    }
}
