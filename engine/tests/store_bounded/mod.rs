//! A store that is bounded so soon that a test sees all of it: small segments, and a snapshot every few batches.

use vsjob_engine::store::{Local, LocalOptions, Purpose, Store, StoreError};

use crate::store_model::{batch, puts};

/// Of its segments.
pub(crate) const SEGMENT: u64 = 8 << 10;

/// With a snapshot each time that so many bytes have been written.
pub(crate) fn every(bytes: u64) -> LocalOptions {
    LocalOptions {
        segment_size: SEGMENT,
        reserve: 0,
        min_free: 0,
        snapshot_every: bytes,
        archive_limit: u64::MAX,
        ..LocalOptions::default()
    }
}

/// Appends `count` frames in small batches, each of which the index is told, and writes each snapshot that is due.
pub(crate) fn write(store: &mut Local, count: u64) -> Result<(), StoreError> {
    let last = store.head().sequence + count;
    while store.head().sequence < last {
        let before = store.head();
        let head = store.append(&batch(before, 4.min(last - before.sequence)), Purpose::NewWork)?;
        let changes = (before.sequence + 1..=head.sequence).flat_map(puts);
        store.index(head, changes.collect());
        store.flush()?;
    }
    Ok(())
}
