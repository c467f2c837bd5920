//! The exit statuses of the program, for good: scripts rely on them. `docs/manual/exit-codes.md` is their manual.

use std::process::ExitCode;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// What was asked for is done, or durably accepted.
    Done = 0,
    /// The job that was waited for was rolled back or cancelled: things are as before.
    AsBefore = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The job that was waited for is stuck, or was abandoned: a person is needed.
    Stuck = 3,
    /// Refused; nothing has changed.
    Refused = 4,
    /// No master answers.
    NoMaster = 5,
    /// The configuration is wrong.
    Config = 6,
    /// The store is damaged, locked or cannot be written.
    Store = 7,
    /// `scan` found the pool not as the master knows it.
    Differs = 8,
    /// The batch that was waited for is done for some of its guests, and for others as before.
    Partly = 9,
    /// A fault in the program itself.
    Internal = 70,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
