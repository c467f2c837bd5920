//! The index: sled, behind the journal. A thread writes what has gathered as one batch together with the head it
//! leads to, so that after a crash the index is exactly at some head. It is never the only place of anything: what
//! is lost with it is made again from the journal.

use std::fs;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::Notify;

use super::database::{OpenedIndex, RECORD, batch, failed, guarded, records, stored_key};
use super::directory::Paths;
use super::disk::Disk;
use super::keeper::Keeper;
use super::mark::{Mark, this_boot};
use super::options::LocalOptions;
use super::overlay::{self, Layer, Overlay};
use crate::store::{Head, Put, Record, Scan, StoreError};

/// How many times its usual backlog may wait while a snapshot is written.
const PATIENCE: usize = 128;
/// How long sled may keep changes in memory: what a killed process has to replay.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// What readers, the owner and the thread share.
pub(super) struct Index {
    database: sled::Db,
    disk: Disk,
    paths: Paths,
    backlog: usize,
    keeper: Keeper,
    room: u64,
    min_free: u64,
    state: Mutex<State>,
    changed: Condvar,
    /// Is told when it has failed and can be made again.
    failing: Arc<Notify>,
}

#[derive(Default)]
struct State {
    overlay: Overlay,
    /// What sled has.
    applied: Head,
    /// What the newest snapshot is of.
    saved: Head,
    snapshot_wanted: bool,
    /// More may wait than usual: a snapshot is being written, or was, and what has gathered meanwhile is not yet applied.
    patient: bool,
    /// How many flushes were asked for, and how many are done.
    flushes_wanted: u64,
    flushes_done: u64,
    /// The disk has no room for it now: changes wait in memory, however many they are.
    full: bool,
    stop: bool,
    failure: Option<Failure>,
    /// What was applied since sled's last flush.
    unflushed: bool,
    /// Everything that was applied is durable.
    durable: bool,
}

#[derive(Clone)]
struct Failure {
    kind: io::ErrorKind,
    text: String,
}

impl Index {
    /// Marks the index as open and starts its thread.
    pub(super) fn start(
        opened: OpenedIndex,
        disk: Disk,
        paths: &Paths,
        options: &LocalOptions,
        keeper: Keeper,
        saved: Head,
    ) -> Result<(Arc<Self>, IndexThread), StoreError> {
        Mark::Open(this_boot()).write(&disk, paths)?;
        let index = Arc::new(Self {
            database: opened.database,
            disk,
            paths: paths.clone(),
            backlog: options.backlog,
            keeper,
            room: options.index_room,
            min_free: options.min_free,
            state: Mutex::new(State {
                applied: opened.head,
                saved,
                ..State::default()
            }),
            changed: Condvar::new(),
            failing: Arc::default(),
        });
        let worker = index.clone();
        let thread = std::thread::Builder::new()
            .name("index".to_owned())
            .spawn(move || worker.work())
            .map_err(|source| failed(paths.index.clone(), source))?;
        let thread = IndexThread {
            index: index.clone(),
            thread: Some(thread),
        };
        Ok((index, thread))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands over changes; waits while too many wait already, but not for room on the disk.
    pub(super) fn push(&self, head: Head, puts: Vec<Put>) {
        let too_many = |state: &mut State| {
            let bytes = state.overlay.bytes();
            state.patient &= state.snapshot_wanted || bytes > self.backlog;
            let factor = if state.patient { PATIENCE } else { 1 };
            bytes > self.backlog.saturating_mul(factor) && state.failure.is_none() && !state.full
        };
        let mut state = self
            .changed
            .wait_while(self.state(), too_many)
            .unwrap_or_else(PoisonError::into_inner);
        state.overlay.push(head, puts, self.backlog);
        drop(state);
        self.changed.notify_all();
    }

    /// Has a snapshot written of what sled has by then, in the background.
    pub(super) fn want_snapshot(&self) {
        let mut state = self.state();
        state.snapshot_wanted = true;
        state.patient = true;
        drop(state);
        self.changed.notify_all();
    }

    /// A snapshot that cannot be written, and what cannot be archived, is told of, and tried again when the next one is due.
    fn snapshot(&self, head: Head) -> io::Result<()> {
        let records = records(&self.database, &self.paths);
        match guarded(|| Ok(self.keeper.keep(head, records)))? {
            Ok(()) => tracing::debug!(%head, "a snapshot of the state was written"),
            Err(StoreError::Index { source, .. }) => return Err(source),
            Err(error) => {
                tracing::warn!(code = "VSJ0124", %head, %error, "no snapshot of the state was written");
                return Ok(());
            }
        }
        // So that a process that is killed now leaves an index that needs no frame of before.
        guarded(|| self.database.flush())?;
        if let Err(error) = self.keeper.archive() {
            tracing::warn!(code = "VSJ0125", %error, "the journal cannot be archived");
        }
        Ok(())
    }

    /// Why the index has stopped, if it has.
    pub(super) fn failure(&self) -> Option<StoreError> {
        let failure = self.state().failure.clone()?;
        let source = io::Error::new(failure.kind, failure.text);
        Some(failed(self.paths.index.clone(), source))
    }

    /// See [`Store::failing`](crate::store::Store::failing).
    pub(super) fn failing(&self) -> Arc<Notify> {
        self.failing.clone()
    }

    /// Whether it failed for want of room, and there is none yet to make it again beside what is left of it.
    pub(super) fn waits_for_room(&self, failure: &StoreError) -> bool {
        let left = || self.database.size_on_disk().unwrap_or(0);
        failure.is_full() && self.has_less_than(|| self.min_free.saturating_add(left()))
    }

    /// Waits until everything that was handed over is durable, and a snapshot that is due is written, but not for room
    /// on the disk: without it the index stays behind the journal, as after a kill.
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        let mut state = self.state();
        state.flushes_wanted += 1;
        let wanted = state.flushes_wanted;
        self.changed.notify_all();
        let pending = |state: &mut State| state.flushes_done < wanted && state.failure.is_none();
        drop(
            self.changed
                .wait_while(state, pending)
                .unwrap_or_else(PoisonError::into_inner),
        );
        self.failure().map_or(Ok(()), Err)
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(change) = self.state().overlay.get(key) {
            return Ok(change);
        }
        let value = self.guard(|| self.database.get(stored_key(key)))?;
        Ok(value.map(|value| value.to_vec()))
    }

