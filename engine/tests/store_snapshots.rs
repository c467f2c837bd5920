//! Snapshots of the state: an index that is lost is made from the newest whole one; a damaged one is told of and never
//! used; a disk that fails while one is written costs nothing but the snapshot.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "all of it is a test")]

mod store_bounded;
mod store_model;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use store_bounded::{every, write};
use store_model::{catch_up, check_frames, check_index, folder};
use vsjob_engine::store::{
    Faults, Head, Local, LocalOptions, Opened, Operation, Purpose, Put, Store, StoreError, Warning, audit,
};

fn options() -> LocalOptions {
    every(2 << 10)
}

fn open(directory: &Path) -> Result<Opened<Local>, StoreError> {
    Local::open(directory, options())
}

/// A closed store of 100 frames.
fn written(directory: &Path) {
    let mut store = open(directory).unwrap().store;
    write(&mut store, 100).unwrap();
}

fn snapshots(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory.join("snapshots")).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// The frame that a snapshot's name tells.
fn frame(snapshot: &Path) -> u64 {
    snapshot.file_stem().unwrap().to_str().unwrap().parse().unwrap()
}

fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at] ^= 1;
    fs::write(file, bytes).unwrap();
}

fn codes(warnings: &[Warning]) -> Vec<&str> {
    warnings.iter().map(|warning| warning.code).collect()
}

/// The store has everything, once its index has caught up.
fn is_whole(mut opened: Opened<Local>, frames: u64) {
    catch_up(&mut opened.store, opened.indexed).unwrap();
    let reader = opened.store.reader();
    check_frames(&*reader, frames).unwrap();
    check_index(&*reader, opened.store.head()).unwrap();
}

#[test]
fn two_snapshots_are_kept_and_a_lost_index_is_made_from_the_newer() {
    let folder = folder();
    written(folder.path());
    let kept = snapshots(folder.path());
    assert_eq!(kept.len(), 2);
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    // Nobody reads so far back.
    fs::remove_dir_all(folder.path().join("archive")).unwrap();
    let opened = open(folder.path()).unwrap();
    assert_eq!(opened.indexed.sequence, frame(&kept[1]));
    assert_eq!(codes(&opened.warnings), Vec::<&str>::new());
    let mut store = opened.store;
    catch_up(&mut store, opened.indexed).unwrap();
    check_index(&*store.reader(), store.head()).unwrap();
}

#[test]
fn a_damaged_snapshot_is_set_aside_with_a_warning_and_the_older_one_is_used() {
    let folder = folder();
    written(folder.path());
    let kept = snapshots(folder.path());
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let length = fs::read(&kept[1]).unwrap().len();
    flip(&kept[1], length / 2);
    let opened = open(folder.path()).unwrap();
    assert_eq!(opened.indexed.sequence, frame(&kept[0]));
    assert_eq!(codes(&opened.warnings), ["VSJ0123"]);
    assert!(kept[1].with_extension("lost").exists() && !kept[1].exists());
    is_whole(opened, 100);
    // Another one is written at once, whatever of it the master did not come to before it ended.
    let mut store = open(folder.path()).unwrap().store;
    write(&mut store, 1).unwrap();
    let names = snapshots(folder.path());
    let whole = names
        .iter()
        .filter(|name| name.extension().is_some_and(|end| end == "snap"));
    assert_eq!(whole.count(), 2, "{names:?}");
}

#[test]
fn without_a_whole_snapshot_a_lost_index_is_made_from_the_journal() {
    let folder = folder();
    written(folder.path());
    for snapshot in snapshots(folder.path()) {
        flip(&snapshot, 20);
    }
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let opened = open(folder.path()).unwrap();
    assert_eq!(opened.indexed, Head::EMPTY);
    assert_eq!(codes(&opened.warnings), ["VSJ0123", "VSJ0123"]);
    is_whole(opened, 100);
}

#[test]
fn a_snapshot_of_another_store_or_under_another_name_is_not_used() {
    let folder = folder();
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    written(&one);
    written(&other);
    let (of_one, of_other) = (snapshots(&one), snapshots(&other));
    fs::copy(&of_other[0], &of_one[0]).unwrap();
    fs::copy(&of_one[1], one.join("snapshots/0000000000000012.snap")).unwrap();
    fs::remove_dir_all(one.join("index")).unwrap();
    let opened = open(&one).unwrap();
    assert_eq!(codes(&opened.warnings), ["VSJ0123", "VSJ0123"]);
    assert_eq!(opened.indexed.sequence, frame(&of_one[1]));
    is_whole(opened, 100);
}

