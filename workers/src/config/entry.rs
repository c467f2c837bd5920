//! A line that names something and its options: `name[:option[=value],…]`, as in slaves.conf and backup.conf. A value that
//! holds a comma or a `#` stands in double quotes. What follows a `#` is a comment.

use std::ops::Range;

use winnow::LocatingSlice;
use winnow::Parser;
use winnow::combinator::{alt, delimited, opt, preceded, separated};
use winnow::error::EmptyError;
use winnow::token::{rest, take_till};

use super::problem::{Problem, did_you_mean};

/// Some text of a file, without blanks around it, and which bytes of the file it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word<'a> {
    /// The text.
    pub text: &'a str,
    /// Its place.
    pub span: Range<usize>,
}

/// One option of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice<'a> {
    /// Its name.
    pub name: Word<'a>,
    /// What is behind its `=`, if there is one.
    pub value: Option<Word<'a>>,
}

/// What is named, and its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The name.
    pub name: Word<'a>,
    /// Its options, in their order.
    pub options: Vec<Choice<'a>>,
}

/// The entries of a file. What is wrong with its lines goes to `problems`.
pub fn entries<'a>(text: &'a str, problems: &mut Vec<Problem>) -> Vec<Entry<'a>> {
    let mut start = 0;
    let mut entries = Vec::new();
    for line in text.split_inclusive('\n') {
        entries.extend(entry(line, start, problems));
        start += line.len();
    }
    entries
}

impl<'a> Word<'a> {
    fn trimmed((text, span): (&'a str, Range<usize>), start: usize) -> Self {
        let begin = start + span.start + text.len() - text.trim_start().len();
        let text = text.trim();
        Self {
            text,
            span: begin..begin + text.len(),
        }
    }

    /// That it is not what it should be.
    #[must_use]
    pub fn is_not(&self, what: impl std::fmt::Display) -> Problem {
        let message = format!("`{}` is not {what}", crate::frame::printable(self.text));
        Problem::new("VSJ0203", self.span.clone(), message)
    }
}

impl<'a> Choice<'a> {
    /// That no option has this name, of those that are known.
    #[must_use]
    pub fn unknown(&self, known: &[&str]) -> Problem {
        let message = format!("unknown option `{}`", crate::frame::printable(self.name.text));
        let hint = did_you_mean(self.name.text, known.iter().copied());
        Problem::new("VSJ0202", self.name.span.clone(), message).hint(hint)
    }

    /// Its value.
    ///
    /// # Errors
    /// It has none.
    pub fn value(&self) -> Result<&Word<'a>, Problem> {
        self.value.as_ref().ok_or_else(|| {
            let message = format!("`{0}` needs a value: `{0}=…`", self.name.text);
            Problem::new("VSJ0203", self.name.span.clone(), message)
        })
    }

    /// That it has no value.
    ///
    /// # Errors
    /// It has one.
    pub fn flag(&self) -> Result<(), Problem> {
        self.value.as_ref().map_or(Ok(()), |value| {
            let message = format!("`{}` takes no value", self.name.text);
            Err(Problem::new("VSJ0203", value.span.clone(), message))
        })
    }
}

type Input<'a> = LocatingSlice<&'a str>;
type Piece<'a> = (&'a str, Range<usize>);
/// A name, and options each with the value behind its `=`.
type Pieces<'a> = (Piece<'a>, Vec<(Piece<'a>, Option<Piece<'a>>)>);

fn line<'a>(input: &mut Input<'a>) -> Result<Pieces<'a>, EmptyError> {
    let name = take_till(0.., ':').with_span();
    let quoted = delimited('"', take_till(0.., '"').with_span(), '"');
    let value = preceded('=', alt((quoted, take_till(0.., ',').with_span())));
    let option = (take_till(0.., [',', '=']).with_span(), opt(value));
    let options = preceded(':', separated(1.., option, ','));
    (name, opt(options).map(Option::unwrap_or_default)).parse_next(input)
}

/// The line up to its comment.
fn code(line: &str) -> &str {
    let mut quoted = false;
    let end = line.find(|c| {
        quoted ^= c == '"';
        c == '#' && !quoted
    });
    line[..end.unwrap_or(line.len())].trim_end()
}

fn entry<'a>(text: &'a str, start: usize, problems: &mut Vec<Problem>) -> Option<Entry<'a>> {
    let code = code(text);
    let start = start + code.len() - code.trim_start().len();
    let code = code.trim_start();
    if code.is_empty() {
        return None;
    }
    let mut input = LocatingSlice::new(code);
    let Ok((name, options)) = line(&mut input) else {
        let message = "a line is `name` or `name:option,option`";
        problems.push(Problem::new("VSJ0201", start..start + code.len(), message));
        return None;
    };
    let left: &str = rest::<_, EmptyError>.parse_next(&mut input).unwrap_or("");
    if !left.is_empty() {
        let span = start + code.len() - left.len()..start + code.len();
        let message = format!("`{}` is not expected here", crate::frame::printable(left));
        problems.push(Problem::new("VSJ0201", span, message));
    }
    let option = |(name, value): (Piece<'a>, Option<Piece<'a>>)| Choice {
        name: Word::trimmed(name, start),
        value: value.map(|value| Word::trimmed(value, start)),
    };
    Some(Entry {
        name: Word::trimmed(name, start),
        options: options.into_iter().map(option).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let mut problems = Vec::new();
        let entries = entries(text, &mut problems);
        let place = |word: &Word<'_>| assert_eq!(&text[word.span.clone()], word.text);
        let mut told = Vec::new();
        for entry in &entries {
            place(&entry.name);
            told.push(entry.name.text.to_owned());
            for option in &entry.options {
                place(&option.name);
                option.value.iter().for_each(place);
                let value = option.value.as_ref().map(|value| value.text);
                told.push(format!("{} {value:?}", option.name.text));
            }
        }
        told.extend(problems.into_iter().map(|problem| problem.message));
        told
    }

    #[test]
    fn a_value_in_quotes_may_hold_what_else_ends_it() {
        assert_eq!(
            told(" web : hot , pre=\"a, b # c\",keep= 7d # the site\n"),
            ["web", "hot None", "pre Some(\"a, b # c\")", "keep Some(\"7d\")"]
        );
    }

    #[test]
    fn what_is_left_of_a_line_is_told() {
        assert_eq!(told("web:pre=\"a\"b,hot")[2..], ["`b,hot` is not expected here"]);
        assert_eq!(told("# heading\n\n  # another"), [""; 0]);
        assert_eq!(
            told("web:pre=\"never closed, hot")[1],
            "pre Some(\"\\\"never closed\")"
        );
    }
}
