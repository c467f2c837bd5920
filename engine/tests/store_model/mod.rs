//! What the tests of a damaged or killed store write, and what must be there afterwards: every frame and every record
//! follows from its number, so that nothing can differ unnoticed.

use std::collections::BTreeMap;

use tempfile::TempDir;
use vsjob_engine::store::{Frame, Head, Put, Read, Scan, Store, StoreError};

/// How many records the index has at most, besides the one that counts.
const RECORDS: u64 = 50;

/// Frame `sequence`.
pub(crate) fn payload(sequence: u64) -> Vec<u8> {
    let filler = usize::try_from(sequence * 37 % 300).unwrap_or(0);
    format!("frame {sequence} {}", "x".repeat(filler)).into_bytes()
}

/// The next `count` frames after `head`.
pub(crate) fn batch(head: Head, count: u64) -> Vec<Vec<u8>> {
    (1..=count).map(|n| payload(head.sequence + n)).collect()
}

/// What frame `sequence` changes in the index.
pub(crate) fn puts(sequence: u64) -> Vec<Put> {
    let (count, value) = record(sequence);
    let older = format!("gone/{}", sequence.saturating_sub(3));
    vec![
        Put {
            key: b"last".to_vec(),
            value: Some(value.clone()),
        },
        Put {
            key: count,
            value: Some(value),
        },
        Put {
            key: format!("gone/{sequence}").into_bytes(),
            value: Some(Vec::new()),
        },
        Put {
            key: older.into_bytes(),
            value: None,
        },
    ]
}

fn record(sequence: u64) -> (Vec<u8>, Vec<u8>) {
    let key = format!("record/{}", sequence % RECORDS);
    (key.into_bytes(), sequence.to_string().into_bytes())
}

/// The whole index at `sequence`.
fn index_at(sequence: u64) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut index = BTreeMap::new();
    for put in (1..=sequence).flat_map(puts) {
        match put.value {
            Some(value) => index.insert(put.key, value),
            None => index.remove(&put.key),
        };
    }
    index
}

/// A folder that costs no disk, unless somebody says where: for these tests a process dies, not the machine, so what the
/// kernel holds is kept.
pub(crate) fn folder() -> TempDir {
    match std::env::var_os("TMPDIR") {
        Some(_) => tempfile::tempdir(),
        None => tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()),
    }
    .expect("a folder can be made")
}

/// Why a store is not what it should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Wrong {
    /// It says so itself.
    #[error("refused: {0}")]
    Refused(StoreError),
    /// It does not notice.
    #[error("silently different: {0}")]
    Silently(String),
}

/// Replays what the index lacks, as the engine does.
pub(crate) fn catch_up(store: &mut dyn Store, indexed: Head) -> Result<(), Wrong> {
    for frame in store.reader().frames_after(indexed.sequence) {
        let frame = frame.map_err(Wrong::Refused)?;
        store.index(frame.head, puts(frame.head.sequence));
    }
    Ok(())
}

/// The index is exactly what it must be at `head`.
pub(crate) fn check_index(reader: &dyn Read, head: Head) -> Result<(), Wrong> {
    let records = reader.scan(Scan::all(b"")).map_err(Wrong::Refused)?;
    let found: BTreeMap<_, _> = records
        .into_iter()
        .map(|record| (record.key, record.value))
        .collect();
    if found == index_at(head.sequence) {
        return Ok(());
    }
    Err(Wrong::Silently(format!("the index at {head} is {found:?}")))
}

/// Every frame up to `acknowledged` at least is there, and is what was written.
pub(crate) fn check_frames(reader: &dyn Read, acknowledged: u64) -> Result<(), Wrong> {
    let mut last = 0;
    for frame in reader.frames_after(0) {
        let Frame { head, payload } = frame.map_err(Wrong::Refused)?;
        last += 1;
        if head.sequence != last || payload != self::payload(last) {
            return Err(Wrong::Silently(format!("frame {last} is {head}")));
        }
    }
    if last < acknowledged {
        return Err(Wrong::Silently(format!(
            "frame {acknowledged} was acknowledged, {last} is the last"
        )));
    }
    Ok(())
}