#[test]
fn a_snapshot_of_frames_that_the_journal_does_not_have_is_refused() {
    let folder = folder();
    let directory = folder.path().join("store");
    let mut store = open(&directory).unwrap().store;
    write(&mut store, 12).unwrap();
    let older = fs::read(directory.join("journal/00000001.seg")).unwrap();
    // In the same segment, so that nothing but the snapshot knows of more.
    write(&mut store, 12).unwrap();
    drop(store);
    assert!(frame(snapshots(&directory).last().unwrap()) > 12);
    fs::write(directory.join("journal/00000001.seg"), older).unwrap();
    fs::remove_dir_all(directory.join("index")).unwrap();
    let found = audit(&directory).unwrap().damage.unwrap();
    assert_eq!(Some(&found.file), snapshots(&directory).last());
    let refusal = open(&directory).unwrap_err();
    assert!(matches!(refusal, StoreError::Missing { .. }), "{refusal}");
}

#[test]
fn a_master_that_is_started_again_and_again_saves_its_state_as_often_as_one_that_goes_on() {
    let folder = folder();
    for _ in 0..60 {
        let mut store = Local::open(folder.path(), every(8 << 10)).unwrap().store;
        let head = store.append(&[vec![1; 1000]], Purpose::Finish).unwrap();
        store.index(head, Vec::new());
        store.flush().unwrap();
    }
    let kept = snapshots(folder.path());
    let between = frame(&kept[1]) - frame(&kept[0]);
    // Eight of them are more than 8 KiB; and so are seven, where a segment ends that an eighth does not fit into.
    assert!(
        (6..=9).contains(&between),
        "{between} frames between two snapshots"
    );
}

#[test]
fn a_large_state_is_saved_more_seldom_but_once_in_a_quarter_of_the_journal_s_limit() {
    const FRAME: u64 = 1072;
    for (journal_limit, period) in [(1 << 20, 30 << 10), (64 << 10, 16 << 10)] {
        let folder = folder();
        let limited = LocalOptions {
            journal_limit,
            ..options()
        };
        let mut store = Local::open(folder.path(), limited).unwrap().store;
        let mut changes = vec![Put {
            key: b"large".to_vec(),
            value: Some(vec![1; 30 << 10]),
        }];
        for _ in 0..120 {
            let head = store.append(&[vec![1; 1000]], Purpose::Finish).unwrap();
            store.index(head, std::mem::take(&mut changes));
            store.flush().unwrap();
        }
        let kept = snapshots(folder.path());
        let between = (frame(&kept[1]) - frame(&kept[0])) * FRAME;
        // Each is of what the index had come to: the last frame, or the one before.
        assert!(
            between.abs_diff(period) <= 2 * FRAME,
            "{between} bytes of the journal between two snapshots"
        );
    }
}

/// Fails the n-th operation on a file of a folder, once.
struct FailsAt {
    folder: &'static str,
    left: AtomicU64,
    kind: io::ErrorKind,
}

impl Faults for FailsAt {
    fn before(&self, _: Operation, path: &Path) -> io::Result<()> {
        let is_there = path.components().any(|part| part.as_os_str() == self.folder);
        if is_there && self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            return Err(self.kind.into());
        }
        Ok(())
    }
}

#[test]
fn a_disk_that_fails_at_any_moment_of_a_snapshot_costs_that_snapshot_and_nothing_else() {
    for (nth, kind) in
        (1..40).flat_map(|nth| [(nth, io::ErrorKind::StorageFull), (nth, io::ErrorKind::Other)])
    {
        let folder = folder();
        let faults = Arc::new(FailsAt {
            folder: "snapshots",
            left: AtomicU64::new(nth),
            kind,
        });
        let failing = LocalOptions {
            faults: faults.clone(),
            ..options()
        };
        let mut store = Local::open(folder.path(), failing).unwrap().store;
        write(&mut store, 100).unwrap();
        drop(store);
        assert!(
            faults.left.load(Ordering::SeqCst) > 1 << 60,
            "fault {nth} never came"
        );
        assert!(
            !snapshots(folder.path()).is_empty(),
            "another one was written later"
        );
        fs::remove_dir_all(folder.path().join("index")).unwrap();
        let opened = open(folder.path()).unwrap();
        assert_eq!(codes(&opened.warnings), Vec::<&str>::new());
        let names = snapshots(folder.path());
        assert!(
            names.iter().all(|name| name.extension().unwrap() == "snap"),
            "{names:?}"
        );
        is_whole(opened, 100);
    }
}
