//! What the master and its clients tell each other, and what `--json` prints: one definition for both. Field names are
//! stable; new ones may be added. `docs/manual/json.md` is their manual.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
    /// `queued`, `running`, `unwinding`, `paused`, `stuck`, `succeeded`, `rolled back` or `cancelled`; of a batch also `partly
    /// done` or `not done`.
    pub state: String,
    /// Whether nothing will happen any more.
    pub over: bool,
    /// Why it is in this state, if there is more to say.
    pub why: Option<FailureView>,
    /// Who asked for it.
    pub user: String,
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
    /// How many records are whole and linked.
    pub records: u64,
    /// The hash of the last of them.
    pub head: String,
    /// The first thing that is wrong.
    pub damage: Option<String>,
}

/// Guests and where they live.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Guests {
    /// By name.
    pub guests: Vec<GuestLine>,
}

/// A guest.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct GuestLine {
    /// Its name.
    pub guest: String,
    /// Where it lives.
    pub host: String,
}

/// The hosts of slaves.conf.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Hosts {
    /// By name.
    pub hosts: Vec<HostLine>,
}

/// A host.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct HostLine {
    /// Its name.
    pub host: String,
    /// Its drivers.
    pub drivers: Vec<String>,
    /// Whether it may be picked automatically.
    pub selectable: bool,
    /// How many guests live there.
    pub guests: u32,
    /// `in service`, or `maintenance`: nothing new is sent there.
    pub state: String,
    /// How many undos are owed to it.
    pub owed: u32,
    /// Why it does not answer, if it does not.
    pub trouble: Option<FailureView>,
}

/// A host with all that is known of it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct HostView {
    /// The host in one line.
    #[serde(flatten)]
    pub line: HostLine,
    /// Where it is reached.
    pub address: String,
    /// Which machine it was when it was first claimed, as in its /etc/machine-id.
    pub machine: Option<String>,
    /// Why nothing new is sent there, if so.
    pub maintenance: Option<MaintenanceView>,
    /// The guests that live there.
    pub lives_there: Vec<String>,
    /// The open jobs that work on it.
    pub jobs: Vec<JobLine>,
    /// Undos that are owed to it.
    pub debts: Vec<DebtLine>,
}

/// Why nothing new is sent to a host.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct MaintenanceView {
    /// Since when.
    pub since: DateTime<Utc>,
    /// Who said so.
    pub user: String,
    /// Why.
    pub reason: Option<String>,
}

/// Whether a host is in maintenance from now on.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Maintain {
    /// True: nothing new is sent there.
    pub on: bool,
    /// Who asks.
    #[serde(default)]
    pub who: Who,
}

/// A host is gone for good.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForgetHost {
    /// It is off and stays off. Needed when nothing answers in its name.
    #[serde(default)]
    pub host_is_off: bool,
    /// The guests that live there are lost with it.
    #[serde(default)]
    pub guests_are_lost: bool,
    /// Who asks.
    #[serde(default)]
    pub who: Who,
}

/// What was struck with a host.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ForgottenHost {
    /// Its name.
    pub host: String,
    /// How many undos were owed to it, and are not any more.
    pub debts: u32,
    /// The guests that were lost with it: they are nowhere now.
    pub guests: Vec<String>,
}

/// How late it is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ClockView {
    /// By the master, which follows its wall clock in small corrections only.
    pub master: DateTime<Utc>,
    /// By the wall clock of its machine.
    pub wall: DateTime<Utc>,
    /// How long a master has been up over this store, in all, in seconds: by this days of grace are counted.
    pub up: u64,
    /// The wall clock has jumped, and nobody has accepted it yet: what waits for a time of its own is held.
    pub jump: Option<JumpView>,
}

/// A jump of the wall clock.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct JumpView {
    /// What it should have said,
    pub from: DateTime<Utc>,
    /// when it said this.
    pub to: DateTime<Utc>,
}

/// Templates by name.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Templates {
    /// By name.
    pub templates: Vec<TemplateLine>,
}

/// A template.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct TemplateLine {
    /// Its name.
    pub template: String,
    /// Its archive.
    pub archive: String,
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

/// How the pool is, against what the master knows.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Scanned {
    /// Guests found, and guests missing.
    pub guests: Vec<ScanLine>,
    /// Hosts that did not answer.
    pub silent: Vec<SilentHost>,
    /// What the master holds back after a take-over, until this scan is accepted.
    pub held: Option<Held>,
}

/// Jobs that do not move until somebody has seen how the hosts are.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Held {
    /// The open jobs.
    pub jobs: Vec<HeldJob>,
    /// Stands for all that this scan shows; accepting names it.
    pub seal: String,
}

/// A job that is held.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct HeldJob {
    /// Its id.
    pub job: String,
    /// What it is about.
    pub title: String,
    /// How it stands, as this master knows it.
    pub state: String,
    /// Why it will be stuck, because the hosts know something else of it; it goes on if there is none.
    pub doubt: Option<String>,
}

/// A scan that somebody has seen, and lets the held jobs go on after.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AcceptScan {
    /// That of the scan.
    pub seal: String,
    /// Who asks.
    #[serde(default)]
    pub who: Who,
}

/// A guest, as found.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ScanLine {
    /// Its name.
    pub guest: String,
    /// Where it was found.
    pub host: Option<String>,
    /// How it is there: running or stopped, enabled or disabled, defined or undefined.
    pub state: String,
    /// What differs from placement; nothing if nothing does.
    pub differs: Option<String>,
}

/// A host that did not answer.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct SilentHost {
    /// Its name.
    pub host: String,
    /// Why.
    pub trouble: FailureView,
}

/// Which guests to take into placement.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Adopt {
    /// Only those of this host.
    #[serde(default)]
    pub host: Option<String>,
    /// Who asks.
    #[serde(default)]
    pub who: Who,
}
