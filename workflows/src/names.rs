//! The names and amounts that a request is made of. Each is parsed once, at the edge; inside, a value of the type is a
//! valid one, safe as one argument of a script and as one component of a path.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use vsjob_engine::{BadName, check_label};

macro_rules! label {
    ($(#[$doc:meta])* $name:ident, $what:literal, $longest:literal, $inner:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadName;

            fn from_str(text: &str) -> Result<Self, BadName> {
                check_label(text, $what, $longest, $inner).map(|()| Self(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

label! {
    /// The name of a guest, which is its host name too: 1 to 46 of `a-z`, `0-9` and `-`. No dot: what carries one
    /// (`ldap.moved-1f2e3d4c`) is an object of a job. With our endings it stays a machine name of at most 64 bytes.
    GuestName, "guest name", 46, "-"
}

label! {
    /// The name of a template: 1 to 63 of `a-z`, `0-9`, `-` and `.`.
    TemplateName, "template name", 63, ".-"
}

label! {
    /// A suite of a distribution as debootstrap knows it, such as `bookworm`: 1 to 63 of `a-z`, `0-9`, `-` and `.`.
    SuiteName, "suite", 63, ".-"
}

label! {
    /// The name of a network device of a host, such as `br0`: 1 to 15 characters, as the kernel allows.
    DeviceName, "network device", 15, ".-"
}

/// A wrong amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not {what}", .text.escape_default())]
pub struct BadAmount {
    /// The text as given.
    pub text: String,
    /// What it should have been.
    pub what: &'static str,
}

impl BadAmount {
    /// `text` is not `what`.
    pub fn new(text: &str, what: &'static str) -> Self {
        Self {
            text: text.chars().take(80).collect(),
            what,
        }
    }
}

/// An amount of memory or disk in units of 1024 × 1024 bytes; 0 means: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Megabytes(pub u32);

impl FromStr for Megabytes {
    type Err = BadAmount;

    fn from_str(text: &str) -> Result<Self, BadAmount> {
        text.parse()
            .map(Self)
            .map_err(|_| BadAmount::new(text, "a number of megabytes"))
    }
}

impl fmt::Display for Megabytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A part of the host's processors such as `9/10`, held in percent of one processor; 0 means: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CpuPercent(pub u32);

impl FromStr for CpuPercent {
    type Err = BadAmount;

    fn from_str(text: &str) -> Result<Self, BadAmount> {
        let refuse = || BadAmount::new(text, "a ratio such as 9/10");
        let (part, whole) = text.split_once('/').unwrap_or((text, "1"));
        let part: u32 = part.parse().map_err(|_| refuse())?;
        let whole: u32 = whole.parse().map_err(|_| refuse())?;
        part.checked_mul(100)
            .and_then(|hundredfold| hundredfold.checked_div(whole))
            .map(Self)
            .ok_or_else(refuse)
    }
}

impl fmt::Display for CpuPercent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A duration in whole seconds or milliseconds, read from `5s`, `500ms`, `2m`, `7d` or a bare number of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub Duration);

impl Span {
    /// How long what a job has left behind is kept, if nobody says otherwise.
    pub const GRACE: Self = Self(Duration::from_secs(7 * 24 * 3600));
}

impl FromStr for Span {
    type Err = BadAmount;

    fn from_str(text: &str) -> Result<Self, BadAmount> {
        let refuse = || BadAmount::new(text, "a duration such as 500ms, 5s, 2m, 6h or 7d");
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| refuse())?;
        let millis_each = match unit {
            "ms" => 1,
            "" | "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(refuse()),
        };
        let millis = number.checked_mul(millis_each).ok_or_else(refuse)?;
        Ok(Self(Duration::from_millis(millis)))
    }
}

/// In milliseconds: what scripts take.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_millis().fmt(f)
    }
}

/// A text of one line, as an argument of a script: no line ends, no NUL, at most 1,000 bytes. It may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Line(String);

impl Line {
    /// Of something that is one line when it is shown, such as an address.
    pub(crate) fn of(shown: &impl fmt::Display) -> Result<Self, BadAmount> {
        shown.to_string().parse()
    }
}

impl FromStr for Line {
    type Err = BadAmount;

    fn from_str(text: &str) -> Result<Self, BadAmount> {
        if text.len() > 1000 || text.chars().any(char::is_control) {
            return Err(BadAmount::new(text, "one line of at most 1,000 bytes"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// `yes` or `no`, as scripts take and answer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum YesNo {
    /// It is so.
    Yes,
    /// It is not so.
    No,
}

impl YesNo {
    /// As scripts take it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
        }
    }

    /// Whether either is so.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        (self == Self::Yes || other == Self::Yes).into()
    }
}

impl From<bool> for YesNo {
    fn from(is_so: bool) -> Self {
        if is_so { Self::Yes } else { Self::No }
    }
}

impl fmt::Display for YesNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What to do when a guest would stand still for longer than it may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnBudget {
    /// Fail, before the guest is touched.
    #[default]
    Fail,
    /// Go on all the same.
    Proceed,
    /// Ask, before the guest is touched.
    Ask,
}

impl FromStr for OnBudget {
    type Err = BadAmount;

    fn from_str(text: &str) -> Result<Self, BadAmount> {
        match text {
            "fail" => Ok(Self::Fail),
            "proceed" => Ok(Self::Proceed),
            "ask" => Ok(Self::Ask),
            _ => Err(BadAmount::new(text, "`fail`, `proceed` or `ask`")),
        }
    }
}

impl fmt::Display for OnBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fail => "fail",
            Self::Proceed => "proceed",
            Self::Ask => "ask",
        })
    }
}

