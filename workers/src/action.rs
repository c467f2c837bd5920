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

/// A future of something that the master's desk does.
pub type Doing<T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send>>;

/// A job that another one leaves work to.
#[derive(Clone, Debug)]
pub struct Successor {
    /// What it is to do.
    pub operation: String,
    /// With which parameters.
    pub args: Vec<(String, String)>,
    /// Due after this.
    pub wait: Duration,
    /// The same key is the same job, however often it is submitted.
    pub key: String,
    /// The job that it is a part of: in whose class it is, and in whose name. None: the master's own housekeeping.
    pub part_of: Option<JobId>,
    /// Housekeeping that comes before everybody's jobs, and not after them.
    pub urgent: bool,
}

/// Where jobs leave work to other jobs, and hear of them.
pub trait Desk: Send + Sync {
    /// Submits a job. One that cannot be is a permanent failure.
    fn submit(&self, successor: Successor) -> Doing<JobId>;
    /// Waits until nothing will happen in the job without somebody's doing, and says how it stands, in a word.
    fn rest(&self, job: JobId) -> Doing<String>;
    /// Takes back the job of this key, in the name of the job that it is a part of: if there is one, and as far as that
    /// is still possible.
    fn take_back(&self, key: String, part_of: JobId) -> Doing<()>;
    /// That a host does not answer. One that does is a permanent failure.
    fn is_off(&self, host: String) -> Doing<()>;
    /// Where a guest lives; none: nowhere.
    fn lives(&self, guest: String) -> Doing<Option<String>>;
    /// Puts a host into maintenance, in the name of that job. Done twice it is done once.
    fn keep_away(&self, host: String, job: JobId) -> Doing<()>;
}

/// What an action on the master may use.
#[derive(Clone)]
#[non_exhaustive]
pub struct Context {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// People who can be asked.
    pub consents: Arc<Consents>,
    desk: Arc<OnceLock<Arc<dyn Desk>>>,
}

impl Context {
    /// A context in which time passes, and no desk is open yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            consents: Arc::default(),
            desk: Arc::default(),
        }
    }

    /// From now on jobs are left to `desk`. What was set first stays.
    pub fn open_desk(&self, desk: Arc<dyn Desk>) {
        let _ = self.desk.set(desk);
    }

    /// Where jobs are left to.
    ///
    /// # Errors
    /// It is not open yet, which passes.
    pub fn desk(&self) -> Result<&dyn Desk, Failure> {
        let closed = || Failure::new(Class::Transient, "VSJ0317", "the master takes in no jobs yet");
        self.desk.get().map(AsRef::as_ref).ok_or_else(closed)
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
