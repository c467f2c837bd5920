//! The fault matrix of an operation, on paper hosts or real ones: each fault in each command that a step or its undo
//! launches, and a reboot of each host before each step and each undo. Whatever it is, the world must be *done* or *as
//! before*.

use std::fmt;

use anyhow::{Context, ensure};
use vsjob_engine::{HostName, Status, StepNo};

use crate::figures;
use crate::hosts::{During, Fault, Host, World, Worlds};
use crate::master::{Failing, Launches, Life, REBOOTED, Reboot, Report};
use crate::matrix::{Share, Subject};
use crate::sweep::{asked_for, sweep};

/// Seconds that a command may take in a point where one hangs: well above what any takes on a busy machine.
const HANGING: u64 = 15;

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

impl Counts {
    /// Tells of what they are in the figures; each must be at least this.
    ///
    /// # Errors
    /// One is not.
    pub fn tell(self, what: impl fmt::Display, least: (usize, usize, usize)) -> anyhow::Result<()> {
        figures::tell(format_args!("{what}: {self}"));
        ensure!(
            self.forward >= least.0 && self.unwinding >= least.1 && self.reboots >= least.2,
            "too few: {self:?}"
        );
        Ok(())
    }
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

/// Tries that share of the operation's points.
///
/// # Errors
/// Every point that did not end well, or was not reached.
pub fn fault_matrix(subject: &dyn Subject, worlds: &Worlds, share: Share) -> anyhow::Result<Counts> {
    let world = worlds.world()?;
    let life = subject.begin(&*world)?;
    // Its master would die with it, which is a crash.
    let is_masters = |host: &dyn Host| life.machine.as_ref().is_some_and(|at| host.path("") == *at);
    let hosts = world.hosts().into_iter().filter(|host| !is_masters(*host));
    let hosts: Vec<HostName> = hosts.map(|host| host.name().clone()).collect();
    let undisturbed = life.run()?.context("a life without a crash died")?;
    drop(world);
    let matrix = Matrix {
        subject,
        worlds,
        undisturbed: &undisturbed,
    };
    let forward = share.of(faults(&undisturbed))?;
    let unwinding = share.of(faults_of_undo(&undisturbed))?;
    let reboots = share.of(reboots(&undisturbed, &hosts))?;
    let counts = Counts {
        forward: forward.len(),
        unwinding: unwinding.len(),
        reboots: reboots.len(),
    };
    let points = asked_for([forward, unwinding, reboots].concat());
    sweep(&points, |point| matrix.try_one(point))?;
    Ok(counts)
}

fn numbered(report: &Report) -> impl Iterator<Item = (StepNo, &Launches)> {
    (0..).map(StepNo).zip(&report.launches)
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

struct Matrix<'a> {
    subject: &'a dyn Subject,
    worlds: &'a Worlds,
    undisturbed: &'a Report,
}

impl Matrix<'_> {
    fn try_one(&self, point: &Point) -> anyhow::Result<()> {
        let world = self.worlds.world()?;
        let mut life = self.subject.begin(&*world)?;
        let unwinds = match point {
            Point::Fault(fault, during) => {
                for host in world.hosts() {
                    host.order(*fault, *during)?;
                }
                if *fault == Fault::Hang {
                    life.limit = Some((self.action_of(*during).to_owned(), HANGING));
                }
                matches!(during, During::Undo(_))
            }
            Point::Reboot(reboot) => {
                life.reboot = Some(reboot.clone());
                reboot.undo
            }
        };
        // When an undo is to be tried, the last step before the pivot fails.
        let last = StepNo(u16::try_from(self.undisturbed.before_pivot)?.saturating_sub(1));
        life.failing = unwinds.then_some(Failing {
            step: last,
            late: true,
        });
        let report = life.run()?.context("a life without a crash died")?;
        world.await_up()?;
        self.check(point, &*world, &life, &report)
            .with_context(|| format!("{:?}\n{}", report.status, report.steps.join("\n")))
    }

    fn action_of(&self, during: During) -> &str {
        let (During::Do(step) | During::Undo(step)) = during;
        &self.undisturbed.launches[step.index()].action
    }

    fn reached(&self, point: &Point, world: &dyn World, life: &Life) -> bool {
        match point {
            Point::Fault(_, during) => {
                let name = during.to_string();
                let hosts = world.hosts();
                let mut done = hosts.iter().map(|host| host.faults_done());
                done.any(|done| done.lines().any(|line| line.split(' ').next() == Some(&name)))
            }
            Point::Reboot(_) => life.folder.join(REBOOTED).exists(),
        }
    }

    fn check(&self, point: &Point, world: &dyn World, life: &Life, report: &Report) -> anyhow::Result<()> {
        ensure!(self.reached(point, world, life), "the point was never reached");
        ensure!(report.verified, "the journal does not verify");
        // From the pivot on a job only goes forward: what fails for good there waits for people.
        if let Point::Fault(Fault::Fail, During::Do(step)) = point
            && step.index() >= self.undisturbed.before_pivot
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