/// The name of a volume that a job chose. Such names exist only as answers of steps.
#[derive(Debug)]
pub enum VolumeName {}

/// The short id of a job, which is part of the names of what it makes. Exists only as the answer of a step.
#[derive(Debug)]
pub enum ShortId {}

/// What a move, a remove or a restore leaves behind: `GUEST.moved-JOB`, `GUEST.removed-JOB`, `GUEST.replaced-JOB`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Leftover {
    guest: GuestName,
    ending: &'static str,
    job: String,
}

impl Leftover {
    const ENDINGS: [&str; 3] = [".moved-", ".removed-", ".replaced-"];

    /// The guest that it was.
    #[must_use]
    pub fn guest(&self) -> &GuestName {
        &self.guest
    }

    /// Its guest was removed: it lives nowhere else.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.ending == ".removed-"
    }
}

impl FromStr for Leftover {
    type Err = BadAmount;

    fn from_str(text: &str) -> Result<Self, BadAmount> {
        let refuse = || BadAmount::new(text, "a name such as ldap.moved-1f2e3d4c");
        let split = |ending| text.split_once(ending).map(|(guest, job)| (guest, ending, job));
        let (guest, ending, job) = Self::ENDINGS.into_iter().find_map(split).ok_or_else(refuse)?;
        let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        if job.len() != 8 || !job.chars().all(hex) {
            return Err(refuse());
        }
        Ok(Self {
            guest: guest.parse().map_err(|_| refuse())?,
            ending,
            job: job.to_owned(),
        })
    }
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.guest, self.ending, self.job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_name_that_could_be_another_object_of_a_job_is_refused() {
        for bad in ["ldap.moved-1", "a;b", "../a", "a\nb", "", ".x", &"a".repeat(300)] {
            assert!(bad.parse::<GuestName>().is_err(), "{bad:?} was accepted");
        }
        assert!("ldap-2".parse::<GuestName>().is_ok());
    }

    #[test]
    fn only_what_a_job_left_behind_has_a_name_that_can_be_purged() {
        for (text, removed) in [("ldap.moved-1f2e3d4c", false), ("ldap.removed-1f2e3d4c", true)] {
            let name: Leftover = text.parse().unwrap();
            assert_eq!((name.to_string().as_str(), name.is_removed()), (text, removed));
            assert_eq!(name.guest().as_str(), "ldap");
        }
        for bad in [
            "ldap",
            "ldap.removed-",
            "ldap.removed-1f2e3d4",
            "ldap.removed-1F2E3D4C",
            ".removed-1f2e3d4c",
            "../ldap.removed-1f2e3d4c",
            "ldap.moved-1f2e3d4c.removed-1f2e3d4c",
            "ldap.removed-1f2e3d4c\n",
        ] {
            assert!(bad.parse::<Leftover>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn amounts_are_read_or_refused_whole() {
        assert_eq!("9/10".parse(), Ok(CpuPercent(90)));
        assert_eq!("2".parse(), Ok(CpuPercent(200)));
        assert!("1/0".parse::<CpuPercent>().is_err());
        assert_eq!("7d".parse(), Ok(Span(Duration::from_secs(604_800))));
        assert_eq!("500ms".parse(), Ok(Span(Duration::from_millis(500))));
        for (text, millis) in [("7", 7000), ("7s", 7000), ("2m", 120_000), ("6h", 21_600_000)] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.to_string(), millis.to_string());
        }
        assert!("5 s".parse::<Span>().is_err());
        assert!("s".parse::<Span>().is_err());
    }

    #[test]
    fn what_stands_in_a_plan_is_read_as_it_is_written() {
        for word in ["fail", "proceed", "ask"] {
            let word_again = word.parse::<OnBudget>().unwrap().to_string();
            assert_eq!(word_again, word);
        }
        assert!("perhaps".parse::<OnBudget>().is_err());
        assert_eq!("a".repeat(1000).parse::<Line>().unwrap().to_string().len(), 1000);
        for bad in [&"a".repeat(1001), "a\nb", "a\0b", "\u{1b}[2J"] {
            assert!(bad.parse::<Line>().is_err(), "{bad:?}");
        }
    }
}
