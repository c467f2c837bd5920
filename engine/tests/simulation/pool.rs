//! The hosts, as `workers` makes them look to the engine. They outlive every master: what was launched goes on, and how
//! it ended stays in its run directory.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fastrand::Rng;
use vsjob_engine::{Class, Failure, HostName, JobId, Mode, Order, Outcome, Outputs, StepNo};

use crate::jobs;

/// What is to be seen of a step on its host. Nothing at all is no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trace {
    /// Some of it.
    Part,
    /// All of it.
    Whole,
}

/// Names a launched command: its run directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RunName {
    pub job: JobId,
    pub step: StepNo,
    pub mode: Mode,
    pub attempt: u32,
}

/// How a launched command is.
#[derive(Clone, Debug)]
enum Run {
    /// It will end so.
    Running(Outcome),
    Ended(Outcome),
    /// Its host was booted anew meanwhile.
    Gone,
}

/// What a host says to an order that reached it.
pub(crate) enum Reply {
    /// It obeys a later master.
    Refused,
    /// A host that it takes is away.
    Silence,
    Answer(Outcome),
    /// It was launched, and will end then.
    Launched(RunName, Duration),
    /// It runs already.
    Runs(RunName),
}

#[derive(Default)]
struct Host {
    away: bool,
    /// Which life of the master it obeys.
    life: u64,
    runs: BTreeMap<RunName, Run>,
    /// Attempts that will never begin: somebody was told that they had not.
    void: BTreeSet<RunName>,
    /// Steps of which no attempt will begin any more: they were stopped.
    stopped: BTreeSet<(JobId, StepNo)>,
}

/// How often a step fails, in 256 times.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mood {
    pub transient: u8,
    pub permanent: u8,
}

/// All hosts. A step without hosts is performed on `None`, the master's own machine.
pub(crate) struct Pool {
    hosts: BTreeMap<Option<HostName>, Host>,
    traces: BTreeMap<(JobId, StepNo), Trace>,
    pub mood: Mood,
}

impl Pool {
    pub(crate) fn new(mood: Mood) -> Self {
        let names = (0..jobs::HOSTS.len()).map(|n| Some(jobs::host(n)));
        Self {
            hosts: names.chain([None]).map(|name| (name, Host::default())).collect(),
            traces: BTreeMap::new(),
            mood,
        }
    }

    pub(crate) fn trace(&self, job: JobId, step: StepNo) -> Option<Trace> {
        self.traces.get(&(job, step)).copied()
    }

    /// What of the job runs somewhere.
    pub(crate) fn running(&self, job: JobId) -> impl Iterator<Item = RunName> {
        self.hosts
            .values()
            .flat_map(|host| &host.runs)
            .filter(move |(name, run)| name.job == job && matches!(run, Run::Running(_)))
            .map(|(name, _)| *name)
    }

    pub(crate) fn set_away(&mut self, host: &HostName, away: bool) {
        self.host(Some(host)).away = away;
    }

    /// The host is booted anew, or the master's own machine loses what it ran. Answers what is gone.
    pub(crate) fn reboot(&mut self, host: Option<&HostName>) -> Vec<RunName> {
        let mut gone = Vec::new();
        for (name, run) in &mut self.host(host).runs {
            if matches!(run, Run::Running(_)) {
                *run = Run::Gone;
                gone.push(*name);
            }
        }
        gone
    }

    pub(crate) fn heal(&mut self) {
        self.mood = Mood::default();
        for host in self.hosts.values_mut() {
            host.away = false;
        }
    }

    /// Somebody stops what runs of the job, of its `step` or of all of it, for good.
    pub(crate) fn stop_by_hand(&mut self, job: JobId, step: Option<StepNo>) {
        let runs = self.hosts.values_mut().flat_map(|host| &mut host.runs);
        for (name, run) in runs {
            if name.job == job && step.is_none_or(|step| step == name.step) && matches!(run, Run::Running(_))
            {
                *run = Run::Gone;
            }
        }
    }

    /// Somebody does a step, or takes it back, with their own hands.
    pub(crate) fn do_by_hand(&mut self, job: JobId, step: StepNo, mode: Mode) {
        match mode {
            Mode::Do => self.traces.insert((job, step), Trace::Whole),
            Mode::Undo => self.traces.remove(&(job, step)),
        };
    }

