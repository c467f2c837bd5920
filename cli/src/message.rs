//! What the master and its clients tell each other, and what `--json` prints: one definition for both. Field names are
//! stable; new ones may be added. `docs/manual/json.md` is their manual.

mod generation;
mod pool;
mod schedule;
mod stuck;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub(crate) use self::generation::*;
pub(crate) use self::pool::*;
pub(crate) use self::schedule::*;
pub(crate) use self::stuck::*;

/// A moment, in UTC, as in `2026-11-24T22:53:47.123Z`.
pub(crate) type Moment = DateTime<Utc>;

/// Jobs of a higher class get their turn first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Priority {
    /// Somebody waits for it.
    High,
    /// The usual.
    #[default]
    Normal,
    /// Whenever there is nothing else to do.
    Low,
}

impl Priority {
    /// As written.
    #[must_use]
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }
}

/// A request for a job.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Submit {
    /// The operation.
    pub operation: String,
    /// Its parameters by name.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// The same key with the same request is the same job.
    #[serde(default)]
    pub key: Option<String>,
    /// Its class.
    #[serde(default)]
    pub priority: Priority,
    /// Who asks, as far as the client can say.
    #[serde(default)]
    pub who: Who,
}

impl Submit {
    /// It says that a host is off: somebody must answer for that.
    pub(crate) fn is_vouched(&self) -> bool {
        self.parameters
            .get("host-is-off")
            .is_some_and(|said| said == "true")
    }
}

/// What a client says about where and why; the user is what the kernel says.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Who {
    /// Where the command was given.
    #[serde(default)]
    pub from: Option<String>,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
}

/// An answer to what a job asks.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reply {
    /// Yes, or no.
    pub yes: bool,
    /// Who answers, as far as the client can say.
    #[serde(default)]
    pub who: Who,
}

/// A job was accepted; it is durable.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Accepted {
    /// Its id.
    pub job: String,
    /// The end of its id, by which people name it.
    pub short: String,
    /// False: the key was known, and this is the job that it made then.
    pub new: bool,
}

/// What a job would do.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct PlanView {
    /// What it is about.
    pub title: String,
    /// What it would hold meanwhile.
    pub locks: Vec<String>,
    /// It would not begin before: the hours of its hosts for large copies.
    #[serde(default)]
    pub not_before: Option<DateTime<Utc>>,
    /// Its steps.
    pub steps: Vec<PlannedStep>,
}

/// A step that would be performed.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct PlannedStep {
    /// From 1.
    pub step: u32,
    /// What it does.
    pub title: String,
    /// Which action, and which version of it.
    pub action: String,
    /// The hosts it acts on; the first is where its script runs. None: on the master.
    pub hosts: Vec<String>,
    /// Its arguments, in order; `<step 3: snapshot>` is not known yet.
    pub args: Vec<Argument>,
    /// `gating` or `cleaning`, if it has an undo.
    pub undo: Option<String>,
    /// From its intent on the job only goes forward.
    pub pivot: bool,
    /// Its scripts, exactly as they will run.
    pub scripts: Vec<ScriptView>,
}

/// An argument.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Argument {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A script.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ScriptView {
    /// Such as `guest-stop.do`.
    pub name: String,
    /// The first 12 digits of its blake3.
    pub hash: String,
    /// What `sh` reads.
    pub text: String,
}

/// A job in one line.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct JobLine {
    /// Its id.
    pub job: String,
    /// The end of its id, by which people name it.
    pub short: String,
    /// The operation.
    pub operation: String,
    /// What it is about.
    pub title: String,
    /// `queued`, `running`, `unwinding`, `paused`, `stuck`, `succeeded`, `rolled back`, `cancelled` or `abandoned`; of a batch also `partly
    /// done` or `not done`.
    pub state: String,
    /// Whether nothing will happen any more.
    pub over: bool,
    /// Why it is in this state, if there is more to say.
    pub why: Option<FailureView>,
    /// Who asked for it.
    pub user: String,
    /// The schedule that it came from.
    #[serde(default)]
    pub schedule: Option<String>,
    /// How many of its steps are done.
    pub done: u32,
    /// How many steps it has.
    pub steps: u32,
    /// The title of the step whose turn it is.
    pub at: Option<String>,
    /// When it was submitted.
    pub submitted: DateTime<Utc>,
    /// When it began.
    pub started: Option<DateTime<Utc>>,
    /// When it was over.
    pub ended: Option<DateTime<Utc>>,
}

/// A job with its steps.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct JobView {
    /// The job in one line.
    #[serde(flatten)]
    pub line: JobLine,
    /// Its parameters.
    pub parameters: BTreeMap<String, String>,
    /// Where it was asked for.
    pub from: String,
    /// Why.
    pub reason: Option<String>,
    /// Its idempotency key.
    pub key: Option<String>,
    /// Its class.
    pub priority: Priority,
    /// What it holds while it is open.
    pub locks: Vec<String>,
    /// What it waits for, if it does.
    pub waits_for: Option<String>,
    /// What it asks, if it does: it waits for yes or no.
    #[serde(default)]
    pub question: Option<String>,
    /// How long its guest stood still, in milliseconds, by the master's clock.
    #[serde(default)]
    pub stood_still: Option<u64>,
    /// How far the step is that is under way.
    pub progress: Option<ProgressView>,
    /// What a person should do, if anything.
    pub hint: Option<String>,
    /// Its steps.
    pub plan: Vec<StepView>,
}

