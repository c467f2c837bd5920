//! A disk that fails, fills up or loses its power, a second master, and the audit of a store that is in use.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "all of it is a test")]

mod store_model;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;

use store_model::{batch, catch_up, check_frames, check_index, folder, puts};
use vsjob_engine::store::{
    Faults, Head, Local, LocalOptions, Opened, Operation, Purpose, Scan, Store, StoreError, audit,
};

/// Fails one kind of operation.
#[derive(Default)]
struct Failing(Mutex<Option<Fault>>);

struct Fault {
    operation: Operation,
    /// Which one of them is the first to fail, from 1.
    nth: u64,
    /// Whether all after it fail, too.
    lasting: bool,
    kind: io::ErrorKind,
}

impl Failing {
    fn all(&self, operation: Operation, kind: io::ErrorKind) {
        self.set(operation, 1, true, kind);
    }

    fn set(&self, operation: Operation, nth: u64, lasting: bool, kind: io::ErrorKind) {
        *self.0.lock().unwrap() = Some(Fault {
            operation,
            nth,
            lasting,
            kind,
        });
    }

    fn heal(&self) {
        *self.0.lock().unwrap() = None;
    }
}

impl Faults for Failing {
    fn before(&self, operation: Operation, _: &Path) -> io::Result<()> {
        let mut fault = self.0.lock().unwrap();
        let Some(fault) = fault.as_mut().filter(|fault| fault.operation == operation) else {
            return Ok(());
        };
        let fails = fault.nth == 1 || fault.lasting && fault.nth == 0;
        fault.nth = fault.nth.saturating_sub(1);
        if fails { Err(fault.kind.into()) } else { Ok(()) }
    }
}

fn options(faults: Arc<Failing>) -> LocalOptions {
    LocalOptions {
        segment_size: 8 << 10,
        reserve: 2 << 10,
        min_free: 0,
        snapshot_every: 6 << 10,
        faults,
        ..LocalOptions::default()
    }
}

fn open(directory: &Path) -> Result<Opened<Local>, StoreError> {
    Local::open(directory, options(Arc::default()))
}

fn write(store: &mut Local, count: u64) -> Head {
    try_write(store, count).unwrap()
}

fn try_write(store: &mut Local, count: u64) -> Result<Head, StoreError> {
    let before = store.head();
    let head = store.append(&batch(before, count), Purpose::NewWork)?;
    store.index(
        head,
        (before.sequence + 1..=head.sequence).flat_map(puts).collect(),
    );
    Ok(head)
}

