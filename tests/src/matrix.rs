//! The crash matrix of an operation: the master dies by SIGKILL right before and right after each of its durable
//! writes, while the job goes forward, and, with a failure at each step before the pivot, while it unwinds. Then a new
//! master goes on, and the world must be *done* or *as before*.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, ensure};
use vsjob_engine::{Status, StepNo};

use crate::figures;
use crate::hosts::{World, Worlds};
use crate::master::{Crash, Failing, Life, Report};
use crate::sweep::{asked_for, sweep};

/// What a matrix is made of: an operation in a world, and what must hold there afterwards.
pub trait Subject: Sync {
    /// Puts what the operation needs into a fresh world, and answers the first life of the master there, undisturbed.
    ///
    /// # Errors
    /// It cannot be made.
    fn begin(&self, world: &dyn World) -> anyhow::Result<Life>;

    /// What else happens when the master has died there.
    ///
    /// # Errors
    /// It cannot happen.
    fn died(&self, _world: &dyn World, _at: Crash) -> anyhow::Result<()> {
        Ok(())
    }

    /// Checks that the operation is done.
    ///
    /// # Errors
    /// Says what is not as it should be.
    fn is_done(&self, world: &dyn World, report: &Report) -> anyhow::Result<()>;

    /// Checks that everything is as before.
    ///
    /// # Errors
    /// Says what is not as it should be.
    fn is_as_before(&self, world: &dyn World, report: &Report) -> anyhow::Result<()>;
}

/// How many of a matrix's points are tried, of those that are not tried in any case: one in so many, drawn with a seed
/// that `VSJOB_SEED` can change, or all with `VSJOB_MATRIX=all`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    one_in: usize,
}

impl Share {
    /// Each point.
    pub const ALL: Self = Self { one_in: 1 };
    /// For long operations, and those that are made of the steps of others.
    pub const THIRD: Self = Self { one_in: 3 };
    /// For operations that are made of the steps of others.
    pub const TENTH: Self = Self { one_in: 10 };
    /// For real hosts, on which a point costs seconds, and storages that are tried one by one elsewhere.
    pub const TWENTIETH: Self = Self { one_in: 20 };
    /// For faults on real hosts in operations that are made of the steps of others.
    pub const THIRTIETH: Self = Self { one_in: 30 };
    /// For crashes there: of those there are more.
    pub const FIFTIETH: Self = Self { one_in: 50 };
    /// For virtual machines, on which a point costs minutes.
    pub const HUNDREDTH: Self = Self { one_in: 100 };

    /// The share of these.
    ///
    /// # Errors
    /// The seed is no number.
    pub fn of<T>(self, mut points: Vec<T>) -> anyhow::Result<Vec<T>> {
        if self.one_in > 1 && std::env::var("VSJOB_MATRIX").as_deref() != Ok("all") {
            let seed = std::env::var("VSJOB_SEED").unwrap_or_else(|_| "1".to_owned());
            fastrand::Rng::with_seed(seed.parse().context("VSJOB_SEED")?).shuffle(&mut points);
            points.truncate(points.len().div_ceil(self.one_in));
        }
        Ok(points)
    }

    /// The share of the lives in which a step fails, and the share of the points of each: together they are this one.
    fn of_lives(self) -> (Self, Self) {
        // Each life is run whole to find its points, so a small share is small in both; a third is one of lives alone.
        let lives = self.one_in.isqrt().max(self.one_in.min(3));
        let points = self.one_in / lives;
        (Self { one_in: lives }, Self { one_in: points })
    }
}

/// How many points a matrix had; each was reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Crash points on the way forward.
    pub forward: usize,
    /// Crash points while unwinding.
    pub unwinding: usize,
}

