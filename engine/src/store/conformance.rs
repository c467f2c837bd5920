//! What every store must do, as one suite: [`run`] it against an implementation in that implementation's tests. It
//! panics, naming the behaviour, where the store does not keep its promise.

use super::{Head, Opened, Purpose, Put, Read, Record, Scan, Store, StoreError};

/// One store that can be closed, opened again, and filled up.
pub trait Reopen {
    /// Opens it; the store that was opened before has been dropped.
    fn open(&mut self) -> Result<Opened<Box<dyn Store>>, StoreError>;
    /// From now on there is no room but the reserve.
    fn fill(&mut self);
    /// There is room again.
    fn make_room(&mut self);
}

type Check = fn(&mut dyn Reopen) -> Result<(), StoreError>;

/// Runs every check, each on an empty store from `make`.
pub fn run(mut make: impl FnMut() -> Box<dyn Reopen>) -> Result<(), StoreError> {
    let checks: [Check; 10] = [
        an_empty_store_has_nothing,
        frames_are_numbered_and_linked,
        frames_survive_in_order,
        frames_after_begins_anywhere,
        an_empty_batch_changes_nothing,
        records_are_seen_at_once,
        scans_are_ordered_and_paged,
        a_flushed_index_survives_with_its_head,
        an_index_that_lags_is_at_some_earlier_head,
        a_full_store_refuses_new_work_and_lets_running_jobs_finish,
    ];
    checks.iter().try_for_each(|check| check(&mut *make()))
}

fn an_empty_store_has_nothing(store: &mut dyn Reopen) -> Result<(), StoreError> {
    let opened = store.open()?;
    let reader = opened.store.reader();
    assert_eq!(opened.indexed, Head::EMPTY);
    assert_eq!(opened.store.head(), Head::EMPTY);
    assert!(opened.warnings.is_empty(), "a new store has nothing to warn of");
    assert_eq!(reader.frames_after(0).count(), 0);
    assert_eq!(reader.get(b"k")?, None);
    assert_eq!(reader.scan(Scan::all(b""))?, []);
    assert_eq!(reader.verify()?.head, Head::EMPTY);
    Ok(())
}

fn frames_are_numbered_and_linked(store: &mut dyn Reopen) -> Result<(), StoreError> {
    let mut store = store.open()?.store;
    let first = append(&mut *store, &["a"])?;
    assert_eq!(first.sequence, 1);
    let third = append(&mut *store, &["b", "b"])?;
    assert_eq!(third.sequence, 3);
    assert_eq!(store.head(), third);
    let heads: Vec<_> = store
        .reader()
        .frames_after(0)
        .map(|frame| Ok(frame?.head))
        .collect::<Result<_, StoreError>>()?;
    assert_eq!(heads.len(), 3);
    assert_eq!((heads[0], heads[2]), (first, third));
    assert_ne!(
        heads[1].hash, heads[2].hash,
        "the hash of a frame covers the one before"
    );
    let audit = store.reader().verify()?;
    assert_eq!((audit.frames, audit.head, audit.damage), (3, third, None));
    Ok(())
}

fn frames_survive_in_order(store: &mut dyn Reopen) -> Result<(), StoreError> {
    let mut opened = store.open()?;
    let mut wanted = Vec::new();
    for batch in 0..40_u32 {
        let frames: Vec<_> = (0..batch % 5 + 1)
            .map(|n| {
                let length = usize::try_from(batch * 7 + n).unwrap_or(0);
                vec![u8::try_from(batch).unwrap_or(0); length]
            })
            .collect();
        opened.store.append(&frames, Purpose::NewWork)?;
        wanted.extend(frames);
        if batch % 10 == 9 {
            let head = opened.store.head();
            drop(opened);
            opened = store.open()?;
            assert_eq!(opened.store.head(), head);
        }
    }
    assert_eq!(payloads(&*opened.store.reader(), 0)?, wanted);
    Ok(())
}

