//! The name of a generation, by which generations are in their order whatever the clock says.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, TimeDelta};
use vsjob_engine::Timestamp;

use crate::BadAmount;

/// How a guest is while its snapshot is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SnapshotMode {
    /// It runs.
    #[default]
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

/// How the time of a generation stands in its name. Names in their order are generations in theirs.
const MOMENT: &str = "%Y%m%dT%H%M%S%3fZ";

/// The name of a sealed generation: when it was begun, in UTC, and the job that made it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GenerationName(String);

impl GenerationName {
    /// That of a generation that `job` makes at `at`, and in any case after `last`: the clock may have been set back since.
    pub(crate) fn new(at: Timestamp, last: Option<&Self>, job: &str) -> Self {
        let at = DateTime::from_timestamp_millis(at.as_millis())
            .unwrap_or_default()
            .naive_utc();
        let after = last.and_then(|last| last.at().checked_add_signed(TimeDelta::milliseconds(1)));
        let at = after.map_or(at, |after| after.max(at));
        Self(format!("{}-{job}", at.format(MOMENT)))
    }

    /// When it was begun.
    pub(crate) fn at(&self) -> NaiveDateTime {
        let (at, _) = self.0.split_once('-').unwrap_or_default();
        NaiveDateTime::parse_from_str(at, MOMENT).unwrap_or_default()
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
        let refuse = || BadAmount::new(text, "a generation such as 20261128T023000000Z-1f2e3d4c");
        let (at, job) = text.split_once('-').ok_or_else(refuse)?;
        let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        let is_moment = NaiveDateTime::parse_from_str(at, MOMENT).is_ok();
        match at.len() == 19 && is_moment && job.len() == 8 && job.chars().all(hex) {
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
        let at = Timestamp::from_millis(1_764_000_000_007);
        let made = GenerationName::new(at, None, "1f2e3d4c");
        assert_eq!(made.as_str(), "20251124T160000007Z-1f2e3d4c");
        assert_eq!(made.as_str().parse(), Ok(made.clone()));
        for bad in [
            "incoming-1f2e3d4c",
            "../x",
            "20251324T160000000Z-1f2e3d4c",
            "20251124T160000000Z-1f2e3d4",
            "latest",
            "",
        ] {
            assert!(bad.parse::<GenerationName>().is_err(), "{bad:?} was accepted");
        }
    }
    #[test]
    fn a_generation_comes_after_the_last_one_whatever_the_clock_says() {
        let at = |millis: i64| Timestamp::from_millis(1_764_000_000_000 + millis);
        let first = GenerationName::new(at(5), None, "ffffffff");
        for millis in [5, 4, -9_000_000, 6] {
            let next = GenerationName::new(at(millis), Some(&first), "00000000");
            assert_eq!(next.as_str(), "20251124T160000006Z-00000000");
            assert!(next > first);
        }
    }
}