impl Counts {
    /// Tells of what they are in the figures; each must be at least this.
    ///
    /// # Errors
    /// One is not.
    pub fn tell(self, what: impl std::fmt::Display, least: (usize, usize)) -> anyhow::Result<()> {
        figures::tell(format_args!("{what}: {self}"));
        ensure!(
            self.forward >= least.0 && self.unwinding >= least.1,
            "too few: {self:?}"
        );
        Ok(())
    }
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

/// Tries that share of the operation's points while it unwinds, and forward three times that share, or all.
///
/// # Errors
/// Every point that did not end well, or was not reached.
pub fn crash_matrix(subject: &dyn Subject, worlds: &Worlds, share: Share) -> anyhow::Result<Counts> {
    let matrix = Matrix {
        subject,
        worlds,
        share,
    };
    let undisturbed = matrix.undisturbed()?;
    let (_, of_each) = share.of_lives();
    let mut points = of_each.of(around(None, 1, undisturbed.appends))?;
    let forward = points.len();
    let unwinding = matrix.unwinding(undisturbed.before_pivot)?;
    let counts = Counts {
        forward,
        unwinding: unwinding.len(),
    };
    points.extend(unwinding);
    sweep(&asked_for(points), |point| {
        matrix.run(point.failing, Some(point.crash)).map(drop)
    })?;
    Ok(counts)
}

fn around(failing: Option<Failing>, first: u64, last: u64) -> Vec<Point> {
    let crashes = (first..=last).flat_map(|append| [false, true].map(|after| Crash { append, after }));
    crashes.map(|crash| Point { failing, crash }).collect()
}

struct Matrix<'a> {
    subject: &'a dyn Subject,
    worlds: &'a Worlds,
    share: Share,
}

impl Matrix<'_> {
    fn undisturbed(&self) -> anyhow::Result<Report> {
        let report = self.run(None, None)?;
        ensure!(
            report.status == Status::Succeeded,
            "undisturbed, it ended as {report:#?}"
        );
        Ok(report)
    }

    /// The points of the lives in which a step before the pivot fails, while they unwind.
    fn unwinding(&self, before_pivot: usize) -> anyhow::Result<Vec<Point>> {
        let steps = (0..u16::try_from(before_pivot)?).map(StepNo);
        let failings: Vec<Failing> = steps
            .flat_map(|step| [false, true].map(|late| Failing { step, late }))
            .collect();
        let (lives, of_each) = self.share.of_lives();
        let failings = lives.of(failings)?;
        let points = Mutex::new(BTreeMap::new());
        sweep(&failings, |&failing| {
            let failed = self.run(Some(failing), None)?;
            ensure!(
                matches!(failed.status, Status::RolledBack(_)),
                "it ended as {failed:#?}"
            );
            let found = around(Some(failing), failed.unwinding_from, failed.appends);
            let mut points = points.lock().unwrap_or_else(PoisonError::into_inner);
            points.insert((failing.step, failing.late), found);
            Ok(())
        })?;
        let points = points.into_inner().unwrap_or_else(PoisonError::into_inner);
        of_each.of(points.into_values().flatten().collect())
    }

    /// Runs one point in a fresh world and checks how it ends.
    fn run(&self, failing: Option<Failing>, crash: Option<Crash>) -> anyhow::Result<Report> {
        let world = self.worlds.world()?;
        let mut life = Life {
            failing,
            crash,
            ..self.subject.begin(&*world)?
        };
        let mut ended = life.run()?;
        if let Some(crash) = crash {
            ensure!(ended.is_none(), "the point was never reached: {ended:#?}");
            self.subject.died(&*world, crash)?;
            life.crash = None;
            ended = life.run()?;
        }
        let report = ended.context("a life without a crash died")?;
        ensure!(report.locks.is_empty(), "locks are left: {report:#?}");
        ensure!(report.verified, "the journal does not verify");
        world.await_up()?;
        match report.status {
            Status::Succeeded => self.subject.is_done(&*world, &report),
            Status::RolledBack(_) => self.subject.is_as_before(&*world, &report),
            _ => Err(anyhow::anyhow!("it did not end")),
        }
        .with_context(|| format!("{report:#?}"))?;
        Ok(report)
    }
}