fn last_segment(directory: &Path) -> PathBuf {
    let mut segments: Vec<_> = fs::read_dir(directory.join("journal"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        // One that is being prepared may be empty yet.
        .filter(|path| fs::read(path).unwrap().get(64).is_some_and(|byte| *byte != 0))
        .collect();
    segments.sort();
    segments.pop().unwrap()
}

/// Where the written part of a file ends.
fn end(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|&byte| byte != 0).unwrap() + 1
}

#[test]
fn a_failed_fdatasync_is_final() {
    let folder = folder();
    let faults: Arc<Failing> = Arc::default();
    let mut store = Local::open(folder.path(), options(faults.clone())).unwrap().store;
    let kept = write(&mut store, 3);
    faults.all(Operation::Sync, io::ErrorKind::Other);
    let failed = store.append(&batch(kept, 1), Purpose::Finish).unwrap_err();
    assert!(matches!(failed, StoreError::Unsynced { .. }), "{failed}");
    assert!(!failed.is_refusal());
    faults.heal();
    let again = store.append(&batch(kept, 1), Purpose::Finish).unwrap_err();
    assert!(matches!(again, StoreError::Stopped), "{again}");
    assert_eq!(
        store.reader().frames_after(0).count(),
        3,
        "readers see only what is durable"
    );
    drop(store);
    check_frames(&*open(folder.path()).unwrap().store.reader(), 3).unwrap();
}

#[test]
fn a_write_that_fails_though_there_is_room_is_final() {
    for nth in 1..10 {
        let folder = folder();
        let faults: Arc<Failing> = Arc::default();
        let mut store = Local::open(folder.path(), options(faults.clone())).unwrap().store;
        faults.set(Operation::Write, nth, false, io::ErrorKind::Other);
        let (kept, failed) = loop {
            let before = store.head();
            if let Err(error) = try_write(&mut store, 1) {
                break (before, error);
            }
        };
        assert!(!failed.is_refusal(), "{nth}: {failed}");
        let again = store.append(&batch(kept, 1), Purpose::Finish).unwrap_err();
        assert!(matches!(again, StoreError::Stopped), "{nth}: {again}");
        drop(store);
        check_frames(&*open(folder.path()).unwrap().store.reader(), kept.sequence).unwrap();
    }
}

#[test]
fn a_segment_that_cannot_be_made_on_a_disk_with_room_is_final() {
    let folder = folder();
    let faults: Arc<Failing> = Arc::default();
    faults.all(Operation::Allocate, io::ErrorKind::Other);
    drop(open(folder.path()).unwrap());
    fs::remove_file(folder.path().join("journal/00000002.seg")).unwrap();
    let mut store = Local::open(folder.path(), options(faults.clone())).unwrap().store;
    let failed = loop {
        let before = store.head();
        if let Err(error) = store.append(&batch(before, 1), Purpose::Finish) {
            break error;
        }
    };
    assert!(
        matches!(failed, StoreError::Io { .. }) && !failed.is_refusal(),
        "{failed}"
    );
    faults.heal();
    let again = store
        .append(&batch(store.head(), 1), Purpose::Finish)
        .unwrap_err();
    assert!(matches!(again, StoreError::Stopped), "{again}");
}

#[test]
fn a_disk_that_fills_up_at_any_write_loses_nothing_and_goes_on_when_there_is_room() {
    let mut refused = 0;
    for (nth, lasting) in (1..30).flat_map(|nth| [(nth, false), (nth, true)]) {
        let folder = folder();
        let faults: Arc<Failing> = Arc::default();
        let mut store = Local::open(folder.path(), options(faults.clone())).unwrap().store;
        write(&mut store, 2);
        faults.set(Operation::Write, nth, lasting, io::ErrorKind::StorageFull);
        let mut failure = None;
        while failure.is_none() && store.head().sequence < 400 {
            let before = store.head();
            failure = try_write(&mut store, 3).err();
            assert!(failure.is_none() || store.head() == before, "{nth} {lasting}");
        }
        faults.heal();
        if failure.is_none_or(|failure| failure.is_refusal()) {
            refused += 1;
            write(&mut store, 3);
        }
        let acknowledged = store.head().sequence;
        drop(store);
        let opened = open(folder.path()).unwrap();
        let mut store = opened.store;
        check_frames(&*store.reader(), acknowledged).unwrap();
        catch_up(&mut store, opened.indexed).unwrap();
        check_index(&*store.reader(), store.head()).unwrap();
    }
    assert!(refused > 20, "{refused} times the store went on");
}

#[test]
fn a_full_disk_keeps_the_reserve_for_running_jobs_to_the_last_byte() {
    let folder = folder();
    let faults: Arc<Failing> = Arc::default();
    let mut store = Local::open(folder.path(), options(faults.clone())).unwrap().store;
    faults.all(Operation::Allocate, io::ErrorKind::StorageFull);
    let frame = [vec![1; 72]];
    let room = |store: &Local| store.reader().usage().unwrap().room;
    for purpose in [Purpose::NewWork, Purpose::Finish] {
        let refusal = loop {
            if let Err(error) = store.append(&frame, purpose) {
                break error;
            }
        };
        assert!(matches!(refusal, StoreError::Full { .. }), "{refusal}");
        let reserve = if purpose == Purpose::NewWork { 2 << 10 } else { 0 };
        let left = room(&store);
        assert!((reserve..reserve + 144).contains(&left), "{left} bytes are left");
    }
}

#[test]
fn an_index_that_has_no_room_waits_in_memory_and_holds_up_nobody() {
    let folder = folder();
    let full = LocalOptions {
        index_room: u64::MAX,
        backlog: 1,
        ..options(Arc::default())
    };
    let mut store = Local::open(folder.path(), full).unwrap().store;
    let head = write(&mut store, 1);
    assert_eq!(
        store.reader().usage().unwrap().index_backlog,
        puts(1).len() as u64
    );
    assert_eq!(head.sequence, 1);
    let head = write(&mut store, 49);
    check_index(&*store.reader(), head).unwrap();
    store.flush().unwrap();
    drop(store);
    let opened = open(folder.path()).unwrap();
    let mut store = opened.store;
    assert_eq!(opened.indexed, Head::EMPTY);
    catch_up(&mut store, opened.indexed).unwrap();
    check_index(&*store.reader(), head).unwrap();
}

#[test]
fn a_journal_at_its_limit_refuses_new_work_and_lets_running_jobs_finish() {
    let folder = folder();
    let limited = LocalOptions {
        journal_limit: 20 << 10,
        ..options(Arc::default())
    };
    let mut store = Local::open(folder.path(), limited).unwrap().store;
    let refusal = loop {
        let before = store.head();
        if let Err(error) = store.append(&batch(before, 4), Purpose::NewWork) {
            break error;
        }
    };
    assert!(matches!(refusal, StoreError::Limit { .. }), "{refusal}");
    assert!(store.reader().usage().unwrap().journal <= 32 << 10);
    let before = store.head();
    store.append(&batch(before, 50), Purpose::Finish).unwrap();
}

#[test]
fn new_work_is_taken_up_to_the_last_byte_of_the_limit() {
    let folder = folder();
    let limited = LocalOptions {
        // A segment takes 56 of the frames below, and half of one 28.
        journal_limit: 12 << 10,
        ..options(Arc::default())
    };
    let mut store = Local::open(folder.path(), limited).unwrap().store;
    let frame = [vec![1; 72]];
    for _ in 0..56 + 28 {
        store.append(&frame, Purpose::NewWork).unwrap();
    }
    for refusal in [
        store.admits(Purpose::NewWork).unwrap_err(),
        store.append(&frame, Purpose::NewWork).unwrap_err(),
    ] {
        assert!(matches!(refusal, StoreError::Limit { .. }), "{refusal}");
    }
    store.admits(Purpose::Finish).unwrap();
    store.append(&frame, Purpose::Finish).unwrap();
}

#[test]
fn with_less_free_space_than_is_wanted_only_running_jobs_go_on() {
    let folder = folder();
    let full = LocalOptions {
        min_free: u64::MAX,
        ..options(Arc::default())
    };
    let mut store = Local::open(folder.path(), full).unwrap().store;
    for refusal in [
        store.admits(Purpose::NewWork).unwrap_err(),
        store
            .append(&batch(Head::EMPTY, 1), Purpose::NewWork)
            .unwrap_err(),
    ] {
        assert!(matches!(refusal, StoreError::Full { .. }), "{refusal}");
    }
    store.admits(Purpose::Finish).unwrap();
    store.append(&batch(Head::EMPTY, 1), Purpose::Finish).unwrap();
}

#[test]
fn a_master_that_starts_on_a_full_disk_has_all_the_room_that_was_prepared_before() {
    // A segment takes 56 of these frames.
    let prepared = 2 * 56;
    for at_once in [1, prepared] {
        let folder = folder();
        drop(open(folder.path()).unwrap());
        let faults: Arc<Failing> = Arc::default();
        faults.all(Operation::Allocate, io::ErrorKind::StorageFull);
        let mut store = Local::open(folder.path(), options(faults)).unwrap().store;
        for left in (0..prepared).rev().step_by(at_once) {
            store
                .append(&vec![vec![1; 72]; at_once], Purpose::Finish)
                .unwrap();
            let usage = store.reader().usage().unwrap();
            assert_eq!(usage.journal, 2 * (8 << 10));
            assert_eq!(usage.room, (left + 1 - at_once) as u64 * 144, "{at_once}");
        }
        let refusal = store.append(&[Vec::new()], Purpose::Finish).unwrap_err();
        assert!(matches!(refusal, StoreError::Full { .. }), "{refusal}");
    }
}

#[test]
fn a_frame_larger_than_a_segment_is_refused_and_a_batch_larger_than_one_is_spread() {
    let folder = folder();
    let mut store = open(folder.path()).unwrap().store;
    let refusal = store.append(&[vec![1; 9000]], Purpose::NewWork).unwrap_err();
    assert!(matches!(refusal, StoreError::TooLarge { .. }), "{refusal}");
    let head = write(&mut store, 200);
    drop(store);
    let store = open(folder.path()).unwrap().store;
    assert_eq!(store.head(), head);
    check_frames(&*store.reader(), 200).unwrap();
    assert_eq!(store.reader().verify().unwrap().frames, 200);
}

#[test]
fn a_batch_at_the_end_of_a_segment_is_kept_as_a_whole_or_not_at_all() {
    let mut fates = [0, 0];
    for (operation, nth) in [Operation::Write, Operation::Sync]
        .into_iter()
        .flat_map(|operation| (1..4).map(move |nth| (operation, nth)))
    {
        let folder = folder();
        let faults: Arc<Failing> = Arc::default();
        let mut store = Local::open(folder.path(), options(faults.clone())).unwrap().store;
        // One more of them would fill the segment.
        for _ in 0..55 {
            store.append(&[vec![1; 72]], Purpose::Finish).unwrap();
        }
        faults.set(operation, nth, false, io::ErrorKind::Other);
        let appended = store.append(&vec![vec![1; 72]; 3], Purpose::Finish);
        drop(store);
        let found = open(folder.path()).unwrap().store.head().sequence;
        assert!(
            [55, 58].contains(&found),
            "{found} frames after {operation:?} {nth}"
        );
        match appended {
            Ok(_) => assert_eq!(found, 58),
            Err(error) => assert!(!error.is_refusal(), "{error}"),
        }
        fates[usize::from(found == 58)] += 1;
    }
    assert!(fates[0] > 0 && fates[1] > 0, "{fates:?}");
}

#[test]
fn a_batch_torn_at_any_sector_is_cut_as_a_whole_with_a_warning() {
    let folder = folder();
    let directory = folder.path().join("whole");
    let mut store = open(&directory).unwrap().store;
    let kept = write(&mut store, 4);
    store.flush().unwrap();
    let segment = last_segment(&directory);
    let before = fs::read(&segment).unwrap();
    // Not indexed: the index must not know of a batch that was never acknowledged.
    store.append(&batch(kept, 12), Purpose::NewWork).unwrap();
    drop(store);
    let after = fs::read(&segment).unwrap();
    let sectors: Vec<_> = (end(&before) / 512..=end(&after) / 512).collect();
    for lost in &sectors {
        let mut torn = after.clone();
        torn[lost * 512..(lost + 1) * 512].copy_from_slice(&before[lost * 512..(lost + 1) * 512]);
        fs::write(&segment, torn).unwrap();
        assert_eq!(audit(&directory).unwrap().damage, None);
        let opened = open(&directory).unwrap();
        assert_eq!(opened.store.head(), kept);
        assert_eq!(
            opened
                .warnings
                .iter()
                .map(|warning| warning.code)
                .collect::<Vec<_>>(),
            ["VSJ0121"]
        );
        drop(opened);
        assert!(fs::read(&segment).unwrap() == before, "nothing of it is left");
    }
    assert!(sectors.len() >= 4);
}

#[test]
fn only_an_index_that_was_flushed_last_of_all_is_marked_as_clean() {
    let folder = folder();
    let mark = || fs::read_to_string(folder.path().join("index.mark")).unwrap();
    let mut store = open(folder.path()).unwrap().store;
    write(&mut store, 5);
    store.flush().unwrap();
    let usage = store.reader().usage().unwrap();
    assert!(usage.index > 1 && usage.index_backlog == 0, "{usage:?}");
    drop(store);
    assert_eq!(mark(), "clean\n");
    let mut store = open(folder.path()).unwrap().store;
    store.flush().unwrap();
    write(&mut store, 5);
    drop(store);
    assert!(mark().starts_with("open "));
}

#[test]
fn an_index_that_a_power_cut_found_open_is_rebuilt() {
    let folder = folder();
    let mut store = open(folder.path()).unwrap().store;
    let head = write(&mut store, 20);
    drop(store);
    fs::write(folder.path().join("index.mark"), "open another-boot\n").unwrap();
    let opened = open(folder.path()).unwrap();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let mark = fs::read_to_string(folder.path().join("index.mark")).unwrap();
    assert_eq!(mark, format!("open {boot}"));
    assert_eq!(opened.indexed, Head::EMPTY);
    assert_eq!(opened.warnings[0].code, "VSJ0120");
    let mut store = opened.store;
    assert_eq!(store.reader().scan(Scan::all(b"")).unwrap(), []);
    catch_up(&mut store, Head::EMPTY).unwrap();
    check_index(&*store.reader(), head).unwrap();
    assert!(folder.path().join("index.aside").is_dir());
}

#[test]
fn an_index_that_is_ahead_is_refused_until_the_loss_is_accepted() {
    let folder = folder();
    let mut store = open(folder.path()).unwrap().store;
    write(&mut store, 20);
    let segment = last_segment(folder.path());
    let older = fs::read(&segment).unwrap();
    write(&mut store, 2);
    store.flush().unwrap();
    drop(store);
    fs::write(&segment, older).unwrap();
    let refusal = open(folder.path()).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "acknowledged records are missing: the index knows frame 22, the journal ends at frame 20"
    );
    let accepting = LocalOptions {
        accept_loss: true,
        ..options(Arc::default())
    };
    let opened = Local::open(folder.path(), accepting).unwrap();
    assert_eq!((opened.indexed, opened.store.head().sequence), (Head::EMPTY, 20));
    assert_eq!(opened.warnings[0].code, "VSJ0122");
}

