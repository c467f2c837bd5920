//! The journal stays bounded: segments that lie before both snapshots are archived, can still be read and audited there,
//! and are removed in the end; a start needs none of them; and whatever fails or is missing, what was acknowledged is kept
//! or refused.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of it is a test"
)]

mod store_bounded;
mod store_model;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use store_bounded::{SEGMENT, every, write};
use store_model::{Wrong, catch_up, check_frames, check_index, folder, payload};
use vsjob_engine::store::{
    Faults, Head, Local, LocalOptions, Opened, Operation, Store, StoreError, audit, copy, exists,
};

fn options() -> LocalOptions {
    every(4 << 10)
}

fn open(directory: &Path) -> Result<Opened<Local>, StoreError> {
    Local::open(directory, options())
}

/// A closed store of 400 frames, most of them archived.
fn written(directory: &Path, options: LocalOptions) {
    let mut store = Local::open(directory, options).unwrap().store;
    write(&mut store, 400).unwrap();
}

fn lose_index(directory: &Path) {
    fs::remove_dir_all(directory.join("index")).unwrap();
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at] ^= 1;
    fs::write(file, bytes).unwrap();
}

fn codes(opened: &Opened<Local>) -> Vec<&'static str> {
    opened.warnings.iter().map(|warning| warning.code).collect()
}

/// The state is that of all frames, once the index has caught up.
fn has_state(opened: Opened<Local>, frames: u64) -> Local {
    let mut store = opened.store;
    catch_up(&mut store, opened.indexed).unwrap();
    assert_eq!(store.head().sequence, frames);
    check_index(&*store.reader(), store.head()).unwrap();
    store
}

#[test]
fn a_journal_goes_on_beyond_its_limit_because_what_is_archived_does_not_count() {
    let folder = folder();
    let limited = LocalOptions {
        journal_limit: 8 * SEGMENT,
        ..options()
    };
    let mut store = Local::open(folder.path(), limited.clone()).unwrap().store;
    write(&mut store, 1000).unwrap();
    let usage = store.reader().usage().unwrap();
    assert!(usage.journal <= 8 * SEGMENT, "{usage:?}");
    assert!(files(&folder.path().join("archive")).len() as u64 * SEGMENT > 2 * usage.journal_limit);
    check_frames(&*store.reader(), 1000).unwrap();
    let found = store.reader().verify().unwrap();
    assert_eq!((found.first, found.frames, found.damage), (1, 1000, None));
    drop(store);
    lose_index(folder.path());
    let opened = Local::open(folder.path(), limited).unwrap();
    assert!(codes(&opened).is_empty() && opened.indexed.sequence > 900);
    let mut store = has_state(opened, 1000);
    check_frames(&*store.reader(), 1000).unwrap();
    write(&mut store, 100).unwrap();
    assert_eq!(audit(folder.path()).unwrap().frames, 1100);
}

#[test]
fn nothing_is_archived_before_there_are_two_snapshots() {
    let folder = folder();
    let seldom = every(2 * SEGMENT);
    let mut store = Local::open(folder.path(), seldom).unwrap().store;
    let snapshots = || files(&folder.path().join("snapshots")).len();
    while snapshots() < 2 {
        assert!(files(&folder.path().join("archive")).is_empty());
        write(&mut store, 4).unwrap();
    }
    assert!(!files(&folder.path().join("archive")).is_empty());
}

#[test]
fn reading_begins_at_any_archived_frame() {
    let folder = folder();
    written(folder.path(), options());
    let reader = open(folder.path()).unwrap().store.reader();
    for after in 0..400 {
        let next = reader.frames_after(after).next().unwrap().unwrap();
        assert_eq!(
            (next.head.sequence, next.payload),
            (after + 1, payload(after + 1))
        );
    }
}

#[test]
fn the_oldest_of_the_archive_is_removed_and_the_audit_says_from_where_it_verifies() {
    let folder = folder();
    let pruned = LocalOptions {
        archive_limit: 2 * SEGMENT,
        ..options()
    };
    written(folder.path(), options());
    let mut store = Local::open(folder.path(), pruned.clone()).unwrap().store;
    write(&mut store, 20).unwrap();
    drop(store);
    assert_eq!(files(&folder.path().join("archive")).len(), 2);
    let found = audit(folder.path()).unwrap();
    assert_eq!((found.damage, found.first + found.frames), (None, 421));
    lose_index(folder.path());
    let store = has_state(Local::open(folder.path(), pruned).unwrap(), 420);
    let reader = store.reader();
    assert_eq!(reader.verify().unwrap().first, found.first);
    assert_eq!(reader.frames_after(found.first - 1).count() as u64, found.frames);
    let gone = reader.frames_after(found.first - 2).next().unwrap().unwrap_err();
    assert!(
        matches!(&gone, StoreError::Absent { path } if path.starts_with(folder.path().join("archive"))),
        "{gone}"
    );
}

