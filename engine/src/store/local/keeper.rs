//! Keeps the journal bounded: writes snapshots of the state, and keeps two. Runs in the index's thread between two of
//! its batches, so that a snapshot is of exactly one frame, while the journal goes on. Nothing here can lose anything
//! that is acknowledged: a failure leaves the journal longer than it could be.

use super::cursor::Journal;
use super::directory::Paths;
use super::snapshot::{self, Begin, Entry};
use crate::store::{Head, StoreError};

/// How many snapshots there are: the older one is used if the newer is damaged.
const KEPT: usize = 2;

/// Writes snapshots.
pub(super) struct Keeper {
    pub(super) journal: Journal,
    pub(super) paths: Paths,
}

impl Keeper {
    /// Writes a snapshot of the state at `head`, which has `records`, and lets go of all but the last two.
    pub(super) fn keep(
        &self,
        head: Head,
        records: impl Iterator<Item = Result<Entry, StoreError>>,
    ) -> Result<(), StoreError> {
        let disk = &self.journal.disk;
        // The index may not be saved as the state of a journal that it disagrees with.
        let begin = Begin::at(self.journal.id, self.journal.end_of(head)?);
        let length = snapshot::write(disk, &self.paths, begin, records)?;
        self.journal.map_mut().snapshot = length;
        let snapshots = snapshot::list(disk, &self.paths)?;
        let too_many = snapshots.len().saturating_sub(KEPT);
        for old in &snapshots[..too_many] {
            disk.remove(old)?;
        }
        disk.sync_directory(&self.paths.snapshots)
    }
}