    pub(super) fn scan(&self, scan: Scan<'_>) -> Result<Vec<Record>, StoreError> {
        let Some(range) = overlay::range(scan) else {
            return Ok(Vec::new());
        };
        let changes = self.state().overlay.changes(&range);
        let stored = (
            range.0.map(|key| stored_key(&key)),
            match range.1 {
                std::ops::Bound::Unbounded => std::ops::Bound::Excluded(vec![RECORD + 1]),
                bound => bound.map(|key| stored_key(&key)),
            },
        );
        self.guard(|| {
            let records = self.database.range(stored);
            let record = |entry: sled::Result<(sled::IVec, sled::IVec)>| {
                let (key, value) = entry?;
                Ok(Record {
                    key: key[1..].to_vec(),
                    value: value.to_vec(),
                })
            };
            if scan.newest_first {
                overlay::merge(records.rev().map(record), changes, scan)
            } else {
                overlay::merge(records.map(record), changes, scan)
            }
        })
    }

    /// What it takes on the disk, in bytes, and how many records wait.
    pub(super) fn usage(&self) -> Result<(u64, u64), StoreError> {
        let size = self.guard(|| self.database.size_on_disk())?;
        Ok((size, self.state().overlay.len() as u64))
    }

    /// Runs a call of sled; a failure is remembered, so that the index is rebuilt at the next opening.
    fn guard<T>(&self, call: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
        guarded(call).map_err(|source| {
            self.fail(&source);
            failed(self.paths.index.clone(), source)
        })
    }

    fn fail(&self, source: &io::Error) {
        let failure = Failure {
            kind: source.kind(),
            text: source.to_string(),
        };
        tracing::error!(error = %failure.text, "the index failed; it is rebuilt at the next start");
        // The mark is best effort: without it the next opening finds the damage as this one did.
        let _ = Mark::Broken.write(&self.disk, &self.paths);
        self.state().failure.get_or_insert(failure);
        self.changed.notify_all();
    }

