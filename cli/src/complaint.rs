//! What a user is told when something goes wrong: a code, one line, its causes, one hint. Nothing else reaches them, and nothing of
//! it can act on a terminal.

use std::error::Error;
use std::fmt::Write as _;
use std::io;

use serde_json::json;
use vsjob_engine::store::StoreError;
use vsjob_workers::{HostError, Problems, printable};
use vsjob_workflows::Refusal;

use crate::Exit;

/// Something that went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    /// Such as `VSJ0502`; `vsjob explain` tells more.
    pub code: String,
    /// One line, in lower case.
    pub message: String,
    /// Why, from the nearest cause to the farthest.
    pub causes: Vec<String>,
    /// What to do.
    pub hint: Option<String>,
    /// What the program exits with.
    pub exit: Exit,
}

impl Complaint {
    /// `code`: `message`.
    pub(crate) fn new(code: impl Into<String>, exit: Exit, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: printable(&message.into()),
            causes: Vec::new(),
            hint: None,
            exit,
        }
    }

    /// The same with a hint.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(printable(&hint.into()));
        self
    }

    /// The same with the causes of `error`, itself first.
    #[must_use]
    pub(crate) fn because(mut self, error: &dyn Error) -> Self {
        let mut next = Some(error);
        while let Some(cause) = next {
            let text = printable(&cause.to_string());
            // Many errors repeat their source in their own text.
            if !self.causes.iter().any(|known| known.contains(&text)) {
                self.causes.push(text);
            }
            next = cause.source();
        }
        self
    }

    /// As it is shown to a person.
    #[must_use]
    pub(crate) fn for_people(&self) -> String {
        let mut text = format!("error {}: {}\n", self.code, self.message);
        for cause in &self.causes {
            // Writing into a text cannot fail.
            let _ = writeln!(text, "  because: {cause}");
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(text, "  hint: {hint}");
        }
        text
    }

    /// As it is shown with `--json`.
    #[must_use]
    pub(crate) fn for_programs(&self) -> String {
        let error = json!({ "error": {
            "code": self.code, "message": self.message, "causes": self.causes, "hint": self.hint,
        }});
        format!("{error}\n")
    }
}

impl From<Refusal> for Complaint {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.code(), Exit::Refused, refusal.to_string()).hint(refusal.hint())
    }
}

impl From<StoreError> for Complaint {
    fn from(error: StoreError) -> Self {
        Self::new(error.code(), Exit::Store, error.to_string()).hint(error.hint())
    }
}

impl From<HostError> for Complaint {
    fn from(error: HostError) -> Self {
        Self::new(error.code(), Exit::Refused, error.to_string()).hint(error.hint())
    }
}

impl From<Problems> for Complaint {
    fn from(problems: Problems) -> Self {
        let mut places = problems.to_string();
        places.insert(0, '\n');
        let code = problems.problems.first().map_or("VSJ0201", |first| first.code);
        let count = problems.problems.len();
        let mistakes = if count == 1 { "mistake" } else { "mistakes" };
        let message = format!(
            "{} has {count} {mistakes}:{}",
            problems.file,
            places.replace('\n', "\n  ")
        );
        Self::new(code, Exit::Config, message)
            .hint("correct the file; `vsjob config check` checks all of them")
    }
}

/// Why a command ends early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Whoever read our output has had enough, which is not an error.
    PipeClosed,
    /// Something went wrong.
    Complaint(Box<Complaint>),
}

impl From<Complaint> for Stop {
    fn from(complaint: Complaint) -> Self {
        Self::Complaint(Box::new(complaint))
    }
}

impl From<Problems> for Stop {
    fn from(problems: Problems) -> Self {
        Complaint::from(problems).into()
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Complaint::from(error).into()
    }
}

impl Stop {
    /// Standard output could not be written.
    #[must_use]
    pub(crate) fn unwritten(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::PipeClosed;
        }
        Complaint::new("VSJ0504", Exit::Internal, "failed to write to standard output")
            .because(error)
            .hint("see that what it is redirected to has room")
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_says_what_why_and_what_to_do() {
        let complaint = Complaint::new("VSJ0502", Exit::NoMaster, "no master answers at /run/x")
            .because(&io::Error::other("connection refused"))
            .hint("start it");
        insta::assert_snapshot!(complaint.for_people(), @r"
        error VSJ0502: no master answers at /run/x
          because: connection refused
          hint: start it
        ");
        let json: serde_json::Value = serde_json::from_str(&complaint.for_programs()).unwrap();
        assert_eq!(json["error"]["code"], "VSJ0502");
    }

    #[test]
    fn nothing_of_a_complaint_acts_on_a_terminal() {
        let complaint = Complaint::new("VSJ0505", Exit::Refused, "there is no job `\u{1b}[2J`")
            .because(&io::Error::other("\r"))
            .hint("\u{202e}");
        insta::assert_snapshot!(complaint.for_people(), @r"
        error VSJ0505: there is no job `\u{1b}[2J`
          because: \r
          hint: \u{202e}
        ");
    }
}