/// How far a step is. Not durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct ProgressView {
    /// Bytes done.
    pub bytes: u64,
    /// Bytes in all, where that is known.
    pub total: Option<u64>,
    /// A few words.
    pub note: String,
}

/// A step of a job.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct StepView {
    /// From 1.
    pub step: u32,
    /// What it does.
    pub title: String,
    /// Which action, and which version of it.
    pub action: String,
    /// The hosts it acts on; none: the master.
    pub hosts: Vec<String>,
    /// `planned`, `started`, `waiting`, `succeeded`, `failed`, `undoing`, `undone`, …
    pub state: String,
    /// Whether it is the point of no return.
    pub pivot: bool,
    /// How many attempts were begun.
    pub attempts: u32,
    /// When it was first begun.
    pub started: Option<DateTime<Utc>>,
    /// When it last changed.
    pub ended: Option<DateTime<Utc>>,
    /// When it is tried again.
    pub retry_at: Option<DateTime<Utc>>,
    /// What it answered.
    pub outputs: BTreeMap<String, String>,
    /// How it failed.
    pub failure: Option<FailureView>,
}

/// How something failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct FailureView {
    /// Such as `VSJ0301`; empty if there is none.
    pub code: String,
    /// One line.
    pub message: String,
    /// The end of what the command said.
    pub detail: String,
}

/// Something, as it was at a moment.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct At<T> {
    /// The number of the last durable change; ask for what comes after it.
    pub change: u64,
    /// When that was.
    pub now: DateTime<Utc>,
    /// What was asked for.
    #[serde(flatten)]
    pub what: T,
}

/// Jobs, newest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Jobs {
    /// The jobs.
    pub jobs: Vec<JobLine>,
}

/// What has happened in a job.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct History {
    /// In the order in which it happened.
    pub events: Vec<EventView>,
    /// Whether nothing will happen any more.
    pub over: bool,
}

/// One thing that happened.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct EventView {
    /// Its place in the journal.
    pub sequence: u64,
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub text: String,
}

/// Locks, by what is held.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Locks {
    /// The locks.
    pub locks: Vec<LockLine>,
}

/// A lock.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct LockLine {
    /// What is held: `guest/ldap`, `host/vsh-01`.
    pub key: String,
    /// Whether others may hold it too.
    pub shared: bool,
    /// The job that holds it.
    pub job: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// The jobs that wait for it.
    pub waiting: Vec<String>,
}

/// What jobs have left on hosts.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Leftovers {
    /// Undos that are owed to hosts that were away.
    pub debts: Vec<DebtLine>,
    /// Objects that open jobs have made, or that a debt is about.
    pub objects: Vec<ObjectLine>,
    /// What hosts have that carries our names and belongs to no open job.
    pub strays: Vec<StrayLine>,
    /// Hosts that did not say.
    pub silent: Vec<SilentHost>,
}

/// Something on a host that carries our names and belongs to no open job.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct StrayLine {
    /// Where.
    pub host: String,
    /// Such as `volume`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// An undo that is owed.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct DebtLine {
    /// Whose.
    pub job: String,
    /// From 1.
    pub step: u32,
    /// To which host.
    pub host: Option<String>,
    /// What the step did.
    pub title: String,
    /// Why it could not be undone.
    pub failure: FailureView,
}

/// An object on a host.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ObjectLine {
    /// Whose.
    pub job: String,
    /// Where; none: on the master.
    pub host: Option<String>,
    /// Such as `volume`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// The result of a walk over the journal.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Verified {
    /// The first record that is there; those before it are archived elsewhere, or gone.
    pub first: u64,
    /// How many records are whole and linked, from that one on.
    pub records: u64,
    /// The hash of the last of them.
    pub head: String,
    /// The first thing that is wrong.
    pub damage: Option<String>,
}

/// One action to run as a job of one step.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunStep {
    /// The action.
    pub action: String,
    /// Its arguments, in order.
    pub args: Vec<String>,
    /// The hosts it acts on.
    pub hosts: Vec<String>,
    /// The same key with the same request is the same job.
    pub key: String,
    /// Who asks.
    #[serde(default)]
    pub who: Who,
}

/// What went wrong.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Trouble {
    /// It.
    pub error: TroubleBody,
}

/// What went wrong, in words.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct TroubleBody {
    /// Such as `VSJ0405`.
    pub code: String,
    /// One line.
    pub message: String,
    /// Why.
    pub causes: Vec<String>,
    /// What to do.
    pub hint: Option<String>,
}
