//! The identifiers of the engine. Each is parsed once at the edge; inside, a value of the type is a valid one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A job: a UUID version 7, so ids sort by the time of their submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId(Uuid);

impl JobId {
    /// A new id for a job submitted at `at`.
    #[must_use]
    pub fn new(at: crate::Timestamp) -> Self {
        let millis = u64::try_from(at.as_millis()).unwrap_or(0);
        let time = uuid::Timestamp::from_unix_time(
            millis / 1000,
            u32::try_from(millis % 1000).unwrap_or(0) * 1_000_000,
            0,
            0,
        );
        Self(Uuid::new_v7(time))
    }

    /// The last eight hexadecimal digits: random ones, so they tell apart jobs of one moment.
    /// Names of objects on hosts carry them (`ldap.moved-1f2e3d4c`).
    #[must_use]
    pub fn short(&self) -> String {
        let text = self.0.simple().to_string();
        text[24..].to_owned()
    }

    /// The 16 bytes, in an order that sorts by time.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for JobId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}

/// The place of a step in its plan, from 0; shown from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StepNo(pub u16);

impl StepNo {
    /// The index into `Plan::steps`.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for StepNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (u32::from(self.0) + 1).fmt(f)
    }
}

/// Which life of the master gave an order: a counter that only grows, and a random id that tells two masters apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Epoch {
    /// Grows by one with each start of a master, and by [`Epoch::SKIPPED`] with each take-over.
    pub counter: u64,
    /// Drawn once by each master.
    pub id: Uuid,
}

impl Epoch {
    /// How many epochs a take-over skips: more than a master is ever started. One that was away when its hosts were taken
    /// over, and is started again and again, does not come to be the later one.
    pub const SKIPPED: u64 = 1 << 20;
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.counter, self.id.simple())
    }
}

/// The name of a host: 1 to 63 of `a-z`, `0-9`, `-` and `.`, beginning and ending with a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HostName(String);

/// Why a text is not the name it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a {what}: {why}", .text.escape_default())]
pub struct BadName {
    /// What it should have been.
    pub what: &'static str,
    /// The text as given.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl HostName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        check_label(text, "host name", 63, ".-").map(|()| Self(text.to_owned()))
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Checks a name of the field: `a-z`, `0-9` and the characters of `inner`, these last neither first nor last nor doubled dots.
///
/// # Errors
/// Says which rule the text breaks.
pub fn check_label(text: &str, what: &'static str, longest: usize, inner: &str) -> Result<(), BadName> {
    let refuse = |why| {
        Err(BadName {
            what,
            text: text.chars().take(80).collect(),
            why,
        })
    };
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if text.is_empty() {
        return refuse("it is empty");
    }
    if text.len() > longest {
        return refuse("it is too long");
    }
    if !text.chars().all(|c| plain(c) || inner.contains(c)) {
        return refuse("only a-z, 0-9 and `-` may stand in it");
    }
    if !text.starts_with(plain) || !text.ends_with(plain) {
        return refuse("it must begin and end with a letter or a digit");
    }
    if text.contains("..") {
        return refuse("two dots follow each other");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_leave_its_place_is_refused() {
        for bad in [
            "",
            "a;b",
            "../a",
            "a\nb",
            "a b",
            "$(x)",
            "-a",
            "a-",
            "A",
            "a..b",
            "é",
            &"a".repeat(300),
        ] {
            assert!(bad.parse::<HostName>().is_err(), "{bad:?} was accepted");
        }
        assert!("vsh-01.example.org".parse::<HostName>().is_ok());
        assert!("a".repeat(63).parse::<HostName>().is_ok());
        assert!("a".repeat(64).parse::<HostName>().is_err());
    }

    #[test]
    fn ids_are_told_as_people_and_scripts_know_them() {
        let uuid: Uuid = "018bcfe5-68fa-7ff7-b662-16583f22ce1d".parse().unwrap();
        assert_eq!(JobId(uuid).to_string(), "018bcfe5-68fa-7ff7-b662-16583f22ce1d");
        assert_eq!(JobId(uuid).short(), "3f22ce1d");
        assert_eq!(StepNo(0).to_string(), "1");
        assert_eq!(StepNo(4).to_string(), "5");
        let epoch = Epoch { counter: 7, id: uuid };
        assert_eq!(epoch.to_string(), "7-018bcfe568fa7ff7b66216583f22ce1d");
    }
}
