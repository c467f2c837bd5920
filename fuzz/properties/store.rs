//! The journal on disk: whatever happens to its files, a store that opens has all that was acknowledged, or refuses to
//! read it, and is never silently different.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a property that cannot be tried has failed"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tempfile::TempDir;
use vsjob_engine::store::{Local, LocalOptions, Purpose, Put, Read, Store, StoreError};

const FRAMES: u64 = 24;

/// Each six bytes are a change of a file of the journal, the archive or the snapshots: what, which file, where (2), and two bytes to do it with.
pub(crate) fn store(bytes: &[u8]) {
    let directory = copy_of_a_store().expect("a store to change");
    for change in bytes.chunks_exact(6).take(16) {
        if let Some(file) = pick(directory.path(), change[1]) {
            alter(directory.path(), &file, change);
        }
    }
    let Ok(opened) = Local::open(directory.path(), options()) else {
        return;
    };
    let reader = opened.store.reader();
    has_all_or_refuses(&*reader);
    assert!(
        opened.store.head().sequence >= FRAMES,
        "acknowledged frames are gone"
    );
}

fn has_all_or_refuses(reader: &dyn Read) {
    let mut frames = reader.frames_after(0);
    for sequence in 1..=FRAMES {
        match frames.next() {
            Some(Ok(frame)) => {
                assert_eq!(
                    (frame.head.sequence, frame.payload),
                    (sequence, payload(sequence))
                );
            }
            Some(Err(_)) => return,
            None => panic!("frame {sequence} is gone"),
        }
    }
    assert!(
        !matches!(frames.next(), Some(Ok(_))),
        "a frame that nobody has written"
    );
}

fn payload(sequence: u64) -> Vec<u8> {
    vec![u8::try_from(sequence).unwrap_or(0); 400 + usize::try_from(sequence).unwrap_or(0)]
}

fn options() -> LocalOptions {
    LocalOptions {
        segment_size: 4 << 10,
        reserve: 0,
        min_free: 0,
        snapshot_every: 3 << 10,
        cache: 1 << 20,
        ..LocalOptions::default()
    }
}

/// A closed store of [`FRAMES`] acknowledged frames in several segments, all of them in the index.
fn written(directory: &Path) -> Result<(), StoreError> {
    let mut store = Local::open(directory, options())?.store;
    for sequence in 1..=FRAMES {
        let head = store.append(&[payload(sequence)], Purpose::NewWork)?;
        let put = Put {
            key: vec![1],
            value: Some(payload(sequence)),
        };
        store.index(head, vec![put]);
        // Each snapshot that is due is written, and what lies before two of them archived.
        store.flush()?;
    }
    Ok(())
}

fn copy_of_a_store() -> std::io::Result<TempDir> {
    static ORIGINAL: OnceLock<TempDir> = OnceLock::new();
    let original = ORIGINAL.get_or_init(|| {
        let directory = tempfile::tempdir().expect("a folder");
        written(directory.path()).expect("a store");
        directory
    });
    let copy = tempfile::tempdir()?;
    copy_tree(original.path(), copy.path())?;
    Ok(copy)
}

fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir(&target)?;
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// A file of the journal or the archive, a snapshot, or the file that says which store this is.
fn pick(directory: &Path, number: u8) -> Option<PathBuf> {
    let folders = ["journal", "archive", "snapshots"].map(|name| fs::read_dir(directory.join(name)));
    let mut files: Vec<_> = folders
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    files.sort();
    files.push(directory.join("store"));
    files.get(usize::from(number) % files.len()).cloned()
}

/// Each of these may fail: the file is gone already.
fn alter(directory: &Path, file: &Path, change: &[u8]) {
    let mut content = fs::read(file).unwrap_or_default();
    let place = usize::from(u16::from_le_bytes([change[2], change[3]])) % (content.len() + 1);
    let end = (place + usize::from(change[5]) + 1).min(content.len());
    let _ = match change[0] % 7 {
        0 => fs::remove_file(file),
        1 => fs::copy(file, directory.join(format!("journal/{:08}.seg", change[4] % 16))).map(|_| ()),
        2 => pick(directory, change[4]).map_or(Ok(()), |other| fs::rename(file, other)),
        kind => {
            match kind {
                3 => content.truncate(place),
                4 => content[place..end].fill(change[4]),
                5 => content[place..end].iter_mut().for_each(|byte| *byte ^= change[4]),
                _ => content.extend(std::iter::repeat_n(change[4], usize::from(change[5]))),
            }
            fs::write(file, content)
        }
    };
}
