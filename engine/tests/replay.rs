//! A store whose index was lost is rebuilt from the whole journal, in batches that bound the memory it takes; a master that
//! is killed in the middle of that has lost nothing, and the next one goes on where it was.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use vsjob_engine::store::{
    Head, Local, LocalOptions, Memory, Opened, Purpose, Put, Read, Record, Scan, Store, StoreError,
};
use vsjob_engine::{
    ActionRef, Actions, Actor, Clock, Engine, Entry, Epoch, Event, Filter, HostName, JobEvent, JobId, Lock,
    NewJob, Options, Outcome, Outputs, Performing, Plan, Priority, Request, Retry, Status, Step, StepNo,
    SystemClock, Timestamp, VirtualClock, Work,
};

const JOBS: usize = 2000;
/// The records of one of these jobs: itself, whether it is open, its lock and its key.
const RECORDS: usize = 4;

struct Nothing;

impl Actions for Nothing {
    fn knows(&self, _: &ActionRef) -> bool {
        true
    }

    fn perform(&self, _: Work) -> Performing {
        Box::pin(async { Outcome::Done(Outputs::new()) })
    }

    fn forget(&self, _: JobId, _: Vec<HostName>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async {})
    }
}

/// Counts what it is handed for the index, and kills its master at a certain batch.
struct Counting<S> {
    inner: S,
    batches: Arc<AtomicUsize>,
    largest: Arc<AtomicUsize>,
    dies_at: Option<usize>,
}

impl<S: Store> Counting<S> {
    fn over(opened: Opened<S>, dies_at: Option<usize>) -> Opened<Self> {
        Opened {
            store: Self {
                inner: opened.store,
                batches: Arc::default(),
                largest: Arc::default(),
                dies_at,
            },
            indexed: opened.indexed,
            warnings: opened.warnings,
        }
    }
}

impl<S: Store> Store for Counting<S> {
    fn append(&mut self, frames: &[Vec<u8>], purpose: Purpose) -> Result<Head, StoreError> {
        self.inner.append(frames, purpose)
    }

    fn admits(&mut self, purpose: Purpose) -> Result<(), StoreError> {
        self.inner.admits(purpose)
    }

    fn index(&mut self, head: Head, puts: Vec<Put>) {
        let batch = self.batches.fetch_add(1, Ordering::SeqCst) + 1;
        if self.dies_at == Some(batch) {
            panic!("killed");
        }
        self.largest.fetch_max(puts.len(), Ordering::SeqCst);
        self.inner.index(head, puts);
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.inner.flush()
    }

    fn head(&self) -> Head {
        self.inner.head()
    }

    fn reader(&self) -> Arc<dyn Read> {
        self.inner.reader()
    }
}

fn actor() -> Actor {
    Actor {
        user: "root".to_owned(),
        from: "a test".to_owned(),
        reason: None,
    }
}

fn new_job(number: usize) -> NewJob {
    NewJob {
        request: Request {
            operation: "test".to_owned(),
            args: Vec::new(),
            actor: actor(),
            key: Some(format!("key-{number}")),
            priority: Priority::Normal,
            not_before: None,
        },
        title: "a test".to_owned(),
        plan: Plan {
            steps: vec![Step {
                title: "act".to_owned(),
                action: ActionRef {
                    name: "act".to_owned(),
                    version: 1,
                },
                args: Vec::new(),
                hosts: Vec::new(),
                undo: None,
                pivot: false,
                retry: Retry::default(),
                creates: Vec::new(),
                strikes: Vec::new(),
                places: Vec::new(),
            }],
        },
        locks: vec![Lock {
            key: format!("guest/{}", number % 7),
            shared: true,
        }],
    }
}

/// A journal of many jobs that are over and one that is paused, and guests that were placed.
fn journal() -> Vec<Vec<u8>> {
    let at = Timestamp::from_millis(1_700_000_000_000);
    let epoch = Epoch {
        counter: 1,
        id: uuid::Uuid::nil(),
    };
    let mut events = vec![Event::Opened { epoch }];
    for number in 0..JOBS {
        let job = JobId::new(at);
        let new = Box::new(new_job(number));
        events.push(Event::Submitted { job, new });
        let mut happens = |event| events.push(Event::Job { job, event });
        happens(JobEvent::Started);
        if number == JOBS / 2 {
            happens(JobEvent::Paused { actor: actor() });
            continue;
        }
        let (step, outputs) = (StepNo(0), Outputs::new());
        happens(JobEvent::StepStarted {
            step,
            attempt: 1,
            epoch,
        });
        happens(JobEvent::StepSucceeded { step, outputs });
        happens(JobEvent::Succeeded);
    }
    for guest in 0..100 {
        events.push(Event::Placed {
            guest: format!("guest-{guest}"),
            host: "vsh-01".parse().unwrap(),
            actor: actor(),
        });
    }
    let entries = events.into_iter().map(|event| Entry { at, event });
    entries.map(|entry| entry.encode().unwrap()).collect()
}

