//! The engine against a pool in which everything goes wrong that can, on virtual time: several jobs that want the same,
//! hosts that go away, lost, late and doubled answers, operators who cancel, pause and resume, clocks that are set, schedules, and
//! a master that dies between any two events, with the last entries durable or not. Then all heals, and every job must
//! find its end: done or as before. What may never be seen on the way is in `laws.rs`.
//!
//! `VSJOB_SEEDS=FROM..TO` runs those seeds instead of the usual ones; a seed that fails is run again and tells its
//! story. That the laws see what they are for is shown by `tests/planted`, which plants a bug at a time in the engine.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod jobs;
mod laws;
mod master;
mod pool;
mod story;

use std::ops::Range;
use std::time::Duration;

use vsjob_engine::{Moment, Options, Status, Timestamp};

use crate::master::Master;
use crate::story::{Helped, Story};

/// Some seconds in a build without optimization.
const SEEDS: Range<u64> = 0..6_000;

#[test]
fn whatever_happens_every_job_is_done_or_as_before() {
    let seeds = wanted_seeds();
    let (mut entries, mut lives, mut jobs, mut fired) = (0, 0, 0, 0);
    let mut helped = Helped::default();
    for seed in seeds.clone() {
        let mut story = Story::new(seed, false);
        if let Err(broken) = story.run() {
            let mut again = Story::new(seed, true);
            let told = again.run();
            assert_eq!(told, Err(broken.clone()), "seed {seed} is not the same twice");
            panic!("{}\nseed {seed}: {broken}", again.told().join("\n"));
        }
        let (more_entries, more_lives, more_jobs) = story.counts();
        entries += more_entries;
        lives += more_lives;
        jobs += more_jobs;
        fired += story.fired();
        helped.skipped += story.helped.skipped;
        helped.abandoned += story.helped.abandoned;
        helped.turned_back += story.helped.turned_back;
    }
    // A simulation in which little happens proves little.
    let count = seeds.end - seeds.start;
    println!(
        "{count} seeds: {jobs} jobs, {fired} of schedules, {lives} lives of masters, {entries} entries, {helped:?}"
    );
    assert!(
        helped.skipped > count / 50 && helped.abandoned > count / 50 && helped.turned_back > count / 100,
        "too few were helped"
    );
    assert!(
        jobs > count && fired > count / 20 && lives > count && entries > 20 * count,
        "too little happened"
    );
}

#[test]
fn a_part_of_a_millisecond_is_waited_for() {
    let at = |millis: i64, micros| Moment {
        wall: Timestamp::from_millis(1_764_000_000_000 + millis),
        steady: Duration::from_micros(micros),
    };
    let mut core = Master::begin(Options::default(), at(0, 0)).core;
    let mut new = jobs::probe(&[jobs::host(0)], Vec::new());
    new.request.not_before = Some(at(5, 0).wall);
    let (id, _) = core.submit(jobs::id(1), new).expect("a job");
    core.tick(at(4, 4_500));
    assert!(core.next_alarm().is_some_and(|alarm| alarm > core.now()));
    core.tick(at(6, 6_000));
    assert_eq!(core.world().jobs[&id].status, Status::Running);
}

fn wanted_seeds() -> Range<u64> {
    let Ok(wanted) = std::env::var("VSJOB_SEEDS") else {
        return SEEDS;
    };
    let parts = wanted
        .split_once("..")
        .map(|(from, to)| (from.parse(), to.parse()));
    let Some((Ok(from), Ok(to))) = parts else {
        panic!("VSJOB_SEEDS is FROM..TO, not `{wanted}`");
    };
    from..to
}
