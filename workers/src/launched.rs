//! Launched commands. The truth about one is its run directory on the host: losing the line, or the master, loses
//! neither the command nor its outcome.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use vsjob_engine::{Epoch, Failure, HostName, JobId, StepNo};

use crate::channel::Answer;
use crate::host::{Host, Question};
use crate::run_name::RunName;
use crate::{HostError, Script, answer, internal};

/// The longest that launching or following may take: a moment, on a host that is well.
const LIMIT: Duration = Duration::from_secs(30);
/// The longest that making an effect durable may take: as long as the host needs to write what its page cache holds.
const SETTLE_LIMIT: Duration = Duration::from_secs(600);
/// How long a command that is stopped may take to end by itself.
const GRACE: Duration = Duration::from_secs(5);
/// How long stopping may take in all.
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// How long launching waits for the end of a short command, in seconds.
const PATIENCE: &str = "0.3";

/// How a launched command is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It was never started.
    Absent,
    /// It is being launched, or runs; with its last word about progress.
    Running(String),
    /// It ended by itself.
    Finished(Answer),
    /// It is gone without a word: killed, or its host was booted anew.
    Gone,
}

/// What a request about a launched command ends with, if not well.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    /// The host did not do its part.
    Host(HostError),
    /// The host answered, and it is a failure.
    Failed(Failure),
}

impl From<HostError> for Trouble {
    fn from(error: HostError) -> Self {
        Self::Host(error)
    }
}

/// One launched command on a host.
pub(crate) struct Launched {
    pub(crate) host: Arc<Host>,
    pub(crate) epoch: Epoch,
    pub(crate) name: RunName,
}

impl Launched {
    /// Launches `script`, or finds that it was launched before; waits a moment for its end.
    pub(crate) async fn launch(&self, script: &Script, args: &[String]) -> Result<State, Trouble> {
        let mut all = vec![
            self.name.to_string(),
            self.epoch.counter.to_string(),
            self.epoch.id.simple().to_string(),
            internal::WRAPPER.hash.clone(),
            script.hash.clone(),
            PATIENCE.to_owned(),
        ];
        all.extend_from_slice(args);
        let question = Question::read(internal::LAUNCH.clone(), all, LIMIT)
            .with(vec![internal::WRAPPER.clone(), script.clone()])
            .by(self.epoch);
        self.state(self.host.ask(question).await?)
    }

    /// How it is now.
    pub(crate) async fn follow(&self) -> Result<State, Trouble> {
        let question = Question::read(internal::FOLLOW.clone(), vec![self.name.to_string()], LIMIT);
        self.state(self.host.ask(question).await?)
    }

    /// Stops it, and returns when it is gone.
    pub(crate) async fn stop(&self) -> Result<(), Trouble> {
        stop(&self.host, self.epoch, self.name.to_string(), "one").await
    }

    /// Returns when what it did would survive a power cut. It is gone, and may have died before it saw to that itself.
    pub(crate) async fn settle(&self) -> Result<(), Trouble> {
        self.order(&internal::SETTLE, Vec::new(), SETTLE_LIMIT).await
    }

    async fn order(
        &self,
        script: &LazyLock<Script>,
        args: Vec<String>,
        limit: Duration,
    ) -> Result<(), Trouble> {
        order(&self.host, self.epoch, script, args, limit).await
    }

    fn state(&self, answer: Answer) -> Result<State, Trouble> {
        state(self.host.name(), &self.name.to_string(), answer)
    }
}

/// Reads how the launched command `what` is from what the host answered about it.
pub(crate) fn state(host: &HostName, what: &str, answer: Answer) -> Result<State, Trouble> {
    let bad = |why: &str| {
        Trouble::Host(HostError::BadAnswer {
            host: host.clone(),
            what: what.to_owned(),
            why: why.to_owned(),
        })
    };
    if answer::was_killed(answer.code) {
        return Err(killed(host, what));
    }
    if answer.code != 0 {
        return Err(Trouble::Failed(answer::failure(host, what, &answer)));
    }
    let bytes = answer
        .stdout
        .whole()
        .ok_or_else(|| bad("more results than fit"))?;
    let end = bytes
        .iter()
        .position(|&b| b == b'\n')
        .ok_or_else(|| bad("no state"))?;
    let line = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let (state, rest) = line.split_once(' ').unwrap_or((&line, ""));
    match state {
        "absent" => Ok(State::Absent),
        "starting" => Ok(State::Running(String::new())),
        "running" => Ok(State::Running(rest.to_owned())),
        "interrupted" | "dead" => Ok(State::Gone),
        "finished" if rest.parse().is_ok_and(answer::was_killed) => Ok(State::Gone),
        "finished" => Ok(State::Finished(Answer {
            code: rest.parse().map_err(|_| bad("an exit code that is none"))?,
            stdout: crate::frame::Capture::of(&bytes[end + 1..]),
            stderr: answer.stderr,
        })),
        _ => Err(bad("an unknown state")),
    }
}

/// Stops every attempt of a step, also one that is only about to begin, and returns when all are gone.
pub(crate) async fn stop_step(
    host: &Arc<Host>,
    epoch: Epoch,
    job: JobId,
    step: StepNo,
) -> Result<(), Trouble> {
    stop(host, epoch, format!("{job}-{step}"), "step").await
}

/// Removes the run directories of a job that is over.
pub(crate) async fn forget(host: &Arc<Host>, epoch: Epoch, job: JobId) -> Result<(), Trouble> {
    order(host, epoch, &internal::FORGET, vec![job.to_string()], LIMIT).await
}

async fn stop(host: &Arc<Host>, epoch: Epoch, name: String, which: &str) -> Result<(), Trouble> {
    let args = vec![name, which.to_owned(), GRACE.as_secs().to_string()];
    order(host, epoch, &internal::STOP, args, STOP_LIMIT).await
}

async fn order(
    host: &Arc<Host>,
    epoch: Epoch,
    script: &LazyLock<Script>,
    args: Vec<String>,
    limit: Duration,
) -> Result<(), Trouble> {
    let question = Question::read((*script).clone(), args, limit).by(epoch);
    let answer = host.ask(question).await?;
    match answer.code {
        0 => Ok(()),
        code if answer::was_killed(code) => Err(killed(host.name(), &script.name)),
        _ => Err(Trouble::Failed(answer::failure(
            host.name(),
            &script.name,
            &answer,
        ))),
    }
}

/// A request of ours was killed half-way: as if the line had broken, what it was about is to be looked at again.
fn killed(host: &HostName, what: &str) -> Trouble {
    Trouble::Host(HostError::LineLost {
        host: host.clone(),
        what: what.to_owned(),
        why: "it was killed on the host".to_owned(),
    })
}