#[test]
fn an_index_of_another_history_is_refused() {
    let folder = folder();
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    for directory in [&one, &other] {
        let mut store = open(directory).unwrap().store;
        let odd = Vec::from(directory.to_string_lossy().as_bytes());
        let head = store.append(&[odd], Purpose::NewWork).unwrap();
        store.index(head, Vec::new());
        store.flush().unwrap();
    }
    fs::remove_dir_all(one.join("index")).unwrap();
    fs::rename(other.join("index"), one.join("index")).unwrap();
    let refusal = open(&one).unwrap_err();
    assert!(matches!(refusal, StoreError::Diverged { .. }), "{refusal}");
}

#[test]
fn a_second_master_is_told_who_the_first_is() {
    let folder = folder();
    let first = open(folder.path()).unwrap();
    fs::remove_file(folder.path().join("lock")).unwrap();
    assert!(matches!(
        open(folder.path()),
        Err(StoreError::Locked { pid: None, .. })
    ));
    drop(first);
    let _first = open(folder.path()).unwrap();
    let refusal = open(folder.path()).unwrap_err().to_string();
    assert!(refusal.contains("a master is already running"), "{refusal}");
    assert!(
        refusal.ends_with(&format!("pid {}", std::process::id())),
        "{refusal}"
    );
}