    /// The job is over: what was kept for it goes.
    pub(crate) fn forget(&mut self, job: JobId, host: &HostName) {
        let host = self.host(Some(host));
        if !host.away {
            host.runs.retain(|name, _| name.job != job);
        }
    }

    /// An order of a master reaches its hosts. `launching` may object to what is about to be launched.
    pub(crate) fn arrive(
        &mut self,
        order: &Order,
        life: u64,
        rng: &mut Rng,
        launching: impl FnOnce(&Self) -> Result<(), String>,
    ) -> Result<Reply, String> {
        let at = order.hosts.first();
        for name in order.claims.iter().chain(at) {
            let host = self.host(Some(name));
            if host.away {
                return Ok(Reply::Silence);
            }
            if host.life > life {
                return Ok(Reply::Refused);
            }
            host.life = life;
        }
        let name = RunName {
            job: order.ticket.job,
            step: order.ticket.step,
            mode: order.ticket.mode,
            attempt: order.ticket.attempt,
        };
        let step = (name.job, name.step);
        let whole = self.traces.get(&step) == Some(&Trace::Whole);
        let host = self.host(at);
        match host.runs.get(&name).cloned() {
            Some(Run::Running(_)) => return Ok(Reply::Runs(name)),
            Some(Run::Ended(outcome)) => return Ok(Reply::Answer(outcome)),
            Some(Run::Gone) if name.mode == Mode::Do && whole => return Ok(Reply::Answer(done(name))),
            // So that the same attempt can be made anew.
            Some(Run::Gone) => {
                host.runs.remove(&name);
                return Ok(Reply::Answer(Outcome::NotDone));
            }
            None => {}
        }
        if order.resume {
            host.void.insert(name);
            return Ok(Reply::Answer(Outcome::NotDone));
        }
        if host.void.contains(&name) || name.mode == Mode::Do && host.stopped.contains(&step) {
            return Ok(Reply::Refused);
        }
        launching(self)?;
        Ok(self.launch(at, name, rng))
    }

    fn launch(&mut self, at: Option<&HostName>, name: RunName, rng: &mut Rng) -> Reply {
        let step = (name.job, name.step);
        let outcome = self.any_outcome(name, rng);
        let host = self.host(at);
        if name.mode == Mode::Undo {
            host.stopped.insert(step);
            for (other, run) in &mut host.runs {
                if (other.job, other.step, other.mode) == (step.0, step.1, Mode::Do) {
                    *run = Run::Gone;
                }
            }
        }
        host.runs.insert(name, Run::Running(outcome));
        if name.mode == Mode::Do || self.traces.contains_key(&step) {
            self.traces.insert(step, Trace::Part);
        }
        let seconds = *rng.choice(&[0, 0, 1, 3, 40]).expect("one");
        Reply::Launched(name, Duration::from_millis(seconds * 1_000 + rng.u64(0..1_000)))
    }

    fn any_outcome(&self, name: RunName, rng: &mut Rng) -> Outcome {
        let dice = rng.u8(..);
        let Mood { transient, permanent } = self.mood;
        if dice < transient {
            Outcome::Failed(Failure::new(Class::Transient, "T1", "not now"))
        } else if dice < transient.saturating_add(permanent) {
            Outcome::Failed(Failure::new(Class::Permanent, "T2", "never"))
        } else {
            done(name)
        }
    }

    /// A launched command ends, if it still runs, and says how.
    pub(crate) fn end(&mut self, name: RunName) -> Option<Outcome> {
        let mut runs = self
            .hosts
            .values_mut()
            .filter_map(|host| host.runs.get_mut(&name));
        let run = runs.find(|run| matches!(run, Run::Running(_)))?;
        let Run::Running(outcome) = run.clone() else {
            return None;
        };
        *run = Run::Ended(outcome.clone());
        if matches!(outcome, Outcome::Done(_)) {
            let step = (name.job, name.step);
            match name.mode {
                Mode::Do => self.traces.insert(step, Trace::Whole),
                Mode::Undo => self.traces.remove(&step),
            };
        }
        Some(outcome)
    }

    fn host(&mut self, name: Option<&HostName>) -> &mut Host {
        self.hosts.entry(name.cloned()).or_default()
    }
}

fn done(name: RunName) -> Outcome {
    let said = jobs::said(name.job, name.step);
    Outcome::Done(Outputs::from([(jobs::OUTPUT.to_owned(), said)]))
}
