//! What a start refuses, with the file, the byte and the frame; and what `--accept-loss` keeps of it, and sets aside.

#![expect(clippy::unwrap_used, reason = "all of it is a test")]

use std::fs;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;
use vsjob_engine::store::{
    Faults, Local, LocalOptions, Opened, Operation, Purpose, Store, StoreError, audit,
};

const SEGMENT: usize = 8 << 10;
/// Where a seal is.
const SEAL: usize = SEGMENT - 64;
/// 56 of them, of 144 bytes each, fill a segment. So two are full, the third is the last, and the fourth is prepared.
const FRAMES: u64 = 150;

fn options() -> LocalOptions {
    LocalOptions {
        segment_size: SEGMENT as u64,
        min_free: 0,
        ..LocalOptions::default()
    }
}

fn open(directory: &Path, accept_loss: bool) -> Result<Opened<Local>, StoreError> {
    let options = LocalOptions {
        accept_loss,
        ..options()
    };
    Local::open(directory, options)
}

/// Appends frames that have `byte` in them, and has the index know of them, until there are `count`.
fn write(directory: &Path, count: u64, byte: u8) {
    let mut store = open(directory, false).unwrap().store;
    while store.head().sequence < count {
        let head = store.append(&[vec![byte; 72]], Purpose::Finish).unwrap();
        store.index(head, Vec::new());
    }
    store.flush().unwrap();
}

/// One that costs no disk.
fn folder() -> TempDir {
    let here = tempfile::tempdir_in("/dev/shm");
    here.or_else(|_| tempfile::tempdir()).unwrap()
}

fn segment(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("journal/{number:08}.seg"))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(path, target).unwrap();
        }
    }
}

struct Case {
    what: &'static str,
    segment: u64,
    damage: fn(&mut Vec<u8>),
    /// The byte and the frame that a refusal names.
    place: (usize, u64),
    /// The last frame that is kept when the loss is accepted.
    kept: u64,
    /// The segments that are set aside then.
    aside: RangeInclusive<u64>,
}

fn cases() -> [Case; 16] {
    let case = |what, segment, damage, place, kept, aside| Case {
        what,
        segment,
        damage,
        place,
        kept,
        aside,
    };
    [
        case("a header", 2, |s| s[50] ^= 1, (0, 57), 56, 2..=4),
        case("another format", 2, |s| newer(s), (0, 57), 56, 2..=4),
        case("half a header", 2, |s| s.truncate(63), (0, 57), 56, 2..=4),
        case("only a header", 2, |s| s.truncate(64), (64, 57), 56, 2..=4),
        case("a seal", 2, |s| s[SEAL + 20] ^= 1, (SEAL, 57), 112, 2..=4),
        case("the end in a seal", 2, |s| late(s), (SEAL, 57), 112, 2..=4),
        case("a first frame", 2, |s| s[70] ^= 1, (64, 57), 56, 2..=4),
        case("a long file", 2, |s| s.push(0), (SEGMENT, 57), 150, 2..=2),
        case("a short file", 2, |s| s.truncate(4096), (4096, 57), 84, 2..=4),
        case("a long last", 3, |s| s.push(1), (SEGMENT, 113), 150, 3..=3),
        case("a short last", 3, |s| s.truncate(SEAL), (SEAL, 113), 150, 3..=3),
        case("a frame", 3, |s| s[1142] ^= 1, (1072, 120), 119, 3..=4),
        case("a hole", 3, |s| s[512..1024].fill(0), (496, 116), 115, 3..=4),
        case("a next header", 4, |s| s[50] ^= 1, (0, 113), 150, 3..=4),
        case("a next frame", 4, |s| s[64] = 1, (64, 113), 150, 3..=4),
        case("a next seal", 4, |s| seal(s), (64, 113), 150, 3..=4),
    ]
}

/// Writes the header of a later format.
fn newer(segment: &mut [u8]) {
    segment[7] += 1;
    finish(&mut segment[..64]);
}

/// Has the frames end in the seal.
fn late(segment: &mut [u8]) {
    segment[SEAL + 4..SEAL + 8].copy_from_slice(&8136_u32.to_le_bytes());
    finish(&mut segment[SEAL..]);
}

/// Writes the seal of a segment without frames.
fn seal(segment: &mut [u8]) {
    let seal = &mut segment[SEAL..];
    seal[..4].copy_from_slice(b"VSJe");
    seal[4] = 64;
    finish(seal);
}

/// Ends a header, or a seal, with its checksum.
fn finish(bytes: &mut [u8]) {
    let (bytes, crc) = bytes.split_at_mut(60);
    crc.copy_from_slice(&crc32fast::hash(bytes).to_le_bytes());
}

