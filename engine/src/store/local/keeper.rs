//! Keeps the journal bounded: writes snapshots of the state, keeps two, moves the segments that lie before both into the
//! archive, and removes the archive's oldest. Runs in the index's thread between two of its batches, so that a snapshot is
//! of exactly one frame, while the journal goes on.
//!
//! Nothing here can lose anything that is acknowledged: a segment leaves the journal only after a newer snapshot is
//! durable and all of the older one has been read, and a failure leaves the journal longer than it could be.

use super::cursor::Journal;
use super::segment;
use super::snapshot::{self, Begin, Entry, Snapshot};
use crate::store::{Head, StoreError};

/// How many snapshots there are: the older one is used if the newer is damaged.
const KEPT: usize = 2;

/// Writes snapshots, and archives.
pub(super) struct Keeper {
    pub(super) journal: Journal,
    pub(super) archive_limit: u64,
}

impl Keeper {
    /// Writes a snapshot of the state at `head`, which has `records`, and lets go of all but the last two.
    pub(super) fn keep(
        &self,
        head: Head,
        records: impl Iterator<Item = Result<Entry, StoreError>>,
    ) -> Result<(), StoreError> {
        let Journal { disk, paths, id, .. } = &self.journal;
        // The index may not be saved as the state of a journal that it disagrees with.
        let begin = Begin::at(*id, self.journal.end_of(head)?);
        let length = snapshot::write(disk, paths, begin, records)?.length(disk)?;
        self.journal.map_mut().snapshot = length;
        let snapshots = snapshot::list(disk, paths)?;
        let too_many = snapshots.len().saturating_sub(KEPT);
        for old in &snapshots[..too_many] {
            disk.remove(old)?;
        }
        disk.sync_directory(&paths.snapshots)
    }

    /// Archives the segments that lie before the older of two snapshots, and removes those of the archive that are beyond
    /// its limit.
    pub(super) fn archive(&self) -> Result<(), StoreError> {
        let Journal { disk, paths, id, .. } = &self.journal;
        let snapshots = snapshot::list(disk, paths)?;
        if snapshots.len() < KEPT {
            return Ok(());
        }
        // What they stand in for is about to be out of reach of a start.
        let whole: Result<Vec<Snapshot>, StoreError> =
            snapshots.iter().map(|path| snapshot::check(path, *id)).collect();
        let oldest = whole?.first().map_or(0, |oldest| oldest.begin.segment);
        while self.journal.map_mut().number < oldest {
            self.archive_one()?;
        }
        self.remove_oldest()
    }

    /// Moves the first segment of the journal. Readers look for it in both places.
    fn archive_one(&self) -> Result<(), StoreError> {
        let Journal { disk, paths, .. } = &self.journal;
        let number = self.journal.map_mut().number;
        let segment = self.journal.open_segment(number, 0)?;
        let seal = segment.sealed(0)?;
        let name = segment::name(number);
        let (from, to) = (paths.journal.join(&name), paths.archive.join(&name));
        disk.create_directory(&paths.archive)?;
        // An opening that found no whole snapshot has read it from the archive, and counts it as kept.
        let moved = if from.exists() {
            disk.rename(&from, &to)
        } else {
            Ok(())
        };
        if !from.exists() {
            let mut map = self.journal.map_mut();
            map.kept.pop_front();
            map.number += 1;
            map.before = seal.last;
        }
        moved
    }

    fn remove_oldest(&self) -> Result<(), StoreError> {
        let Journal { disk, paths, .. } = &self.journal;
        let mut sizes = Vec::new();
        for number in segment::list(disk, &paths.archive)? {
            let path = paths.archive.join(segment::name(number));
            let size = disk.open_to_read(&path)?.size()?;
            sizes.push((path, size));
        }
        let mut total: u64 = sizes.iter().map(|(_, size)| size).sum();
        for (path, size) in sizes {
            if total <= self.archive_limit {
                break;
            }
            disk.remove(&path)?;
            total -= size;
        }
        Ok(())
    }
}
