//! What can go wrong with a store: one stable code and one hint each. `docs/errors/<code>.md` says more.

use std::io;
use std::path::PathBuf;

use super::{Damage, Head};

/// Why a store cannot be opened, written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else has the store open.
    #[error("a master is already running on {}{}", .directory.display(), holder(*.pid))]
    Locked {
        /// The store.
        directory: PathBuf,
        /// Who holds it, if its lock file says so.
        pid: Option<u32>,
    },
    /// A file operation failed.
    #[error("cannot {doing} {}: {source}", .path.display())]
    Io {
        /// The operation, as a verb.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The disk has no room but the reserve for running jobs, or none to open the store.
    #[error("the disk is full: no room in {}", .path.display())]
    Full {
        /// Where.
        path: PathBuf,
    },
    /// The journal has reached the size that was configured for it.
    #[error("the journal has reached its limit of {limit} bytes")]
    Limit {
        /// The configured limit.
        limit: u64,
    },
    /// One frame is larger than the journal takes.
    #[error("a record of {size} bytes is larger than the {limit} that the journal takes")]
    TooLarge {
        /// Of the refused frame.
        size: u64,
        /// The most a frame may have.
        limit: u64,
    },
    /// The system could not make a write durable; what is on the disk is unknown.
    #[error("cannot make {} durable: {source}", .path.display())]
    Unsynced {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The store failed before, in a way after which it takes nothing more.
    #[error("the store stopped after an earlier failure")]
    Stopped,
    /// The journal is not what was written.
    #[error("the journal is damaged: {0}")]
    Damaged(Damage),
    /// A snapshot is not what was written.
    #[error("a snapshot of the state is damaged: {0}")]
    Snapshot(Damage),
    /// The index, or a snapshot, knows of frames that the journal does not have.
    #[error(
        "acknowledged records are missing: the index knows frame {indexed}, the journal ends at frame {journal}"
    )]
    Missing {
        /// The last frame that is known.
        indexed: u64,
        /// The last frame of the journal.
        journal: u64,
    },
    /// The index was made from another journal.
    #[error("the index and the journal disagree about frame {}: {indexed} and {journal}", .indexed.sequence)]
    Diverged {
        /// What the index says.
        indexed: Head,
        /// What the journal says.
        journal: Head,
    },
    /// A file that must be there is not.
    #[error("{} is missing", .path.display())]
    Absent {
        /// The file.
        path: PathBuf,
    },
    /// The files are not a store, or one of a newer version.
    #[error("{} is not a store that this version can read: {what}", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// In what way.
        what: String,
    },
    /// The index cannot be read or written; the journal has everything that it had.
    #[error("the index in {} failed: {source}", .path.display())]
    Index {
        /// The index.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

impl StoreError {
    /// Nothing of the batch was kept, and the store goes on. After any other error of an append the process must end.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Full { .. } | Self::Limit { .. } | Self::TooLarge { .. }
        )
    }

    /// Whether the system said that the disk, or the quota, is full.
    pub(super) fn is_full(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        match self {
            Self::Io { source, .. } | Self::Unsynced { source, .. } | Self::Index { source, .. } => {
                matches!(source.kind(), StorageFull | QuotaExceeded)
            }
            _ => false,
        }
    }

    /// The stable code, explained in `docs/errors`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Locked { .. } => "VSJ0101",
            Self::Io { .. } => "VSJ0102",
            Self::Full { .. } => "VSJ0103",
            Self::Limit { .. } => "VSJ0104",
            Self::TooLarge { .. } => "VSJ0105",
            Self::Unsynced { .. } => "VSJ0106",
            Self::Stopped => "VSJ0107",
            Self::Damaged(_) => "VSJ0108",
            Self::Missing { .. } => "VSJ0109",
            Self::Diverged { .. } => "VSJ0110",
            Self::Absent { .. } => "VSJ0111",
            Self::Foreign { .. } => "VSJ0112",
            Self::Index { .. } => "VSJ0113",
            Self::Snapshot(_) => "VSJ0114",
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Locked { .. } => "stop the running master first, or give this one another directory",
            Self::Io { .. } => "check the path, its owner and mode, and the disk",
            Self::Full { .. } => "free some disk space; nothing that was acknowledged is lost",
            Self::Limit { .. } => "raise the limit of the journal; running jobs go on meanwhile",
            Self::TooLarge { .. } => "split the request into smaller ones",
            Self::Unsynced { .. } => "check the disk and the kernel's log, then start the master again",
            Self::Stopped => "read the log for the first failure, then start the master again",
            Self::Damaged(_) => "restore the directory from a backup, or start once with --accept-loss",
            Self::Missing { .. } | Self::Diverged { .. } => {
                "bring back the missing journal files, or start once with --accept-loss"
            }
            Self::Absent { .. } => "bring the file back, or start once with --accept-loss",
            Self::Foreign { .. } => "use the version of vsjob that wrote it, or another directory",
            Self::Index { .. } => "start the master again: the index is rebuilt from the journal",
            Self::Snapshot(_) => {
                "nothing is lost while the other snapshot is whole: the next start sets this one aside"
            }
        }
    }
}

fn holder(pid: Option<u32>) -> String {
    pid.map(|pid| format!(", pid {pid}")).unwrap_or_default()
}
