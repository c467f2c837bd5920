//! The crash matrix of an operation: the master dies by SIGKILL right before and right after each of its durable
//! writes, while the job goes forward, and, with a failure at each step before the pivot, while it unwinds. Then a new
//! master goes on, and the world must be *done* or *as before*.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, ensure};
use vsjob_engine::{Status, StepNo};

use crate::master::{Crash, Failing, Life, Report};

/// What a matrix is made of: a fresh world for each point, and what must hold in it afterwards.
pub trait Subject: Sync {
    /// A pool with what the operation needs, not yet begun.
    type World;

    /// Makes a fresh world.
    ///
    /// # Errors
    /// It cannot be made.
    fn world(&self) -> anyhow::Result<Self::World>;

    /// The first life of the master in that world, undisturbed.
    fn life(&self, world: &Self::World) -> Life;

    /// Checks that the operation is done.
    ///
    /// # Errors
    /// Says what is not as it should be.
    fn is_done(&self, world: &Self::World, report: &Report) -> anyhow::Result<()>;

    /// Checks that everything is as before.
    ///
    /// # Errors
    /// Says what is not as it should be.
    fn is_as_before(&self, world: &Self::World, report: &Report) -> anyhow::Result<()>;
}

/// How many points a matrix had; each was reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Crash points on the way forward.
    pub forward: usize,
    /// Crash points while unwinding.
    pub unwinding: usize,
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} crash points forward, {} while unwinding",
            self.forward, self.unwinding
        )
    }
}

/// One point: a failure, or none, and a crash.
#[derive(Clone, Copy, Debug)]
struct Point {
    failing: Option<Failing>,
    crash: Crash,
}

/// Tries every point of the operation.
///
/// # Errors
/// Every point that did not end well, or was not reached.
pub fn crash_matrix<S: Subject>(subject: &S) -> anyhow::Result<Counts> {
    let undisturbed = run(subject, None, None)?.context("an undisturbed life died")?;
    ensure!(
        undisturbed.status == Status::Succeeded,
        "undisturbed, it ended as {undisturbed:#?}"
    );
    let mut points = around(None, 1, undisturbed.appends);
    let forward = points.len();
    let mut failures = Vec::new();
    for step in 0..undisturbed.before_pivot {
        for late in [false, true] {
            let failing = Failing {
                step: StepNo(u16::try_from(step)?),
                late,
            };
            match unwound(subject, failing) {
                Ok(failed) => points.extend(around(Some(failing), failed.unwinding_from, failed.appends)),
                Err(error) => failures.push(format!("{failing:?}: {error:#}")),
            }
        }
    }
    let counts = Counts {
        forward,
        unwinding: points.len() - forward,
    };
    failures.extend(try_all(subject, &points));
    ensure!(
        failures.is_empty(),
        "{} of {} points ended badly:\n{}",
        failures.len(),
        points.len(),
        failures.join("\n\n")
    );
    Ok(counts)
}

/// A life in which that step fails, and nothing else is wrong.
fn unwound<S: Subject>(subject: &S, failing: Failing) -> anyhow::Result<Report> {
    let failed = run(subject, Some(failing), None)?.context("a life without a crash died")?;
    ensure!(
        matches!(failed.status, Status::RolledBack(_)),
        "it ended as {failed:#?}"
    );
    Ok(failed)
}

fn around(failing: Option<Failing>, first: u64, last: u64) -> Vec<Point> {
    let crashes = (first..=last).flat_map(|append| [false, true].map(|after| Crash { append, after }));
    crashes.map(|crash| Point { failing, crash }).collect()
}

/// What went wrong at which of the points.
fn try_all<S: Subject>(subject: &S, points: &[Point]) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(point) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = run(subject, point.failing, Some(point.crash))
                        && let Ok(mut failures) = failures.lock()
                    {
                        failures.push(format!("{point:?}: {error:#}"));
                    }
                }
            });
        }
    });
    failures.into_inner().unwrap_or_default()
}

/// Runs one point in a fresh world and checks how it ends.
fn run<S: Subject>(
    subject: &S,
    failing: Option<Failing>,
    crash: Option<Crash>,
) -> anyhow::Result<Option<Report>> {
    let world = subject.world()?;
    let mut life = Life {
        failing,
        crash,
        ..subject.life(&world)
    };
    let mut ended = life.run()?;
    if crash.is_some() {
        ensure!(ended.is_none(), "the point was never reached: {ended:#?}");
        life.crash = None;
        ended = life.run()?;
    }
    let report = ended.context("a life without a crash died")?;
    ensure!(report.locks.is_empty(), "locks are left: {report:#?}");
    ensure!(report.verified, "the journal does not verify");
    match report.status {
        Status::Succeeded => subject.is_done(&world, &report),
        Status::RolledBack(_) => subject.is_as_before(&world, &report),
        _ => Err(anyhow::anyhow!("it did not end")),
    }
    .with_context(|| format!("{report:#?}"))?;
    Ok(Some(report))
}
