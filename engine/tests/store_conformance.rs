//! Both stores keep the promises of the seam.

#![expect(clippy::unwrap_used, reason = "a test that cannot make its folder has failed")]

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use tempfile::TempDir;
use vsjob_engine::store::conformance::{self, Reopen};
use vsjob_engine::store::{
    Faults, Head, Local, LocalOptions, Memory, Opened, Operation, Purpose, Put, Scan, Store, StoreError,
};

struct MemoryStore(Memory);

impl Reopen for MemoryStore {
    fn open(&mut self) -> Result<Opened<Box<dyn Store>>, StoreError> {
        Ok(self.0.open().boxed())
    }

    fn fill(&mut self) {
        self.0.fill();
    }

    fn make_room(&mut self) {
        self.0.make_room();
    }
}

/// A disk that has no room for another segment while it is full.
#[derive(Default)]
struct FullDisk(AtomicBool);

impl Faults for FullDisk {
    fn before(&self, operation: Operation, _: &Path) -> io::Result<()> {
        if operation == Operation::Allocate && self.0.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

struct LocalStore {
    directory: TempDir,
    disk: Arc<FullDisk>,
    segment_size: u64,
    reserve: u64,
}

impl LocalStore {
    fn new(segment_size: u64, reserve: u64) -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            disk: Arc::default(),
            segment_size,
            reserve,
        }
    }
}

impl Reopen for LocalStore {
    fn open(&mut self) -> Result<Opened<Box<dyn Store>>, StoreError> {
        let options = LocalOptions {
            segment_size: self.segment_size,
            reserve: self.reserve,
            min_free: 0,
            faults: self.disk.clone(),
            ..LocalOptions::default()
        };
        Ok(Local::open(self.directory.path(), options)?.boxed())
    }

    fn fill(&mut self) {
        self.disk.0.store(true, Ordering::SeqCst);
    }

    fn make_room(&mut self) {
        self.disk.0.store(false, Ordering::SeqCst);
    }
}

#[test]
fn memory_conforms() {
    conformance::run(|| Box::new(MemoryStore(Memory::new()))).unwrap();
}

#[test]
fn local_conforms_within_one_segment() {
    conformance::run(|| Box::new(LocalStore::new(1 << 20, 1 << 20))).unwrap();
}

#[test]
fn local_conforms_over_many_segments() {
    conformance::run(|| Box::new(LocalStore::new(4096, 8000))).unwrap();
}

/// What a test may do to an index, with few enough keys that they meet.
#[derive(Clone, Debug)]
enum Act {
    Index(Vec<(u8, Option<u8>)>),
    Flush,
    Scan(Vec<u8>, Option<Vec<u8>>, usize, bool),
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![Just(0), Just(1), Just(254), Just(255)], 0..3)
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => prop::collection::vec(any::<(u8, Option<u8>)>(), 0..6).prop_map(Act::Index),
        1 => Just(Act::Flush),
        4 => (key(), prop::option::of(key()), 0..9_usize, any::<bool>())
            .prop_map(|(prefix, after, limit, newest)| Act::Scan(prefix, after, limit, newest)),
    ]
}

/// Keys that share prefixes and include the bytes at both ends.
fn spread(key: u8) -> Vec<u8> {
    let digit = |at: u32| [0, 1, 254, 255][usize::from(key >> (2 * at) & 3)];
    (0..u32::from(key % 3)).map(digit).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn local_answers_every_scan_as_memory_does(acts in prop::collection::vec(act(), 1..60)) {
        let mut stores: [Box<dyn Reopen>; 2] =
            [Box::new(LocalStore::new(65536, 0)), Box::new(MemoryStore(Memory::new()))];
        let [local, memory] = &mut stores;
        let (mut local, mut memory) = (local.open().unwrap().store, memory.open().unwrap().store);
        for act in acts {
            match act {
                Act::Index(changes) => {
                    let puts: Vec<_> = changes.iter().map(|(key, value)| Put {
                        key: spread(*key),
                        value: value.map(|value| vec![value]),
                    }).collect();
                    for store in [&mut local, &mut memory] {
                        let head: Head = store.append(&[vec![1]], Purpose::Finish).unwrap();
                        store.index(head, puts.clone());
                    }
                }
                Act::Flush => local.flush().unwrap(),
                Act::Scan(prefix, after, limit, newest_first) => {
                    let scan = Scan { prefix: &prefix, after: after.as_deref(), limit, newest_first };
                    prop_assert_eq!(
                        local.reader().scan(scan).unwrap(),
                        memory.reader().scan(scan).unwrap()
                    );
                    prop_assert_eq!(
                        local.reader().get(&prefix).unwrap(),
                        memory.reader().get(&prefix).unwrap()
                    );
                }
            }
        }
    }
}
