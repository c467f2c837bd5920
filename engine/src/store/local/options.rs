//! How a local store is opened. The defaults are for production; tests make everything small.

use std::fmt;
use std::sync::Arc;

use super::disk::{Faults, NoFaults};

/// How a local store is opened. Sizes are in bytes.
#[derive(Clone)]
pub struct LocalOptions {
    /// Of each new segment; a multiple of 512, at least 4096. A frame must fit into one.
    pub segment_size: u64,
    /// New work is refused when the journal is as large as this, what is archived not counted.
    pub journal_limit: u64,
    /// Preallocated room that only running jobs may use, at most a segment.
    pub reserve: u64,
    /// New work is refused when the disk has less free space than this: the index needs some, too.
    pub min_free: u64,
    /// How much the journal grows before another snapshot of the state is written. It is more where the last snapshot was
    /// larger, so that snapshots never take more writing than the journal itself, but at most a quarter of the limit.
    pub snapshot_every: u64,
    /// How much is kept of what is archived; the oldest segments beyond it are removed.
    pub archive_limit: u64,
    /// The index waits in memory when the disk has less free space than this.
    pub index_room: u64,
    /// sled's page cache.
    pub cache: u64,
    /// How far the index may lag behind, in bytes of keys and values, before [`index`](crate::store::Store::index) waits.
    /// Small: what gathers is one batch of sled, and batches of 32 MiB made it hold 2.7 GB where small ones take 90 MB.
    pub backlog: usize,
    /// Open in spite of missing or damaged acknowledged records: what is beyond them is set aside.
    pub accept_loss: bool,
    /// Makes file operations fail, for tests.
    pub faults: Arc<dyn Faults>,
}

impl Default for LocalOptions {
    fn default() -> Self {
        Self {
            segment_size: 8 << 20,
            journal_limit: 4 << 30,
            reserve: 4 << 20,
            min_free: 64 << 20,
            snapshot_every: 64 << 20,
            archive_limit: 16 << 30,
            index_room: 8 << 20,
            cache: 32 << 20,
            backlog: 512 << 10,
            accept_loss: false,
            faults: Arc::new(NoFaults),
        }
    }
}

impl fmt::Debug for LocalOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalOptions")
            .field("segment_size", &self.segment_size)
            .field("journal_limit", &self.journal_limit)
            .field("reserve", &self.reserve)
            .field("min_free", &self.min_free)
            .field("snapshot_every", &self.snapshot_every)
            .field("archive_limit", &self.archive_limit)
            .field("index_room", &self.index_room)
            .field("cache", &self.cache)
            .field("backlog", &self.backlog)
            .field("accept_loss", &self.accept_loss)
            .finish_non_exhaustive()
    }
}