#[test]
fn a_refusal_names_the_place_and_an_accepted_loss_keeps_all_that_is_good_before_it() {
    let folder = folder();
    let whole = folder.path().join("whole");
    write(&whole, FRAMES, 1);
    for case in cases() {
        let what = case.what;
        let directory = folder.path().join(what);
        copy(&whole, &directory);
        let file = segment(&directory, case.segment);
        let mut damaged = fs::read(&file).unwrap();
        (case.damage)(&mut damaged);
        fs::write(&file, &damaged).unwrap();
        match open(&directory, false) {
            Err(StoreError::Damaged(found)) => {
                let place = (usize::try_from(found.offset).unwrap(), found.sequence);
                assert_eq!((&found.file, place), (&file, case.place), "{what}");
                let audited = audit(&directory).unwrap().damage.unwrap();
                assert_eq!(
                    (audited.file, audited.offset),
                    (found.file, found.offset),
                    "{what}"
                );
                assert_eq!(audited.sequence, found.sequence, "{what}");
            }
            other => panic!("{what}: {other:?}"),
        }
        let opened = open(&directory, true).unwrap();
        assert_eq!(opened.store.head().sequence, case.kept, "{what}");
        assert_eq!(opened.warnings[0].code, "VSJ0122", "{what}");
        drop(opened);
        let is_aside = |number: &u64| segment(&directory, *number).with_extension("lost").exists();
        assert!((1..10).filter(is_aside).eq(case.aside), "{what}");
        assert!(
            fs::read(file.with_extension("lost")).unwrap() == damaged,
            "{what}"
        );
        // It goes on from there.
        write(&directory, case.kept + 100, 2);
        assert_eq!(audit(&directory).unwrap().frames, case.kept + 100, "{what}");
    }
}

#[test]
fn a_segment_of_another_history_is_refused() {
    let folder = folder();
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    write(&one, 10, 1);
    copy(&one, &other);
    write(&one, FRAMES, 1);
    write(&other, FRAMES, 2);
    for (number, first) in [(2, 57), (3, 113)] {
        let file = segment(&one, number);
        let ours = fs::read(&file).unwrap();
        fs::copy(segment(&other, number), &file).unwrap();
        match open(&one, false) {
            Err(StoreError::Damaged(found)) => {
                assert_eq!((&found.file, found.offset, found.sequence), (&file, 64, first));
            }
            other => panic!("{other:?}"),
        }
        fs::write(&file, ours).unwrap();
    }
}

#[test]
fn a_missing_segment_is_refused_with_its_name_even_if_it_was_only_prepared() {
    for (number, kept) in [(2, 56), (4, FRAMES)] {
        let folder = folder();
        write(folder.path(), FRAMES, 1);
        let gap = segment(folder.path(), number);
        fs::rename(&gap, segment(folder.path(), 5)).unwrap();
        match open(folder.path(), false) {
            Err(StoreError::Absent { path }) => assert_eq!(path, gap),
            other => panic!("{other:?}"),
        }
        let found = audit(folder.path()).unwrap().damage.unwrap();
        assert_eq!((found.file, found.sequence), (gap, kept + 1));
        assert_eq!(open(folder.path(), true).unwrap().store.head().sequence, kept);
    }
}

#[test]
fn a_segment_that_is_too_small_for_the_first_frame_is_sealed_without_one() {
    let folder = folder();
    let with_segments_of = |segment_size| LocalOptions {
        segment_size,
        ..options()
    };
    drop(Local::open(folder.path(), with_segments_of(4 << 10)).unwrap());
    for count in [1, 2] {
        let mut store = Local::open(folder.path(), with_segments_of(16 << 10))
            .unwrap()
            .store;
        store.append(&[vec![1; 5000]], Purpose::Finish).unwrap();
        drop(store);
        assert_eq!(audit(folder.path()).unwrap().frames, count);
    }
}