#[test]
fn a_lock_that_a_killed_master_has_left_with_a_child_is_waited_for() {
    let folder = folder();
    drop(open(folder.path()).unwrap());
    let mut dead = std::process::Command::new("true").spawn().unwrap();
    dead.wait().unwrap();
    fs::write(folder.path().join("lock"), format!("{}\n", dead.id())).unwrap();
    let of_child = fs::File::open(folder.path()).unwrap();
    of_child.try_lock().unwrap();
    let path = folder.path().to_path_buf();
    let opening = std::thread::spawn(move || open(&path).map(drop));
    std::thread::park_timeout(std::time::Duration::from_millis(100));
    assert!(!opening.is_finished(), "it does not wait");
    drop(of_child);
    opening.join().unwrap().unwrap();
}

#[test]
fn what_sled_leaves_after_a_kill_while_opening_does_not_keep_the_store_closed() {
    let folder = folder();
    let mut store = open(folder.path()).unwrap().store;
    let head = write(&mut store, 5);
    store.flush().unwrap();
    drop(store);
    fs::write(
        folder.path().join("index/snap.0000000000000000.generating"),
        "half",
    )
    .unwrap();
    let opened = open(folder.path()).unwrap();
    assert!(opened.warnings.is_empty());
    check_index(&*opened.store.reader(), head).unwrap();
}

