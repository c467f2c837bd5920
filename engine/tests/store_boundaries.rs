//! Frames that end anywhere near the end of a segment: whatever their lengths, a store that was written opens again.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use vsjob_engine::store::{Local, LocalOptions, Purpose, Store, StoreError};

fn options(segment_size: u64) -> LocalOptions {
    LocalOptions {
        segment_size,
        ..LocalOptions::default()
    }
}

/// Writes batches of these lengths, and opens the store again.
fn opens_again(segment_size: u64, batches: &[Vec<usize>]) -> Result<(), String> {
    let directory = tempfile::tempdir().unwrap();
    let mut frames = Vec::new();
    {
        let mut store = Local::open(directory.path(), options(segment_size))
            .unwrap()
            .store;
        for lengths in batches {
            let batch: Vec<Vec<u8>> = lengths.iter().map(|&length| vec![b'x'; length]).collect();
            store
                .append(&batch, Purpose::Finish)
                .map_err(|e| format!("append: {e}"))?;
            frames.extend(batch);
        }
    }
    let opened = Local::open(directory.path(), options(segment_size)).map_err(|e| format!("open: {e}"))?;
    let found: Result<Vec<_>, _> = opened.store.reader().frames_after(0).collect();
    let found: Vec<Vec<u8>> = found
        .map_err(|e| format!("read: {e}"))?
        .into_iter()
        .map(|frame| frame.payload)
        .collect();
    if found == frames {
        Ok(())
    } else {
        Err(format!("{} of {} frames", found.len(), frames.len()))
    }
}

#[test]
fn a_frame_may_end_anywhere_in_a_segment() {
    for length in (1..1200).step_by(29) {
        let written = opens_again(4 << 10, &vec![vec![length]; 12]);
        assert_eq!(written, Ok(()), "frames of {length} bytes");
    }
}

#[test]
fn a_segment_may_have_any_size() {
    for length in [4096, (1 << 20) + 512] {
        assert_eq!(opens_again(length, &[vec![100], vec![200]]), Ok(()), "{length}");
    }
}

#[test]
fn the_largest_frame_takes_a_whole_segment_and_a_larger_one_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Local::open(directory.path(), options(4 << 10)).unwrap().store;
    let Err(StoreError::TooLarge { limit, .. }) = store.append(&[vec![b'x'; 4 << 10]], Purpose::Finish)
    else {
        panic!("it is larger than a segment");
    };
    let largest = usize::try_from(limit).unwrap();
    assert_eq!(opens_again(4 << 10, &vec![vec![largest]; 3]), Ok(()));
    let refusal = opens_again(4 << 10, &[vec![largest + 1]]).unwrap_err();
    assert!(refusal.contains("larger than"), "{refusal}");
}
