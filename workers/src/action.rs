//! What a step can be made of: an action performed on a host by static scripts, or one performed on the master by a
//! Rust function of the same shape.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use vsjob_engine::{Class, Clock, Failure, JobId, Performing, Work};

use crate::{Consents, Library};

/// An action performed on a host. Its scripts are static; arguments are positional, results are `key=value` lines.
/// Written as a constant that completes [`HostAction::EMPTY`].
#[derive(Clone, Debug)]
pub struct HostAction {
    /// Such as `guest-stop`.
    pub name: &'static str,
    /// Grows with each change of the arguments or of the meaning.
    pub version: u32,
    /// The names of the arguments, in the order of the scripts' positions.
    pub args: &'static [&'static str],
    /// The results that a success always has.
    pub outputs: &'static [&'static str],
    /// Changes nothing: `do_` alone is run, through the channel. Otherwise launched in a run directory.
    pub read_only: bool,
    /// The libraries before the scripts' own text.
    pub needs: &'static [Library],
    /// Answers `state=done` with the outputs, or `state=absent`; changes nothing.
    pub probe: &'static str,
    /// Performs it; right from any half-way point of itself.
    pub do_: &'static str,
    /// Takes it back; right also when `do_` never ran or ran half. Empty: there is nothing to take back.
    pub undo: &'static str,
    /// The longest that one script may take.
    pub limit: Duration,
    /// The longest that a launched script may go without telling progress. None: it tells none.
    pub stall: Option<Duration>,
}

impl HostAction {
    /// What an action is that says nothing else.
    pub const EMPTY: Self = Self {
        name: "",
        version: 1,
        args: &[],
        outputs: &[],
        read_only: false,
        needs: &[],
        probe: "",
        do_: "",
        undo: "",
        limit: Duration::from_secs(300),
        stall: None,
    };
}

/// A future of the job that was submitted.
pub type Submitting = Pin<Box<dyn Future<Output = Result<JobId, Failure>> + Send>>;

/// Takes in jobs that other jobs leave work to.
pub trait Submit: Send + Sync {
    /// Submits `operation` with `args`, due after `wait`. The same `key` is the same job, however often it is submitted.
    fn submit(&self, operation: &str, args: Vec<(String, String)>, wait: Duration, key: String)
    -> Submitting;
}

/// What an action on the master may use.
#[derive(Clone)]
#[non_exhaustive]
pub struct Context {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// People who can be asked.
    pub consents: Arc<Consents>,
    submit: Arc<OnceLock<Arc<dyn Submit>>>,
}

impl Context {
    /// A context in which time passes, and nobody takes in jobs yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            consents: Arc::default(),
            submit: Arc::default(),
        }
    }

    /// From now on jobs are handed to `submit`. What was set first stays.
    pub fn submit_to(&self, submit: Arc<dyn Submit>) {
        let _ = self.submit.set(submit);
    }

    /// Hands work to a job of its own. See [`Submit::submit`].
    ///
    /// # Errors
    /// It was not taken in; or nobody takes in jobs yet, which passes.
    pub async fn submit(
        &self,
        operation: &str,
        args: Vec<(String, String)>,
        wait: Duration,
        key: String,
    ) -> Result<JobId, Failure> {
        match self.submit.get() {
            Some(submit) => submit.submit(operation, args, wait, key).await,
            None => Err(Failure::new(
                Class::Transient,
                "VSJ0317",
                "the master takes in no jobs yet",
            )),
        }
    }
}

/// An action performed on the master. Like a script it is right from any half-way point of itself, and its undo is
/// right when it never ran; it tells the two apart by `Work::mode`.
#[derive(Debug)]
pub struct MasterAction {
    /// Such as `wait`.
    pub name: &'static str,
    /// Grows with each change of the arguments or of the meaning.
    pub version: u32,
    /// The names of the arguments.
    pub args: &'static [&'static str],
    /// The results that a success always has.
    pub outputs: &'static [&'static str],
    /// Performs `Work`.
    pub run: fn(Context, Work) -> Performing,
}