#[test]
fn an_archive_that_lacks_files_is_verified_as_far_back_as_it_goes_and_a_damaged_one_is_told_of() {
    let folder = folder();
    written(folder.path(), options());
    let archive = files(&folder.path().join("archive"));
    assert!(archive.len() >= 5);
    flip(&archive[3], 300);
    let damage = audit(folder.path()).unwrap().damage.unwrap();
    assert_eq!(damage.file, archive[3]);
    fs::remove_file(&archive[3]).unwrap();
    let found = audit(folder.path()).unwrap();
    assert_eq!((found.damage, found.first + found.frames), (None, 401));
    assert!(found.first > 1);
    fs::remove_dir_all(folder.path().join("archive")).unwrap();
    let without = audit(folder.path()).unwrap();
    assert!(without.damage.is_none() && without.first > found.first);
    lose_index(folder.path());
    has_state(open(folder.path()).unwrap(), 400);
}

#[test]
fn without_a_whole_snapshot_a_lost_index_is_made_from_the_archive_or_not_at_all() {
    let folder = folder();
    let directory = folder.path().join("store");
    for archive_is_whole in [true, false] {
        written(&directory, options());
        for snapshot in files(&directory.join("snapshots")) {
            flip(&snapshot, 100);
        }
        lose_index(&directory);
        if archive_is_whole {
            let opened = open(&directory).unwrap();
            assert_eq!(
                (opened.indexed, codes(&opened)),
                (Head::EMPTY, vec!["VSJ0123"; 2])
            );
            let mut store = has_state(opened, 400);
            write(&mut store, 100).unwrap();
            let kept = store.reader().usage().unwrap().journal / SEGMENT;
            assert!(kept <= 4, "{kept} segments are kept");
        } else {
            fs::remove_file(&files(&directory.join("archive"))[0]).unwrap();
            let refusal = open(&directory).unwrap_err();
            assert!(matches!(refusal, StoreError::Absent { .. }), "{refusal}");
            let accepting = LocalOptions {
                accept_loss: true,
                ..options()
            };
            let opened = Local::open(&directory, accepting).unwrap();
            assert_eq!(codes(&opened)[0], "VSJ0122");
            let last = |folder| files(&directory.join(folder)).pop().unwrap();
            assert!(
                last("journal").file_name() > last("archive").file_name(),
                "no number is used twice"
            );
            // Nothing has the state, so all begins anew; and goes on.
            let mut store = has_state(opened, 0);
            write(&mut store, 100).unwrap();
            drop(store);
            assert_eq!(audit(&directory).unwrap().frames, 100);
            has_state(open(&directory).unwrap(), 100);
        }
        fs::remove_dir_all(&directory).unwrap();
    }
}

#[test]
fn the_older_snapshot_and_what_is_kept_of_the_journal_are_enough() {
    let folder = folder();
    let seldom = LocalOptions {
        snapshot_every: 2 * SEGMENT,
        ..options()
    };
    written(folder.path(), seldom);
    lose_index(folder.path());
    fs::remove_dir_all(folder.path().join("archive")).unwrap();
    let newer = files(&folder.path().join("snapshots")).remove(1);
    flip(&newer, 100);
    let opened = open(folder.path()).unwrap();
    assert_eq!(codes(&opened), ["VSJ0123"]);
    has_state(opened, 400);
}

#[test]
fn an_index_that_is_whole_needs_no_snapshot_and_another_one_is_written_at_once() {
    let folder = folder();
    written(folder.path(), options());
    fs::remove_dir_all(folder.path().join("snapshots")).unwrap();
    fs::remove_dir_all(folder.path().join("archive")).unwrap();
    // However little of the journal is kept.
    let seldom = every(64 << 20);
    let mut store = has_state(Local::open(folder.path(), seldom).unwrap(), 400);
    write(&mut store, 1).unwrap();
    assert!(!files(&folder.path().join("snapshots")).is_empty());
}

