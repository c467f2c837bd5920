//! The fault matrix of an operation, on paper hosts: each fault in each command that a step or its undo launches, and a
//! reboot of each host before each step and each undo. Whatever it is, the world must be *done* or *as before*.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, ensure};
use vsjob_engine::{HostName, Status, StepNo};

use crate::master::{Failing, Life, REBOOTED, Reboot, Report};
use crate::matrix::Subject;
use crate::paper::{During, Fault, PaperPool};

/// Seconds that a command may take in a point where one hangs: well above what any takes on a busy machine.
const HANGING: u64 = 8;

/// How many points a matrix had; each was reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Faults in what steps do.
    pub forward: usize,
    /// Faults in undos.
    pub unwinding: usize,
    /// Reboots between two steps, forward and unwinding.
    pub reboots: usize,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            forward,
            unwinding,
            reboots,
        } = self;
        write!(
            f,
            "{forward} faults forward, {unwinding} unwinding, {reboots} reboots between steps"
        )
    }
}

/// One point.
#[derive(Clone, Debug)]
enum Point {
    /// A fault in a launched command.
    Fault(Fault, During),
    /// A reboot.
    Reboot(Reboot),
}

/// Whether the complete matrix is asked for: `VSJOB_FAULTS=all ./test any_fault`. It takes a quarter of an hour an
/// operation on two cores, and hangs are told by time, so it wants a machine that is not busy. Else it is skipped, and
/// counted as that.
#[must_use]
pub fn asked_for() -> bool {
    let asked = std::env::var("VSJOB_FAULTS").as_deref() == Ok("all");
    if !asked {
        crate::needs::skip("VSJOB_FAULTS=all, for the complete fault matrix");
    }
    asked
}

/// Tries every point of the operation. With `VSJOB_ONLY` in the environment only those whose description has it.
///
/// # Errors
/// Every point that did not end well, or was not reached.
pub fn fault_matrix<S: Subject<World = PaperPool>>(subject: &S) -> anyhow::Result<Counts> {
    let world = subject.world()?;
    let hosts: Vec<HostName> = world.hosts().iter().map(|host| host.name.clone()).collect();
    let undisturbed = subject
        .life(&world)
        .run()?
        .context("a life without a crash died")?;
    drop(world);
    let matrix = Matrix {
        subject,
        last: StepNo(u16::try_from(undisturbed.before_pivot)?.saturating_sub(1)),
        before_pivot: undisturbed.before_pivot,
    };
    let (forward, unwinding) = (faults(&undisturbed), faults_of_undo(&undisturbed));
    let reboots = reboots(&undisturbed, &hosts);
    let counts = Counts {
        forward: forward.len(),
        unwinding: unwinding.len(),
        reboots: reboots.len(),
    };
    let only = std::env::var("VSJOB_ONLY").unwrap_or_default();
    let points = [forward, unwinding, reboots].concat();
    let points: Vec<Point> = points
        .into_iter()
        .filter(|point| format!("{point:?}").contains(&only))
        .collect();
    let failures = matrix.try_all(&points);
    ensure!(
        failures.is_empty(),
        "{} of {} points ended badly:\n{}",
        failures.len(),
        points.len(),
        failures.join("\n\n")
    );
    Ok(counts)
}

fn numbered(report: &Report) -> impl Iterator<Item = (StepNo, crate::master::Launches)> + '_ {
    (0..).map(StepNo).zip(report.launches.iter().copied())
}

fn faults(report: &Report) -> Vec<Point> {
    numbered(report)
        .filter(|(_, launches)| launches.does)
        .flat_map(|(step, _)| Fault::ALL.map(|fault| Point::Fault(fault, During::Do(step))))
        .collect()
}

/// An undo that fails for good is stuck, or a debt, and nothing else can be said of it: the others end by themselves.
fn faults_of_undo(report: &Report) -> Vec<Point> {
    let ending = Fault::ALL.into_iter().filter(|fault| *fault != Fault::Fail);
    numbered(report)
        .filter(|(step, launches)| launches.undoes && step.index() < report.before_pivot)
        .flat_map(|(step, _)| {
            ending
                .clone()
                .map(move |fault| Point::Fault(fault, During::Undo(step)))
        })
        .collect()
}

fn reboots(report: &Report, hosts: &[HostName]) -> Vec<Point> {
    let forward = numbered(report).map(|(step, _)| (step, false));
    let unwinding = numbered(report)
        .filter(|(step, launches)| launches.has_undo && step.index() < report.before_pivot)
        .map(|(step, _)| (step, true));
    forward
        .chain(unwinding)
        .flat_map(|(step, undo)| {
            hosts
                .iter()
                .cloned()
                .map(move |host| Point::Reboot(Reboot { step, undo, host }))
        })
        .collect()
}

struct Matrix<'a, S> {
    subject: &'a S,
    /// The last step before the pivot: where it fails when an undo is to be tried.
    last: StepNo,
    before_pivot: usize,
}

impl<S: Subject<World = PaperPool>> Matrix<'_, S> {
    /// What went wrong at which of the points.
    fn try_all(&self, points: &[Point]) -> Vec<String> {
        let next = AtomicUsize::new(0);
        let failures = Mutex::new(Vec::new());
        let workers = std::thread::available_parallelism().map_or(2, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    while let Some(point) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if let Err(error) = self.try_one(point)
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

    fn try_one(&self, point: &Point) -> anyhow::Result<()> {
        let world = self.subject.world()?;
        let mut life = self.subject.life(&world);
        let unwinds = match point {
            Point::Fault(fault, during) => {
                for host in world.hosts() {
                    host.order(*fault, *during)?;
                }
                life.limit = (*fault == Fault::Hang).then_some(HANGING);
                matches!(during, During::Undo(_))
            }
            Point::Reboot(reboot) => {
                life.reboot = Some(reboot.clone());
                reboot.undo
            }
        };
        life.failing = unwinds.then_some(Failing {
            step: self.last,
            late: true,
        });
        let report = life.run()?.context("a life without a crash died")?;
        ensure!(
            self.reached(point, &world, &life),
            "the point was never reached: {report:#?}"
        );
        ensure!(report.verified, "the journal does not verify");
        self.check(point, &world, &report)
            .with_context(|| format!("{:?}\n{}", report.status, report.steps.join("\n")))
    }

    fn reached(&self, point: &Point, world: &PaperPool, life: &Life) -> bool {
        match point {
            Point::Fault(_, during) => {
                let name = during.to_string();
                let mut done = world.hosts().iter().map(|host| host.faults_done());
                done.any(|done| done.lines().any(|line| line.split(' ').next() == Some(&name)))
            }
            Point::Reboot(_) => life.folder.join(REBOOTED).exists(),
        }
    }

    fn check(&self, point: &Point, world: &PaperPool, report: &Report) -> anyhow::Result<()> {
        // From the pivot on a job only goes forward: what fails for good there waits for people.
        if let Point::Fault(Fault::Fail, During::Do(step)) = point
            && step.index() >= self.before_pivot
        {
            ensure!(matches!(report.status, Status::Stuck { .. }), "it is not stuck");
            return Ok(());
        }
        ensure!(report.locks.is_empty(), "locks are left");
        match report.status {
            Status::Succeeded => self.subject.is_done(world, report),
            Status::RolledBack(_) => self.subject.is_as_before(world, report),
            _ => Err(anyhow::anyhow!("it did not end")),
        }
    }
}
