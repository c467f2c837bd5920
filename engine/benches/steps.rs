//! Durable steps a second, against what the disk could do: `cargo bench -p vsjob-engine --bench steps`.
//!
//! Jobs of ten steps that do nothing, one after another and a hundred at once, on the local store; beside them, in the
//! same rounds, a plain file that 200-byte records are appended to, each, or each group of 64, with its own fdatasync.
//! The folder is `VSJOB_BENCH_DIR`, or the system's temporary one: it should be on the disk that is meant.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark tells a terminal, and stops at a mistake"
)]

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vsjob_engine::store::{Local, LocalOptions};
use vsjob_engine::{
    ActionRef, Actions, Actor, Engine, HostName, JobId, NewJob, Options, Outcome, Outputs, Performing, Plan,
    Priority, Request, Retry, Step, SystemClock, Work,
};

const ROUNDS: usize = 7;
const STEPS: usize = 10;

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

fn job() -> NewJob {
    let step = Step {
        title: "nothing".to_owned(),
        action: ActionRef {
            name: "nothing".to_owned(),
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
    };
    let request = Request {
        operation: "nothing".to_owned(),
        args: Vec::new(),
        actor: Actor {
            user: "root".to_owned(),
            from: "a benchmark".to_owned(),
            reason: None,
        },
        key: None,
        priority: Priority::Normal,
        not_before: None,
    };
    NewJob {
        request,
        title: "nothing".to_owned(),
        plan: Plan {
            steps: vec![step; STEPS],
        },
        locks: Vec::new(),
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// Jobs a second, times their steps: `jobs` of them, `at_once` open at any time.
fn steps_a_second(runtime: &tokio::runtime::Runtime, engine: &Engine, jobs: usize, at_once: usize) -> f64 {
    let taken = timed(|| {
        runtime.block_on(async {
            let workers: Vec<_> = (0..at_once)
                .map(|_| {
                    let engine = engine.clone();
                    tokio::spawn(async move {
                        for _ in 0..jobs / at_once {
                            let id = engine.submit(job()).await.unwrap().id;
                            engine.ended(id).await.unwrap();
                        }
                    })
                })
                .collect();
            for worker in workers {
                worker.await.unwrap();
            }
        });
    });
    rate(jobs * STEPS, taken)
}

/// Records a second of a plain file, `group` of them with each fdatasync.
fn raw(path: &Path, records: usize, group: usize) -> f64 {
    let mut file = File::create(path).unwrap();
    let bytes = vec![7_u8; 200 * group];
    let taken = timed(|| {
        for _ in 0..records / group {
            file.write_all(&bytes).unwrap();
            file.sync_data().unwrap();
        }
    });
    rate(records, taken)
}

#[expect(clippy::cast_precision_loss, reason = "these counts are far below 2^52")]
fn rate(count: usize, taken: Duration) -> f64 {
    count as f64 / taken.as_secs_f64()
}

fn median(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[0], values[values.len() / 2], values[values.len() - 1])
}

fn main() {
    let parent = std::env::var_os("VSJOB_BENCH_DIR").map_or_else(std::env::temp_dir, Into::into);
    let folder = tempfile::tempdir_in(parent).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let guard = runtime.enter();
    let opened = Local::open(&folder.path().join("store"), LocalOptions::default()).unwrap();
    let engine = Engine::open(
        opened.boxed(),
        Arc::new(Nothing),
        Arc::new(SystemClock),
        Options::default(),
    )
    .unwrap();
    drop(guard);
    let plain = folder.path().join("plain");

    for (name, jobs, at_once, group) in [("1 at a time", 100, 1, 1), ("100 at once", 2000, 100, 64)] {
        let mut ours = Vec::new();
        let mut floor = Vec::new();
        for _ in 0..ROUNDS {
            ours.push(steps_a_second(&runtime, &engine, jobs, at_once));
            floor.push(raw(&plain, jobs * STEPS, group));
        }
        let ratios = ours
            .iter()
            .zip(&floor)
            .map(|(ours, floor)| ours / floor)
            .collect();
        for (what, unit, (low, middle, high)) in [
            ("steps", "/s", median(ours)),
            ("plain appends", "/s", median(floor)),
            ("ratio", "", median(ratios)),
        ] {
            let places = if unit.is_empty() { 2 } else { 0 };
            println!(
                "{name:>12}  {what:<14} {middle:>10.places$}{unit}  ({low:.places$} to {high:.places$})"
            );
        }
    }
    runtime.block_on(engine.close()).unwrap();
}