#[test]
fn an_index_that_ended_before_what_is_kept_of_the_journal_is_made_from_the_newest_snapshot() {
    let folder = folder();
    let (index, old) = (folder.path().join("index"), folder.path().join("old"));
    let mut store = open(folder.path()).unwrap().store;
    write(&mut store, 20).unwrap();
    drop(store);
    fs::rename(&index, &old).unwrap();
    let mut store = has_state(open(folder.path()).unwrap(), 20);
    write(&mut store, 400).unwrap();
    drop(store);
    fs::remove_dir_all(&index).unwrap();
    fs::rename(&old, &index).unwrap();
    let opened = open(folder.path()).unwrap();
    assert_eq!(codes(&opened), ["VSJ0120"]);
    assert!(opened.indexed.sequence > 350, "{}", opened.indexed);
    has_state(opened, 420);
}

#[test]
fn a_store_of_which_only_snapshots_or_the_archive_are_left_is_refused() {
    for left in ["snapshots", "archive"] {
        let folder = folder();
        written(folder.path(), options());
        let journal = folder.path().join("journal");
        fs::remove_file(folder.path().join("store")).unwrap();
        for gone in ["journal", "index", "snapshots", "archive"] {
            if gone != left {
                fs::remove_dir_all(folder.path().join(gone)).unwrap();
            }
        }
        match open(folder.path()).unwrap_err() {
            StoreError::Absent { path } => assert_eq!(path, journal),
            other => panic!("{other}"),
        }
        let accepting = LocalOptions {
            accept_loss: true,
            ..options()
        };
        has_state(Local::open(folder.path(), accepting).unwrap(), 0);
    }
}

#[test]
fn a_journal_that_does_not_reach_back_to_the_older_snapshot_is_refused() {
    let folder = folder();
    for index_is_there in [true, false] {
        let directory = folder.path().join(index_is_there.to_string());
        written(&directory, options());
        if !index_is_there {
            lose_index(&directory);
        }
        let first = files(&directory.join("journal")).remove(0);
        fs::remove_file(&first).unwrap();
        match open(&directory).unwrap_err() {
            StoreError::Absent { path } => assert_eq!(path, first),
            other => panic!("{other}"),
        }
        // The state is in the newer snapshot, so no more is given up than what came after it.
        let accepting = LocalOptions {
            accept_loss: true,
            ..options()
        };
        let opened = Local::open(&directory, accepting).unwrap();
        let frames = opened.store.head().sequence;
        assert!(frames > 350, "{frames}");
        let mut store = has_state(opened, frames);
        write(&mut store, 100).unwrap();
        drop(store);
        assert_eq!(audit(&directory).unwrap().damage, None);
        has_state(open(&directory).unwrap(), frames + 100);
    }
}

#[test]
fn a_journal_that_was_begun_anew_does_not_go_on_from_what_was_archived_before() {
    for snapshots_are_left in [true, false] {
        let folder = folder();
        let directory = folder.path();
        written(directory, options());
        for segment in files(&directory.join("journal")) {
            fs::remove_file(segment).unwrap();
        }
        if !snapshots_are_left {
            fs::remove_dir_all(directory.join("snapshots")).unwrap();
            flip(&files(&directory.join("archive"))[3], 300);
        }
        lose_index(directory);
        open(directory).unwrap_err();
        let accepting = LocalOptions {
            accept_loss: true,
            ..options()
        };
        let opened = Local::open(directory, accepting).unwrap();
        let begin = opened.store.head().sequence;
        assert!(
            if snapshots_are_left {
                begin > 350
            } else {
                begin == 0
            },
            "{begin}"
        );
        let mut store = has_state(opened, begin);
        for frames in [0, 20] {
            write(&mut store, frames).unwrap();
            let found = audit(directory).unwrap();
            assert_eq!((found.damage, found.first), (None, begin + 1));
            assert_eq!(found.frames, frames);
            assert_eq!(store.reader().frames_after(begin).count() as u64, frames);
        }
        drop(store);
        has_state(open(directory).unwrap(), begin + 20);
    }
}