fn frames_after_begins_anywhere(store: &mut dyn Reopen) -> Result<(), StoreError> {
    let mut store = store.open()?.store;
    for text in ["a", "b", "c", "d"] {
        append(&mut *store, &[text])?;
    }
    let reader = store.reader();
    assert_eq!(payloads(&*reader, 2)?, [b"c".to_vec(), b"d".to_vec()]);
    assert_eq!(payloads(&*reader, 3)?, [b"d".to_vec()]);
    assert_eq!(payloads(&*reader, 4)?, Vec::<Vec<u8>>::new());
    assert_eq!(payloads(&*reader, u64::MAX)?, Vec::<Vec<u8>>::new());
    Ok(())
}

fn an_empty_batch_changes_nothing(store: &mut dyn Reopen) -> Result<(), StoreError> {
    let mut store = store.open()?.store;
    assert_eq!(append(&mut *store, &[])?, Head::EMPTY);
    let head = append(&mut *store, &[""])?;
    assert_eq!(append(&mut *store, &[])?, head);
    assert_eq!(payloads(&*store.reader(), 0)?, [Vec::new()]);
    Ok(())
}

fn records_are_seen_at_once(store: &mut dyn Reopen) -> Result<(), StoreError> {
    let mut store = store.open()?.store;
    let reader = store.reader();
    let head = append(&mut *store, &["a"])?;
    store.index(head, vec![put("k", "old"), put("gone", "x")]);
    assert_eq!(reader.get(b"k")?, Some(b"old".to_vec()));
    let head = append(&mut *store, &["b"])?;
    store.index(head, vec![put("k", "new"), delete("gone"), delete("never")]);
    assert_eq!(reader.get(b"k")?, Some(b"new".to_vec()));
    assert_eq!(reader.get(b"gone")?, None);
    store.flush()?;
    assert_eq!(reader.scan(Scan::all(b""))?, [record("k", "new")]);
    Ok(())
}

fn scans_are_ordered_and_paged(store: &mut dyn Reopen) -> Result<(), StoreError> {
    let mut store = store.open()?.store;
    let head = append(&mut *store, &["a"])?;
    store.index(head, ["b/2", "a/1", "b/1"].map(|key| put(key, key)).to_vec());
    store.flush()?;
    let head = append(&mut *store, &["b"])?;
    store.index(head, ["b/3", "c/1", "b"].map(|key| put(key, key)).to_vec());
    let reader = store.reader();
    let scan = |scan: Scan<'_>| -> Result<Vec<String>, StoreError> {
        let records = reader.scan(scan)?.into_iter();
        Ok(records
            .map(|record| String::from_utf8_lossy(&record.key).into_owned())
            .collect())
    };
    assert_eq!(scan(Scan::all(b"b/"))?, ["b/1", "b/2", "b/3"]);
    assert_eq!(scan(Scan::newest(b"b/", 2))?, ["b/3", "b/2"]);
    let all = Scan::all(b"");
    assert_eq!(scan(all)?, ["a/1", "b", "b/1", "b/2", "b/3", "c/1"]);
    let after: Option<&[u8]> = Some(b"b/2");
    let limit = 2;
    assert_eq!(scan(Scan { after, limit, ..all })?, ["b/3", "c/1"]);
    let newest = Scan::newest(b"b/", usize::MAX);
    assert_eq!(scan(Scan { after, ..newest })?, ["b/1"]);
    let beyond: Option<&[u8]> = Some(b"c");
    assert_eq!(
        scan(Scan {
            after: beyond,
            ..newest
        })?,
        ["b/3", "b/2", "b/1"]
    );
    assert_eq!(
        scan(Scan {
            after: beyond,
            ..Scan::all(b"b/")
        })?,
        Vec::<String>::new()
    );
    Ok(())
}

