//! The seam between the engine and what acts: the engine says what is to be performed, an implementation of
//! [`Actions`] performs it and answers with an [`Outcome`].

use std::pin::Pin;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::{ActionRef, Epoch, HostName, JobId, Outputs, StepNo};

/// One thing to perform.
#[derive(Clone, Debug)]
pub struct Work {
    /// The job it belongs to.
    pub job: JobId,
    /// The step of that job.
    pub step: StepNo,
    /// The action of that step.
    pub action: ActionRef,
    /// Which side of it.
    pub mode: Mode,
    /// Which attempt, from 1; attempts of `Do` and of `Undo` are counted apart.
    pub attempt: u32,
    /// True if this attempt may have been performed before, by a master that then died or over a line that broke.
    pub resume: bool,
    /// Arguments by name, in the order of the scripts' positions.
    pub args: Vec<(String, String)>,
    /// Where; the first is where the script runs. None: on the master.
    pub hosts: Vec<HostName>,
    /// Hosts that must obey `epoch` before anything is changed: until then the outcome is [`Outcome::Unknown`].
    pub claims: Vec<HostName>,
    /// In whose name.
    pub epoch: Epoch,
    /// Where to tell how far it is. Not durable.
    pub progress: watch::Sender<Progress>,
}

/// Which side of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Mode {
    /// Perform it.
    Do,
    /// Stop what `Do` launched, see that it is gone, then take its effect back. Right also when `Do` never ran.
    Undo,
}

/// How far a step is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Bytes done.
    pub bytes: u64,
    /// Bytes in all, where that is known.
    pub total: Option<u64>,
    /// A few words ("pass 2, 1,204 files").
    pub note: String,
}

/// How performing ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done and its effect is durable.
    Done(Outputs),
    /// Resumed, and found that it had no effect: it is to be performed anew.
    NotDone,
    /// It failed.
    Failed(Failure),
    /// It may or may not have happened: its host does not answer. It is to be resumed later.
    Unknown(Failure),
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// Decides about retries.
    pub class: Class,
    /// Such as `VSJ0301`; `vsjob explain` tells more.
    pub code: String,
    /// One line that fits "failed to …: ".
    pub message: String,
    /// The end of what the command said, if it said anything.
    pub detail: String,
}

impl Failure {
    /// A failure of class `class`.
    #[must_use]
    pub fn new(class: Class, code: &str, message: impl Into<String>) -> Self {
        Self {
            class,
            code: code.to_owned(),
            message: message.into(),
            detail: String::new(),
        }
    }
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Class {
    /// A lost line, a time-out: the same again may succeed.
    Transient,
    /// Part was done (rsync 23): the same again may do the rest.
    Partial,
    /// Files vanished meanwhile (rsync 24).
    Vanished,
    /// The same again would fail again.
    Permanent,
}

impl Class {
    /// Whether another attempt makes sense.
    #[must_use]
    pub fn retryable(self) -> bool {
        self != Self::Permanent
    }
}

/// A future of an outcome.
pub type Performing = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Performs actions. Dropping the future must lose only the line, never the work: a launched command goes on.
pub trait Actions: Send + Sync {
    /// Whether this program has that action in that version.
    fn knows(&self, action: &ActionRef) -> bool;
    /// Performs `work`.
    fn perform(&self, work: Work) -> Performing;
    /// The job is over and nothing of it will be resumed: what was kept on its hosts only for that may go. Best effort;
    /// what stays is found by `gc`.
    fn forget(&self, job: JobId, hosts: Vec<HostName>) -> Pin<Box<dyn Future<Output = ()> + Send>>;
    /// From now on the host of that name is this machine, and another one that answers in its name is not asked for
    /// anything; `None`: it may be any.
    fn expect(&self, _host: &HostName, _machine: Option<String>) {}
}
