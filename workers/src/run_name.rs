//! The name of a run directory says whose it is: `JOB-STEP-ATTEMPT`, of an undo `JOB-STEP-uATTEMPT`; `JOB-STEP-stop` is
//! the mark of a step that was stopped.

use std::fmt;
use std::str::FromStr;

use vsjob_engine::{JobId, Mode, StepNo, Work};

/// Whose a run directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunName {
    /// The job.
    pub job: JobId,
    /// Its step.
    pub step: StepNo,
    /// What of it.
    pub run: Run,
}

/// What of a step was run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// The attempt of this number, of one of its sides.
    Attempt(Mode, u32),
    /// Nothing any more: it was stopped, to be taken back.
    Stopped,
}

impl RunName {
    pub(crate) fn of(work: &Work) -> Self {
        Self {
            job: work.job,
            step: work.step,
            run: Run::Attempt(work.mode, work.attempt),
        }
    }
}

impl fmt::Display for RunName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { job, step, run } = self;
        match run {
            Run::Attempt(Mode::Do, attempt) => write!(f, "{job}-{step}-{attempt}"),
            Run::Attempt(Mode::Undo, attempt) => write!(f, "{job}-{step}-u{attempt}"),
            Run::Stopped => write!(f, "{job}-{step}-stop"),
        }
    }
}

/// It is the name of no run directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a run directory")]
pub struct NoRunName;

impl FromStr for RunName {
    type Err = NoRunName;

    fn from_str(text: &str) -> Result<Self, NoRunName> {
        let mut parts = text.rsplitn(3, '-');
        let (Some(run), Some(step), Some(job)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoRunName);
        };
        let number = |digits: &str| digits.parse().map_err(|_| NoRunName);
        let run = match (run, run.strip_prefix('u')) {
            ("stop", _) => Run::Stopped,
            (_, Some(attempt)) => Run::Attempt(Mode::Undo, number(attempt)?),
            (attempt, None) => Run::Attempt(Mode::Do, number(attempt)?),
        };
        let step: u16 = step.parse().map_err(|_| NoRunName)?;
        let name = Self {
            job: job.parse().map_err(|_| NoRunName)?,
            step: StepNo(step.checked_sub(1).ok_or(NoRunName)?),
            run,
        };
        // A job id or a number can be spelled in other ways: such a directory is none that we made.
        (name.to_string() == text).then_some(name).ok_or(NoRunName)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_whose_it_is() {
        let job = "019ab4c5-d6e7-7f80-8192-a3b4c5d6e7f8";
        for (end, step, run) in [
            ("1-2", 0, Run::Attempt(Mode::Do, 2)),
            ("12-u3", 11, Run::Attempt(Mode::Undo, 3)),
            ("4-stop", 3, Run::Stopped),
        ] {
            let name: RunName = format!("{job}-{end}").parse().unwrap();
            assert_eq!((name.step.0, name.run), (step, run));
            assert_eq!(name.to_string(), format!("{job}-{end}"));
        }
        for other_spelling in ["1-+2", "01-2", "12-u03"] {
            assert_eq!(
                format!("{job}-{other_spelling}").parse::<RunName>(),
                Err(NoRunName)
            );
        }
        assert_eq!(
            format!("{}-1-2", job.to_uppercase()).parse::<RunName>(),
            Err(NoRunName)
        );
        for none in ["", "1-1", "ldap-1-1", "019ab4c5-d6e7-7f80-8192-a3b4c5d6e7f8-0-1"] {
            assert_eq!(none.parse::<RunName>(), Err(NoRunName), "{none}");
        }
    }
}