#[test]
fn a_last_frame_is_refused_if_any_byte_of_its_header_is_wrong_or_it_is_not_the_next_of_its_batch() {
    let folder = folder();
    write(folder.path(), 5, 1);
    // Of which the index does not know.
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let file = segment(folder.path(), 1);
    let whole = fs::read(&file).unwrap();
    let header = 64 + 4 * 144..128 + 4 * 144;
    let flipped = header.clone().map(|at| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    });
    let mut second_of_two = whole.clone();
    second_of_two[header.start + 16..header.start + 24].copy_from_slice(&[1, 0, 0, 0, 2, 0, 0, 0]);
    finish(&mut second_of_two[header.clone()]);
    for bytes in flipped.chain([second_of_two]) {
        fs::write(&file, bytes).unwrap();
        match open(folder.path(), false) {
            Err(StoreError::Damaged(found)) => {
                assert_eq!((found.offset, found.sequence), (header.start as u64, 5));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_store_without_its_id_has_that_of_its_segments_and_one_of_another_format_is_refused() {
    let folder = folder();
    write(folder.path(), FRAMES, 1);
    let id = folder.path().join("store");
    let written = fs::read_to_string(&id).unwrap();
    fs::remove_file(&id).unwrap();
    assert_eq!(open(folder.path(), false).unwrap().store.head().sequence, FRAMES);
    assert_eq!(fs::read_to_string(&id).unwrap(), written);
    fs::remove_file(&id).unwrap();
    std::os::unix::fs::symlink(&id, &id).unwrap();
    let unreadable = open(folder.path(), false).unwrap_err();
    assert!(matches!(unreadable, StoreError::Io { .. }), "{unreadable}");
    fs::remove_file(&id).unwrap();
    for foreign in [
        "vsjob store 2\n00000000-0000-0000-0000-000000000000\n",
        "vsjob store 1\nnone\n",
        "vsjob",
    ] {
        fs::write(&id, foreign).unwrap();
        match open(folder.path(), false) {
            Err(StoreError::Foreign { path, .. }) => assert_eq!(path, id),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(open(folder.path(), true).unwrap().store.head().sequence, FRAMES);
    assert_eq!(fs::read_to_string(&id).unwrap(), written);
}

/// Fails one write of a segment.
#[derive(Default)]
struct FailsOnce(AtomicBool);

impl Faults for FailsOnce {
    fn before(&self, operation: Operation, path: &Path) -> io::Result<()> {
        let is_segment = path.extension().is_some_and(|end| end == "seg");
        if operation == Operation::Write && is_segment && !self.0.swap(true, Ordering::SeqCst) {
            return Err(io::ErrorKind::Other.into());
        }
        Ok(())
    }
}

#[test]
fn a_disk_that_fails_is_no_loss_that_could_be_accepted() {
    let folder = folder();
    write(folder.path(), FRAMES, 1);
    // What a crash has left of a batch, in the sector after the one in which it began.
    let file = segment(folder.path(), 3);
    let mut torn = fs::read(&file).unwrap();
    torn[5640] = 1;
    fs::write(&file, torn).unwrap();
    let failing = LocalOptions {
        accept_loss: true,
        faults: Arc::<FailsOnce>::default(),
        ..options()
    };
    let refusal = Local::open(folder.path(), failing).unwrap_err();
    assert!(matches!(refusal, StoreError::Io { .. }), "{refusal}");
    let opened = open(folder.path(), false).unwrap();
    assert_eq!(
        (opened.store.head().sequence, opened.warnings[0].code),
        (FRAMES, "VSJ0121")
    );
}

#[test]
fn a_segment_that_cannot_be_opened_is_not_taken_for_one_that_is_missing() {
    let folder = folder();
    write(folder.path(), FRAMES, 1);
    let file = segment(folder.path(), 2);
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink(&file, &file).unwrap();
    let refusal = open(folder.path(), true).unwrap_err();
    assert!(matches!(refusal, StoreError::Io { .. }), "{refusal}");
}

#[test]
fn what_is_damaged_behind_the_index_is_found_when_it_is_read_with_its_place() {
    let folder = folder();
    write(folder.path(), FRAMES, 1);
    let reader = open(folder.path(), false).unwrap().store.reader();
    let file = segment(folder.path(), 2);
    let whole = fs::read(&file).unwrap();
    let cases: [(Damage, u64, _); 4] = [
        (|s| s[1142] ^= 1, 56, (1072, 64)),
        (|s| s[SEAL..].fill(0), 56, (SEAL, 57)),
        (|s| s[SEAL..].fill(0), 112, (SEAL, 113)),
        (last, 56, (SEAL, 112)),
    ];
    for (damage, after, place) in cases {
        let mut damaged = whole.clone();
        damage(&mut damaged);
        fs::write(&file, damaged).unwrap();
        match reader.frames_after(after).find_map(Result::err) {
            Some(StoreError::Damaged(found)) => {
                let at = (usize::try_from(found.offset).unwrap(), found.sequence);
                assert_eq!((&found.file, at), (&file, place));
            }
            other => panic!("{other:?}"),
        }
    }
    // The last of them.
    let audited = audit(folder.path()).unwrap().damage.unwrap();
    assert_eq!((audited.offset, audited.sequence), (8128, 113));
}

/// What befalls a segment.
type Damage = fn(&mut [u8]);

/// Has the seal name another frame as the last.
fn last(segment: &mut [u8]) {
    segment[SEAL + 24] ^= 1;
    finish(&mut segment[SEAL..]);
}
