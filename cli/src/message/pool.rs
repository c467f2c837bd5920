//! What is said about the pool: guests, hosts, the clock, templates, and how all of it was found.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{DebtLine, FailureView, JobLine, Who};

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
    /// How large that is.
    pub bytes: u64,
}

/// A template, and more of it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct TemplateView {
    /// Where it is.
    #[serde(flatten)]
    pub template: TemplateLine,
    /// The checksum that was written down when it was made here, as `b3sum` tells it.
    pub checksum: Option<String>,
    /// The jobs that are not over and name it.
    pub jobs: Vec<String>,
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