#[test]
fn a_copy_of_a_store_in_use_has_all_that_an_opening_needs() {
    let folder = folder();
    let from = folder.path().join("from");
    let mut store = open(&from).unwrap().store;
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| write(&mut store, 1500).unwrap());
        let mut round = 0;
        while !writer.is_finished() || round < 3 {
            let to = folder.path().join(round.to_string());
            if from.join("store").exists() {
                let copied = copy(&from, &to).unwrap();
                assert_eq!(copied.damage, None);
                has_state(open(&to).unwrap(), copied.head.sequence);
                fs::remove_dir_all(to).unwrap();
            }
            round += 1;
        }
    });
    let to = folder.path().join("last");
    assert!(exists(&from).unwrap() && !exists(&to).unwrap());
    let copied = copy(&from, &to).unwrap();
    assert!(copied.first > 1, "the archive is not copied");
    has_state(open(&to).unwrap(), 1500);
}

/// Fails the n-th operation of a snapshot or of archiving, and perhaps all that follow.
struct FailsAt {
    left: AtomicU64,
    lasting: bool,
    kind: io::ErrorKind,
}

impl Faults for FailsAt {
    fn before(&self, operation: Operation, path: &Path) -> io::Result<()> {
        let has = |name: &str| path.components().any(|part| part.as_os_str() == name);
        let archives =
            has("archive") || operation == Operation::Rename && path.extension().is_some_and(|e| e == "seg");
        if !(archives || has("snapshots")) {
            return Ok(());
        }
        let left = self.left.fetch_sub(1, Ordering::SeqCst);
        if left == 1 || self.lasting && left > u64::MAX / 2 {
            return Err(self.kind.into());
        }
        Ok(())
    }
}

#[test]
fn a_disk_that_fails_at_any_moment_of_archiving_loses_nothing_and_it_is_done_later() {
    let kinds = [io::ErrorKind::StorageFull, io::ErrorKind::Other];
    let cases = (1..60).flat_map(|nth| kinds.map(|kind| (nth, kind)));
    for (nth, kind, lasting) in cases.flat_map(|(nth, kind)| [(nth, kind, false), (nth, kind, true)]) {
        // Every second time nothing is kept of what is archived.
        let is_pruned = nth % 2 == 0;
        let archive_limit = if is_pruned { 0 } else { u64::MAX };
        let options = LocalOptions {
            archive_limit,
            ..options()
        };
        let folder = folder();
        let faults = Arc::new(FailsAt {
            left: AtomicU64::new(nth),
            lasting,
            kind,
        });
        let failing = LocalOptions {
            faults: faults.clone(),
            ..options.clone()
        };
        let mut store = Local::open(folder.path(), failing).unwrap().store;
        write(&mut store, 150).unwrap();
        drop(store);
        assert!(
            faults.left.load(Ordering::SeqCst) > u64::MAX / 2,
            "fault {nth} never came"
        );
        lose_index(folder.path());
        let mut store = has_state(Local::open(folder.path(), options).unwrap(), 150);
        write(&mut store, 150).unwrap();
        let kept = store.reader().usage().unwrap().journal / SEGMENT;
        assert!(kept <= 4, "{nth} {kind:?} {lasting}: {kept} segments are kept");
        let found = audit(folder.path()).unwrap();
        assert_eq!((found.first == 1, found.damage), (!is_pruned, None));
        assert_eq!(found.first + found.frames, 301);
        assert!(is_pruned || check_frames(&*store.reader(), 300).is_ok());
    }
}

#[test]
fn segments_that_were_swapped_or_taken_from_another_store_are_refused() {
    let folder = folder();
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    written(&other, options());
    for (from, to) in [
        ("archive", "journal"),
        ("journal", "journal"),
        ("journal", "archive"),
    ] {
        written(&one, options());
        lose_index(&one);
        let target = files(&one.join(to)).remove(0);
        let (mut ours, theirs) = (files(&one.join(from)), files(&other.join(from)));
        fs::copy(ours.remove(1), &target).unwrap();
        check_all(&one).expect_err("swapped");
        fs::copy(&theirs[0], &target).unwrap();
        check_all(&one).expect_err("of another store");
        fs::remove_dir_all(&one).unwrap();
    }
}

/// Opens a store, whose index was lost, and reads all of it.
fn check_all(directory: &Path) -> Result<(), StoreError> {
    let opened = open(directory)?;
    let mut store = opened.store;
    let checked = catch_up(&mut store, opened.indexed)
        .and_then(|()| check_index(&*store.reader(), store.head()))
        .and_then(|()| check_frames(&*store.reader(), 400));
    match checked {
        Ok(()) => Ok(()),
        Err(Wrong::Refused(error)) => Err(error),
        Err(silently) => panic!("{silently}"),
    }
}