fn open(opened: Opened<impl Store + 'static>) -> Engine {
    open_at(opened, Arc::new(SystemClock))
}

fn open_at(opened: Opened<impl Store + 'static>, clock: Arc<dyn Clock>) -> Engine {
    Engine::open(opened.boxed(), Arc::new(Nothing), clock, Options::default()).unwrap()
}

/// The engine knows every job; afterwards the index does too. Returns the index without what each opening changes.
async fn check(engine: Engine) -> Vec<Record> {
    let everything = Filter {
        open_only: false,
        limit: usize::MAX,
    };
    assert_eq!(engine.jobs(everything).await.unwrap().len(), JOBS);
    let open = Filter {
        open_only: true,
        ..everything
    };
    let open = engine.jobs(open).await.unwrap();
    assert!(matches!(open[..], [ref job] if matches!(job.status, Status::Paused(_))));
    assert_eq!(engine.locks().await.unwrap().len(), 1);
    assert_eq!(engine.placement().await.unwrap().len(), 100);
    assert!(engine.by_key("key-17").await.unwrap().is_some());
    let reader = engine.reader();
    engine.close().await.unwrap();
    let mut records = reader.scan(Scan::all(b"")).unwrap();
    // Of the masters themselves, which each of them writes anew.
    records.retain(|record| record.key != b"master" && record.key != b"clock");
    records
}

#[tokio::test]
async fn a_long_journal_is_replayed_in_small_batches() {
    let mut store = Memory::new();
    store.append(&journal(), Purpose::Finish).unwrap();
    let opened = Counting::over(store.open(), None);
    let (batches, largest) = (opened.store.batches.clone(), opened.store.largest.clone());
    let records = check(open(opened)).await;
    // With how many jobs there are.
    assert_eq!(records.len(), (JOBS - 1) * (RECORDS - 1) + RECORDS + 101);
    // And two records of the master itself.
    assert!(largest.load(Ordering::SeqCst) <= 512 * RECORDS + 3, "{largest:?}");
    // And some that the engine writes when it is open.
    let few = JOBS / 512..JOBS / 512 + 20;
    assert!(few.contains(&batches.load(Ordering::SeqCst)), "{batches:?}");
}

#[tokio::test]
async fn an_engine_that_has_nothing_to_do_tells_the_index_nothing() {
    let clock = VirtualClock::at(Timestamp::from_millis(1_700_000_000_000));
    let opened = Counting::over(Memory::new().open(), None);
    let batches = opened.store.batches.clone();
    let engine = open_at(opened, Arc::new(clock.clone()));
    for _ in 0..100 {
        engine.time().await.unwrap();
        for _ in 0..1000 {
            clock.advance(Duration::from_millis(1));
        }
    }
    assert_eq!(batches.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_master_that_is_killed_while_it_rebuilds_has_lost_nothing_and_the_next_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let local = |name: &str| Local::open(&folder.path().join(name), LocalOptions::default()).unwrap();
    let frames = journal();
    let mut whole = local("whole");
    whole.store.append(&frames, Purpose::Finish).unwrap();
    let expected = check(open(whole)).await;

    let mut killed = local("killed");
    killed.store.append(&frames, Purpose::Finish).unwrap();
    drop(killed);
    let mut reached = 0;
    for dies_at in [1, 3, 2] {
        let opened = local("killed");
        assert!(opened.indexed.sequence >= reached);
        reached = opened.indexed.sequence;
        let opened = Counting::over(opened, Some(dies_at));
        let killed = catch_unwind(AssertUnwindSafe(|| drop(open(opened))));
        assert!(killed.is_err());
    }
    let opened = local("killed");
    assert!(opened.indexed.sequence < frames.len() as u64, "it was not killed");
    assert_eq!(check(open(opened)).await, expected);
}
