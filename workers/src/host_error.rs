//! What can go wrong between the master and a host. Each has a code, which `vsjob explain` tells more about, and a
//! hint what to do.

use std::time::Duration;

use vsjob_engine::{Class, Epoch, Failure, HostName};

/// Why a host did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum HostError {
    #[error("{host} does not answer: {why}")]
    Unreachable { host: HostName, why: String },
    #[error("{host} shows another host key than the known one")]
    HostKeyChanged { host: HostName },
    #[error("{host} is another machine than before: {found}, not {known}")]
    OtherMachine {
        host: HostName,
        known: String,
        found: String,
    },
    #[error("the host key of {host} is not known")]
    HostKeyUnknown { host: HostName },
    #[error("{host} does not let us in: {why}")]
    AuthFailed { host: HostName, why: String },
    #[error("{host} obeys another master (epoch {have}; ours is {ours})")]
    EpochRefused {
        host: HostName,
        have: String,
        ours: Epoch,
    },
    #[error("we are not root on {host}")]
    NotRoot { host: HostName },
    #[error("the line to {host} broke during {what}: {why}")]
    LineLost {
        host: HostName,
        what: String,
        why: String,
    },
    #[error("{what} on {host} took longer than {}", seconds(.limit))]
    LimitExceeded {
        host: HostName,
        what: String,
        limit: Duration,
    },
    #[error("{what} on {host} told no progress for {}", seconds(.limit))]
    Stalled {
        host: HostName,
        what: String,
        limit: Duration,
    },
    #[error("{what} on {host} answered what cannot be: {why}")]
    BadAnswer {
        host: HostName,
        what: String,
        why: String,
    },
    #[error("{what} on {host} was interrupted before its end")]
    Interrupted { host: HostName, what: String },
    #[error("nothing can be relayed over the connection to {host}: {why}")]
    NoRelay { host: HostName, why: String },
    #[error("`{name}` is not a host of slaves.conf")]
    UnknownHost { name: String },
    #[error("the arguments of {action} do not fit it: {why}")]
    BadArguments { action: String, why: String },
    #[error("this program has no action {action}")]
    UnknownAction { action: String },
}

fn seconds(limit: &Duration) -> String {
    format!("{} s", limit.as_secs())
}

impl HostError {
    /// The code, as in `docs/errors`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "VSJ0301",
            Self::HostKeyChanged { .. } => "VSJ0302",
            Self::AuthFailed { .. } => "VSJ0303",
            Self::EpochRefused { .. } => "VSJ0304",
            Self::HostKeyUnknown { .. } => "VSJ0305",
            Self::NotRoot { .. } => "VSJ0306",
            Self::LineLost { .. } => "VSJ0307",
            Self::LimitExceeded { .. } => "VSJ0308",
            Self::Stalled { .. } => "VSJ0309",
            Self::BadAnswer { .. } => "VSJ0311",
            Self::Interrupted { .. } => "VSJ0312",
            Self::UnknownHost { .. } => "VSJ0314",
            Self::BadArguments { .. } => "VSJ0315",
            Self::UnknownAction { .. } => "VSJ0316",
            Self::NoRelay { .. } => "VSJ0318",
            Self::OtherMachine { .. } => "VSJ0540",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => {
                "see that the host is on and that `ssh` to it works; the job goes on by itself then"
            }
            Self::HostKeyChanged { .. } => {
                "if the host was reinstalled, take the new key with `ssh-keygen -R` and `ssh-keyscan`; if not, somebody may be in between"
            }
            Self::OtherMachine { .. } => {
                "if it was reinstalled or replaced for good: `vsjob host forget`; if not, correct address= in slaves.conf"
            }
            Self::AuthFailed { .. } => "put the master's public key into root's authorized_keys on the host",
            Self::EpochRefused { .. } => {
                "another master has taken over this pool; stop this one, or start it with --take-over if it is the right one"
            }
            Self::HostKeyUnknown { .. } => "connect once by hand, compare the fingerprint and accept the key",
            Self::NotRoot { .. } => {
                "set user=root for the host in slaves.conf, or give that user sudo without a password"
            }
            Self::LineLost { .. } | Self::Interrupted { .. } => {
                "nothing is needed: what was under way is looked at again"
            }
            Self::LimitExceeded { .. } | Self::Stalled { .. } => {
                "see what the host is busy with: `vsjob logs JOB`"
            }
            Self::BadAnswer { .. } => {
                "this is a fault in vsjob or a strange tool on the host: `vsjob logs JOB` shows what it said"
            }
            Self::NoRelay { .. } => {
                "let sshd forward for root: AllowTcpForwarding yes, and no DisableForwarding"
            }
            Self::UnknownHost { .. } => "add the host to slaves.conf, or correct its name",
            Self::BadArguments { .. } | Self::UnknownAction { .. } => {
                "the job was planned by another version of vsjob: finish it with that one"
            }
        }
    }

    /// Whether the same again may succeed.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Unreachable { .. }
            | Self::OtherMachine { .. }
            | Self::LineLost { .. }
            | Self::LimitExceeded { .. }
            | Self::Stalled { .. }
            | Self::NoRelay { .. }
            | Self::Interrupted { .. } => Class::Transient,
            Self::HostKeyChanged { .. }
            | Self::HostKeyUnknown { .. }
            | Self::AuthFailed { .. }
            | Self::EpochRefused { .. }
            | Self::NotRoot { .. }
            | Self::BadAnswer { .. }
            | Self::UnknownHost { .. }
            | Self::BadArguments { .. }
            | Self::UnknownAction { .. } => Class::Permanent,
        }
    }

    /// Whether the host may have done, or be doing, what this error does not tell: it is to be asked again.
    #[must_use]
    pub(crate) fn leaves_open(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::OtherMachine { .. }
                | Self::LineLost { .. }
                | Self::EpochRefused { .. }
                | Self::LimitExceeded { .. }
        )
    }

    /// The same for the engine.
    #[must_use]
    pub fn failure(&self) -> Failure {
        Failure::new(self.class(), self.code(), self.to_string())
    }
}
