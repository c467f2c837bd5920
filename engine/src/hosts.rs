//! What the journal says about hosts: which machine each one is, and whether somebody works on it, so that nothing new
//! is sent there. A host that was never met and is in service has no record.

use serde::{Deserialize, Serialize};

use crate::{Actor, HostName, Timestamp};

/// What is known of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownHost {
    /// Which machine it was when it was first claimed, as its /etc/machine-id says. What answers in its name and is
    /// another machine is not asked for anything.
    pub machine: Option<String>,
    /// Nothing new is sent there, and why.
    pub maintenance: Option<Maintenance>,
}

/// Why nothing new is sent to a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    /// Since when.
    pub since: Timestamp,
    /// Who said so, and why.
    pub actor: Actor,
}

/// What happens to a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostEvent {
    /// From now on nothing new is sent there.
    MaintenanceBegun {
        /// Who wants it, and why.
        actor: Actor,
    },
    /// It may be used again.
    MaintenanceEnded {
        /// Who says so, and why.
        actor: Actor,
    },
    /// It was claimed for the first time.
    Met {
        /// Which machine it is.
        machine: String,
    },
    /// It is gone for good: whatever has its name from now on is a new host.
    Forgotten {
        /// Who says so, and why.
        actor: Actor,
        /// The guests that are lost with it; they are nowhere from now on.
        guests: Vec<String>,
    },
}

/// A guest that somebody has seen on a host. To look takes time, and meanwhile a job may move it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Which.
    pub guest: String,
    /// Where it was seen.
    pub host: HostName,
    /// Where placement had it before the look.
    pub placed: Option<HostName>,
    /// What a job holds that may move it.
    pub lock: String,
}

/// What was struck when a host was forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// How many undos were owed to it.
    pub debts: usize,
    /// The guests that are lost with it.
    pub guests: Vec<String>,
}
