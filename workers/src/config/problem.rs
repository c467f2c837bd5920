//! What is wrong with a configuration file, and where.

use std::fmt;
use std::ops::Range;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// As in `docs/errors`.
    pub code: &'static str,
    /// One line.
    pub message: String,
    /// What to write instead, if that is known.
    pub hint: Option<String>,
    /// Which bytes of the file.
    pub span: Range<usize>,
}

/// All mistakes of one file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problems {
    /// The name of the file.
    pub file: String,
    /// Its text.
    pub text: String,
    /// In the order of their places; at least one.
    pub problems: Vec<Problem>,
}

impl Problem {
    /// One at that place.
    pub fn new(code: &'static str, span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
            span,
        }
    }

    /// The same, with what to write instead.
    #[must_use]
    pub fn hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }
}

impl Problems {
    /// `value`, unless something was wrong.
    ///
    /// # Errors
    /// Something was.
    pub fn check<T>(file: &str, text: &str, mut problems: Vec<Problem>, value: T) -> Result<T, Self> {
        if problems.is_empty() {
            return Ok(value);
        }
        problems.sort_by_key(|problem| problem.span.start);
        Err(Self {
            file: file.to_owned(),
            text: text.to_owned(),
            problems,
        })
    }

    /// Line and column of a problem, from 1; columns count characters.
    #[must_use]
    pub fn place(&self, problem: &Problem) -> (usize, usize) {
        let before = self.text.get(..problem.span.start).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        (line, column)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.problems.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            let (line, column) = self.place(problem);
            write!(
                f,
                "{}:{line}:{column}: {}: {}",
                self.file, problem.code, problem.message
            )?;
            if let Some(hint) = &problem.hint {
                write!(f, " ({hint})")?;
            }
        }
        Ok(())
    }
}

/// "did you mean `…`?" for the one of `known` that `word` resembles.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min()
        .map(|(_, candidate)| format!("did you mean `{candidate}`?"))
}
