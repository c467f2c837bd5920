//! What is over for long is forgotten, so that the index and its snapshots stay as small as they are to be.

use std::time::Duration;

use vsjob_engine::store::{Put, Scan, Store as _};
use vsjob_engine::{Command, Engine, EngineError, Filter, JobId, Mode, NewJob, Options, Status};

use crate::bench::{Answer, Bench, job, open_as, step};

const KEPT: u64 = 20;
/// More than are forgotten at once, twice.
const MANY: usize = 600;

fn options() -> Options {
    Options {
        jobs_kept: KEPT,
        ..Options::default()
    }
}

fn keyed(number: usize) -> NewJob {
    job(
        Some(&format!("key {number}")),
        &format!("guest/g{number}"),
        vec![step("a")],
    )
}

async fn all(engine: &Engine) -> Vec<JobId> {
    let everything = Filter {
        open_only: false,
        limit: usize::MAX,
    };
    let jobs = engine.jobs(everything).await.unwrap();
    jobs.iter().map(|job| job.id).collect()
}

/// One more job that is done, a moment after the one before, so that the ids are in order.
async fn done(bench: &Bench, number: usize) -> JobId {
    bench.clock.advance(Duration::from_millis(1));
    let id = bench.submit(keyed(number)).await;
    assert_eq!(bench.end(id).await.status, Status::Succeeded);
    id
}

/// The bench with a new life of the engine, which forgets; the one before has told the index all.
async fn again(mut bench: Bench) -> Bench {
    bench.engine.clone().close().await.unwrap();
    bench.engine = open_as(&bench.store, &bench.script, &bench.clock, options());
    bench
}

/// The bench with an engine that forgets, and the jobs that it did, oldest first.
async fn busy() -> (Bench, Vec<JobId>) {
    let bench = again(Bench::new()).await;
    let mut ids = Vec::new();
    for number in 0..MANY {
        ids.push(done(&bench, number).await);
    }
    (bench, ids)
}

#[tokio::test]
async fn the_oldest_jobs_are_forgotten_with_all_that_tells_of_them_and_the_newest_stay() {
    let (bench, ids) = busy().await;
    // What is in memory goes to the index with the last entries.
    bench.engine.clone().close().await.unwrap();
    let reader = bench.store.reader();
    let records = reader.scan(Scan::all(b"")).unwrap();
    let of = |prefix: &[u8]| {
        records
            .iter()
            .filter(|record| record.key.starts_with(prefix))
            .count()
    };
    let known = of(b"job/");
    assert!((KEPT as usize..KEPT as usize + 300).contains(&known), "{known}");
    assert_eq!((of(b"key/"), of(b"by/"), of(b"open/")), (known, known, 0));

    let engine = open_as(&bench.store, &bench.script, &bench.clock, options());
    let newest_first: Vec<_> = ids.iter().rev().take(known).copied().collect();
    assert_eq!(all(&engine).await, newest_first);
    assert!(matches!(
        engine.history(ids[0]).await,
        Err(EngineError::UnknownJob(_))
    ));
    assert_eq!(engine.history(ids[MANY - 1]).await.unwrap().len(), 5);
    // Its key is anybody's.
    assert!(engine.submit(keyed(0)).await.unwrap().new);
    assert!(!engine.submit(keyed(MANY - 1)).await.unwrap().new);
}

#[tokio::test]
async fn nothing_that_is_as_young_as_an_open_job_is_forgotten() {
    let mut bench = again(Bench::new()).await;
    bench.script.put("slow", Mode::Do, Answer::Never);
    done(&bench, MANY).await;
    bench.clock.advance(Duration::from_millis(1));
    let slow = bench.submit(job(None, "guest/slow", vec![step("slow")])).await;
    for number in 0..MANY {
        done(&bench, number).await;
    }
    bench.order(slow, Command::Pause).await;
    bench = again(bench).await;
    let known = all(&bench.engine).await;
    assert!(
        known.len() == MANY + 1 && known.last() == Some(&slow),
        "{}",
        known.len()
    );

    bench.order(slow, Command::Cancel).await;
    // So many are younger that it may be forgotten as soon as it is over.
    let open = async || {
        let view = bench.engine.job(slow).await.unwrap();
        view.is_some_and(|view| !view.job.status.is_over())
    };
    while open().await {
        bench.clock.advance(Duration::from_millis(50));
        tokio::task::yield_now().await;
    }
    for number in MANY + 1..2 * MANY {
        done(&bench, number).await;
    }
    bench = again(bench).await;
    let known = all(&bench.engine).await;
    assert!(
        known.len() < KEPT as usize + 300 && !known.contains(&slow),
        "{}",
        known.len()
    );
}

#[tokio::test]
async fn one_life_forgets_again_and_again() {
    let bench = again(Bench::new()).await;
    // Its index is told, and it forgets, after each eight hundred or so.
    for number in 0..2600 {
        done(&bench, number).await;
    }
    let known = all(&bench.engine).await.len();
    assert!(known < 1500, "{known}");
}

#[tokio::test]
async fn a_master_that_finds_as_many_jobs_as_are_kept_forgets_none() {
    let mut bench = Bench::new();
    for number in 0..100 {
        done(&bench, number).await;
    }
    for _ in 0..3 {
        bench = again(again(bench).await).await;
        assert_eq!(all(&bench.engine).await.len(), KEPT as usize);
    }
}

#[tokio::test]
async fn an_index_that_counts_no_jobs_is_counted_once() {
    let (bench, _) = busy().await;
    bench.engine.clone().close().await.unwrap();
    let mut store = bench.store.open().boxed().store;
    let put = Put {
        key: b"jobs".to_vec(),
        value: None,
    };
    store.index(store.head(), vec![put]);
    drop(store);
    let engine = open_as(
        &bench.store,
        &bench.script,
        &bench.clock,
        Options {
            jobs_kept: 1,
            ..options()
        },
    );
    for number in MANY..MANY + 2 {
        let id = engine.submit(keyed(number)).await.unwrap().id;
        engine.ended(id).await.unwrap();
    }
    engine.close().await.unwrap();
    let records = bench.store.reader().scan(Scan::all(b"job/")).unwrap();
    assert!(records.len() <= 2, "{}", records.len());
}
