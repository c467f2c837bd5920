//! Generations: the consolidated copies of guests that the master keeps. Each is a folder of its guest's, made under the
//! name `incoming-JOB` and sealed by one rename; from then on nothing in it is written any more. What is in it is told by
//! `generation.json` and, file by file, by `manifest`.
//!
//! ```text
//! FOLDER/ldap/incoming-1f2e3d4c/            while it is received
//! FOLDER/ldap/20261128T023000Z-1f2e3d4c/    sealed
//!     generation.json   what it is
//!     manifest          what is in its tree, with a checksum of each file
//!     folders           the folders of its source, by which a later one notices renamed ones
//!     tree/             the guest's root
//!     pinned            if it is there: never pruned
//! ```

mod keep;
mod manifest;
mod pull;
mod sealed;
mod tree;

use std::fmt;
use std::str::FromStr;

use crate::BadAmount;

pub use keep::Keep;
pub use manifest::Difference;
pub(crate) use manifest::{Count, Manifest};
pub(crate) use pull::{Pull, Pulled};
pub use sealed::{Facts, Generation, Generations};
pub use tree::TreeKind;
pub(crate) use tree::{end_orphans, is_gone};

/// How a guest is while its snapshot is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotMode {
    /// It runs.
    Hot,
    /// It is stopped for just that.
    Cold,
}

impl fmt::Display for SnapshotMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Hot => "hot",
            Self::Cold => "cold",
        })
    }
}

/// The name of a sealed generation: when its snapshot was taken, and the job that made it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GenerationName(String);

impl GenerationName {
    /// That of a generation that `job` makes at `at`.
    pub(crate) fn new(at: vsjob_engine::Timestamp, job: &str) -> Self {
        let at = chrono::DateTime::from_timestamp_millis(at.as_millis()).unwrap_or_default();
        Self(format!("{}-{job}", at.format("%Y%m%dT%H%M%SZ")))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for GenerationName {
    type Err = BadAmount;

    fn from_str(text: &str) -> Result<Self, BadAmount> {
        let refuse = || BadAmount::new(text, "a generation such as 20261128T023000Z-1f2e3d4c");
        let (at, job) = text.split_once('-').ok_or_else(refuse)?;
        let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        let is_moment = chrono::NaiveDateTime::parse_from_str(at, "%Y%m%dT%H%M%SZ").is_ok();
        match at.len() == 16 && is_moment && job.len() == 8 && job.chars().all(hex) {
            true => Ok(Self(text.to_owned())),
            false => Err(refuse()),
        }
    }
}

impl fmt::Display for GenerationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_generation_is_nothing_else() {
        let made = GenerationName::new(
            vsjob_engine::Timestamp::from_millis(1_764_000_000_000),
            "1f2e3d4c",
        );
        assert_eq!(made.as_str(), "20251124T160000Z-1f2e3d4c");
        assert_eq!(made.as_str().parse(), Ok(made.clone()));
        for bad in [
            "incoming-1f2e3d4c",
            "../x",
            "20251324T160000Z-1f2e3d4c",
            "20251124T160000Z-1f2e3d4",
            "latest",
            "",
        ] {
            assert!(bad.parse::<GenerationName>().is_err(), "{bad:?} was accepted");
        }
    }
}