    fn work(&self) {
        self.perform_tasks();
        if let Some(failure) = self.failure()
            && self.await_room(&failure)
        {
            self.failing.notify_one();
        }
    }

    /// Whether there is room in the end; not, if it is told to stop.
    fn await_room(&self, failure: &StoreError) -> bool {
        while self.waits_for_room(failure) {
            let state = self.state();
            if state.stop {
                return false;
            }
            drop(self.changed.wait_timeout(state, FLUSH_EVERY));
        }
        true
    }

    fn perform_tasks(&self) {
        while let Some(task) = self.next_task() {
            let done = match &task {
                Task::Apply(head, layer) => guarded(|| self.database.apply_batch(batch(*head, layer))),
                Task::Snapshot(head) => self.snapshot(*head),
                Task::Flush(None) => guarded(|| self.database.flush()).map(drop),
                Task::Flush(Some(_)) => guarded(|| self.database.flush()).and_then(|_| self.sync_files()),
            };
            if let Err(source) = done {
                self.fail(&source);
                return;
            }
            let mut state = self.state();
            match task {
                Task::Snapshot(head) => {
                    state.snapshot_wanted = false;
                    state.saved = head;
                }
                Task::Apply(head, _) => {
                    state.overlay.applied();
                    state.applied = head;
                    state.unflushed = true;
                    state.durable = false;
                }
                Task::Flush(None) => state.unflushed = false,
                Task::Flush(Some(wanted)) => {
                    state.unflushed = false;
                    state.flushes_done = wanted;
                    state.durable = true;
                }
            }
            drop(state);
            self.changed.notify_all();
        }
    }

    /// The next thing to do; `None` to stop. A snapshot comes first, or it would never come while changes do, unless there
    /// is one of the very same already. Changes go
    /// before a flush that was asked for, which is for all of them. sled can do nothing any more once a write of it has
    /// failed, so none is tried on a disk that is full.
    fn next_task(&self) -> Option<Task> {
        let mut state = self.state();
        loop {
            if state.stop || state.failure.is_some() {
                return None;
            }
            state.full = self.has_less_than(|| self.room);
            if state.full {
                state.flushes_done = state.flushes_wanted;
                self.changed.notify_all();
            } else if state.snapshot_wanted && state.applied.sequence > state.saved.sequence {
                return Some(Task::Snapshot(state.applied));
            } else if let Some((head, layer)) = state.overlay.take() {
                return Some(Task::Apply(head, layer));
            } else if state.flushes_wanted > state.flushes_done {
                return Some(Task::Flush(Some(state.flushes_wanted)));
            }
            let (woken, timeout) = self
                .changed
                .wait_timeout(state, FLUSH_EVERY)
                .unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if timeout.timed_out() && state.unflushed && !state.overlay.is_waiting() && !state.full {
                return Some(Task::Flush(None));
            }
        }
    }

    /// Nobody knows how full a disk is that does not say so.
    fn has_less_than(&self, needed: impl FnOnce() -> u64) -> bool {
        let free = self.disk.free(&self.paths.root);
        free.is_ok_and(|free| free < needed())
    }

    /// sled's own flush leaves its files to the kernel; this does not.
    fn sync_files(&self) -> io::Result<()> {
        let mut directories = vec![self.paths.index.clone()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(&directory)? {
                let path = entry?.path();
                if path.is_dir() {
                    directories.push(path);
                } else {
                    fs::File::open(path)?.sync_all()?;
                }
            }
            fs::File::open(directory)?.sync_all()?;
        }
        Ok(())
    }
}

enum Task {
    Apply(Head, Arc<Layer>),
    Snapshot(Head),
    /// With the number of the flush that was asked for, if one was.
    Flush(Option<u64>),
}

/// Ends the index's thread when it is dropped. What still waits is dropped with it, as by a crash.
pub(super) struct IndexThread {
    index: Arc<Index>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for IndexThread {
    fn drop(&mut self) {
        self.index.state().stop = true;
        self.index.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let state = self.index.state();
        if state.durable && !state.overlay.is_waiting() && state.failure.is_none() {
            // Without the mark the next start may rebuild what is whole: slower, never wrong.
            let _ = Mark::Clean.write(&self.index.disk, &self.index.paths);
        }
    }
}