#[test]
fn a_store_in_use_is_audited_without_disturbing_it() {
    let folder = folder();
    let mut store = open(folder.path()).unwrap().store;
    let reader = store.reader();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for _ in 0..150 {
                write(&mut store, 5);
            }
        });
        while !writer.is_finished() {
            let inside = reader.verify().unwrap();
            let outside = audit(folder.path()).unwrap();
            assert_eq!((inside.damage, outside.damage), (None, None));
            assert!(outside.frames >= inside.frames);
        }
    });
    assert_eq!(audit(folder.path()).unwrap().head, store.head());
    assert_eq!(reader.verify().unwrap().frames, 750);
}

#[test]
fn an_audit_names_the_file_and_the_place_of_the_first_damage() {
    let folder = folder();
    let mut store = open(folder.path()).unwrap().store;
    write(&mut store, 10);
    write(&mut store, 90);
    drop(store);
    let segment = folder.path().join("journal/00000001.seg");
    let mut bytes = fs::read(&segment).unwrap();
    let place = bytes.windows(8).position(|window| window == b"frame 3 ").unwrap();
    bytes[place] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let found = audit(folder.path()).unwrap();
    let damage = found.damage.unwrap();
    assert_eq!((found.frames, damage.sequence, damage.file), (2, 3, segment));
    assert_eq!(damage.offset, place as u64 - 64);
}