fn a_flushed_index_survives_with_its_head(store: &mut dyn Reopen) -> Result<(), StoreError> {
    let mut opened = store.open()?;
    let head = append(&mut *opened.store, &["a", "b"])?;
    opened.store.index(head, vec![put("k", "v")]);
    opened.store.flush()?;
    append(&mut *opened.store, &["not indexed"])?;
    drop(opened);
    let opened = store.open()?;
    assert_eq!(opened.indexed, head);
    assert_eq!(opened.store.reader().scan(Scan::all(b""))?, [record("k", "v")]);
    Ok(())
}

fn an_index_that_lags_is_at_some_earlier_head(store: &mut dyn Reopen) -> Result<(), StoreError> {
    let mut opened = store.open()?;
    let mut heads = vec![Head::EMPTY];
    for n in 1..=50_u64 {
        let head = append(&mut *opened.store, &["x"])?;
        let value = n.to_string();
        opened.store.index(head, vec![put("n", &value), put(&value, "x")]);
        heads.push(head);
    }
    drop(opened);
    let opened = store.open()?;
    let at = opened.indexed.sequence;
    assert_eq!(
        heads.iter().find(|head| head.sequence == at),
        Some(&opened.indexed)
    );
    let reader = opened.store.reader();
    let n = (at > 0).then(|| at.to_string().into_bytes());
    assert_eq!(reader.get(b"n")?, n, "the index has the puts up to its head");
    let records = reader.scan(Scan::all(b""))?.len() as u64;
    assert_eq!(
        records,
        if at > 0 { at + 1 } else { 0 },
        "and none beyond its head"
    );
    assert_eq!(
        reader.frames_after(at).count() as u64,
        50 - at,
        "the rest can be replayed"
    );
    Ok(())
}

fn a_full_store_refuses_new_work_and_lets_running_jobs_finish(
    reopen: &mut dyn Reopen,
) -> Result<(), StoreError> {
    let mut store = reopen.open()?.store;
    let mut kept = vec![b"kept".to_vec()];
    store.append(&kept, Purpose::NewWork)?;
    reopen.fill();
    let work = vec![b'w'; 1000];
    // What was prepared before the disk became full may still be used.
    let refusal = loop {
        assert!(kept.len() < 10_000, "new work is refused");
        let before = store.head();
        let admitted = store.admits(Purpose::NewWork);
        match admitted.and_then(|()| store.append(std::slice::from_ref(&work), Purpose::NewWork)) {
            Ok(_) => kept.push(work.clone()),
            Err(error) => {
                assert_eq!(store.head(), before, "and none of it is kept");
                break error;
            }
        }
    };
    assert!(matches!(refusal, StoreError::Full { .. }), "{refusal}");
    store.admits(Purpose::Finish)?;
    store.append(&[b"finish".to_vec()], Purpose::Finish)?;
    reopen.make_room();
    store.admits(Purpose::NewWork)?;
    append(&mut *store, &["new"])?;
    kept.extend([b"finish".to_vec(), b"new".to_vec()]);
    drop(store);
    let store = reopen.open()?.store;
    assert_eq!(payloads(&*store.reader(), 0)?, kept);
    Ok(())
}

fn append(store: &mut dyn Store, frames: &[&str]) -> Result<Head, StoreError> {
    let frames: Vec<_> = frames.iter().map(|text| text.as_bytes().to_vec()).collect();
    store.append(&frames, Purpose::NewWork)
}

fn payloads(reader: &dyn Read, after: u64) -> Result<Vec<Vec<u8>>, StoreError> {
    reader
        .frames_after(after)
        .map(|frame| Ok(frame?.payload))
        .collect()
}

fn put(key: &str, value: &str) -> Put {
    Put {
        key: key.into(),
        value: Some(value.into()),
    }
}

fn delete(key: &str) -> Put {
    Put {
        key: key.into(),
        value: None,
    }
}

fn record(key: &str, value: &str) -> Record {
    Record {
        key: key.into(),
        value: value.into(),
    }
}
