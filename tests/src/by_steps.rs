//! A plan performed step by step without an engine, so that a test can do a step twice, or take back one that was never
//! done.

use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use tokio::sync::watch;
use vsjob_engine::{
    Actions, Clock, Epoch, JobId, Mode, Outcome, Outputs, Plan, Progress, StepNo, SystemClock, Value, Work,
};
use vsjob_workers::{Action, Desk, Doing, Pool, Question, Settings, Side, Slaves, Successor};
use vsjob_workflows::{Generations, Parameters, Site, registry, site_hosts};

use crate::hosts::World as _;
use crate::paper::PaperPool;

/// A plan, and how far it is.
pub struct BySteps {
    pool: Pool,
    /// The plan.
    pub plan: Plan,
    job: JobId,
    epoch: Epoch,
    outputs: Vec<Outputs>,
    attempts: u32,
}

/// Takes in what a job hands over, and forgets it.
struct Forgets;

impl Desk for Forgets {
    fn submit(&self, _: Successor) -> Doing<JobId> {
        Box::pin(async { Ok(JobId::new(SystemClock.now())) })
    }

    fn rest(&self, _: JobId) -> Doing<String> {
        Box::pin(async { Ok("succeeded".to_owned()) })
    }

    fn take_back(&self, _: String, _: JobId) -> Doing<()> {
        Box::pin(async { Ok(()) })
    }

    fn is_off(&self, _: String) -> Doing<()> {
        Box::pin(async { Ok(()) })
    }

    fn lives(&self, _: String) -> Doing<Option<String>> {
        Box::pin(async { Ok(None) })
    }

    fn keep_away(&self, _: String, _: JobId) -> Doing<()> {
        Box::pin(async { Ok(()) })
    }
}

impl BySteps {
    /// The plan of `operation` in this pool, with nothing done yet. `site` completes what requests are resolved against.
    ///
    /// # Errors
    /// The request is refused, or the pool's configuration is wrong.
    pub fn new(
        world: &PaperPool,
        operation: &str,
        given: &[(&str, &str)],
        site: impl FnOnce(&mut Site),
    ) -> anyhow::Result<Self> {
        let read = |name: &str| std::fs::read_to_string(world.folder().join(name));
        let slaves = Slaves::parse("slaves.conf", &read("slaves.conf")?)?;
        let settings = Settings::parse("vsjob.toml", &read("vsjob.toml")?)?;
        let mut known = Site {
            state: settings.state.clone(),
            generations: Generations::configured(&settings),
            hosts: site_hosts(&slaves, &settings),
            ..Site::default()
        };
        site(&mut known);
        let given: Parameters = given
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let plan = vsjob_workflows::operation(operation)?.plan(&given, &known)?.plan;
        let pool = world.pool(registry(), Arc::new(SystemClock))?;
        pool.open_desk(Arc::new(Forgets));
        Ok(Self {
            pool,
            outputs: vec![Outputs::new(); plan.steps.len()],
            plan,
            job: JobId::new(SystemClock.now()),
            epoch: Epoch {
                counter: 1,
                id: uuid::Uuid::new_v4(),
            },
            attempts: 0,
        })
    }

    /// It is another job of the same master.
    #[must_use]
    pub fn beside(mut self, other: &Self) -> Self {
        self.epoch = other.epoch;
        self
    }

    /// Does a step; twice it is another attempt.
    ///
    /// # Errors
    /// It did not end well.
    pub async fn perform(&mut self, no: StepNo) -> anyhow::Result<()> {
        match self.attempt(no, Mode::Do).await? {
            Outcome::Done(outputs) => {
                self.outputs[no.index()] = outputs;
                Ok(())
            }
            other => bail!("step {no}: {other:?}"),
        }
    }

    /// Takes a step back, whether it was done or not, if it has an undo.
    ///
    /// # Errors
    /// It did not end well.
    pub async fn take_back(&mut self, no: StepNo) -> anyhow::Result<()> {
        if self.plan.steps[no.index()].undo.is_none() {
            return Ok(());
        }
        match self.attempt(no, Mode::Undo).await? {
            Outcome::Done(_) => Ok(()),
            other => bail!("the undo of step {no}: {other:?}"),
        }
    }

    /// Whether the step's probe takes it for done. `None`: it is an action of the master, or one that changes nothing.
    ///
    /// # Errors
    /// The probe fails, or leaves out an output.
    pub async fn probe(&self, no: StepNo) -> anyhow::Result<Option<bool>> {
        let step = &self.plan.steps[no.index()];
        let Some(Action::Host(action)) = registry().find(&step.action) else {
            return Ok(None);
        };
        if action.read_only {
            return Ok(None);
        }
        let host = self.pool.host(&step.hosts[0])?;
        let script = action
            .script(Side::Probe, host.drivers())
            .context("it has no probe")?;
        let args = self.args(no)?.into_iter().map(|(_, value)| value).collect();
        let answer = host.ask(Question::read(script, args, action.limit)).await?;
        let said = String::from_utf8_lossy(answer.stdout.whole().context("a long answer")?).into_owned();
        ensure!(answer.code == 0, "the probe of step {no}: {answer:?}");
        let done = said.lines().any(|line| line == "state=done");
        ensure!(
            done || said.lines().any(|line| line == "state=absent"),
            "step {no}: {said}"
        );
        for key in action.outputs {
            ensure!(
                !done || said.contains(&format!("{key}=")),
                "the probe of step {no} does not answer {key}: {said}"
            );
        }
        Ok(Some(done))
    }

    async fn attempt(&mut self, no: StepNo, mode: Mode) -> anyhow::Result<Outcome> {
        self.attempts += 1;
        let step = &self.plan.steps[no.index()];
        let work = Work {
            job: self.job,
            step: no,
            action: step.action.clone(),
            mode,
            attempt: self.attempts,
            resume: false,
            args: self.args(no)?,
            hosts: step.hosts.clone(),
            claims: step.hosts.clone(),
            epoch: self.epoch,
            progress: watch::channel(Progress::default()).0,
        };
        Ok(self.pool.perform(work).await)
    }

    fn args(&self, no: StepNo) -> anyhow::Result<Vec<(String, String)>> {
        let args = self.plan.steps[no.index()].args.iter();
        args.map(|arg| {
            let value = match &arg.value {
                Value::Text(text) => text.clone(),
                Value::Output { step, key } => self.outputs[step.index()]
                    .get(key)
                    .with_context(|| format!("step {step} did not answer {key}"))?
                    .clone(),
            };
            Ok((arg.name.clone(), value))
        })
        .collect()
    }
}
