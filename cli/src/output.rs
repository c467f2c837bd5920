//! Where words go: data to standard output, talk to standard error. A reader that has gone away ends the program
//! quietly.

use std::io::{IsTerminal, Write};

use owo_colors::{OwoColorize, Stream, Style};
use serde::Serialize;
use tabled::builder::Builder;
use tabled::settings::{Alignment, Modify, Padding, Style as Lines, object::Columns, object::Rows};

use crate::complaint::Stop;

/// Writes what a command has to say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// `--json`.
    pub json: bool,
}

impl Output {
    /// One line of data.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(crate) fn line(&self, text: impl AsRef<str>) -> Result<(), Stop> {
        self.raw(&format!("{}\n", text.as_ref()))
    }

    /// Data as it is.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(crate) fn raw(&self, text: &str) -> Result<(), Stop> {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .map_err(|e| Stop::unwritten(&e))
    }

    /// One JSON document, on one line.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(crate) fn document(&self, value: &impl Serialize) -> Result<(), Stop> {
        let text = serde_json::to_string(value).map_err(|e| Stop::unwritten(&e.into()))?;
        self.line(text)
    }

    /// A table with a head. Nothing at all if it has no rows.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(crate) fn table<const N: usize>(&self, head: [&str; N], rows: Vec<[String; N]>) -> Result<(), Stop> {
        if rows.is_empty() {
            return Ok(());
        }
        self.line(table(head, rows))
    }

    /// A word for the person at the terminal. That it cannot be told is no reason to stop.
    pub(crate) fn talk(&self, text: impl AsRef<str>) {
        let _ = writeln!(std::io::stderr().lock(), "{}", text.as_ref());
    }

    /// Whether data goes to a terminal.
    #[must_use]
    pub(crate) fn is_terminal(&self) -> bool {
        std::io::stdout().is_terminal()
    }
}

/// Aligned columns with two spaces between them, and no spaces at the ends of lines.
fn table<const N: usize>(head: [&str; N], rows: Vec<[String; N]>) -> String {
    let mut builder = Builder::with_capacity(rows.len() + 1, N);
    builder.push_record(head.map(|name| dim(&name.to_uppercase())));
    for row in rows {
        builder.push_record(row);
    }
    let mut table = builder.build();
    table
        .with(Lines::empty())
        .with(Padding::new(0, 2, 0, 0))
        .with(Modify::new(Rows::new(0..)).with(Alignment::left()))
        .with(Modify::new(Columns::last()).with(Padding::zero()));
    let text = table.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}

/// Less important.
#[must_use]
pub(crate) fn dim(text: &str) -> String {
    painted(text, Style::new().dimmed())
}

/// A state in its colour, which only underlines what the word says: green is done, red needs a person, yellow goes back
/// or waits.
#[must_use]
pub(crate) fn state(word: &str) -> String {
    let style = match word {
        "succeeded" | "undone" | "in service" => Style::new().green(),
        "running" | "started" => Style::new().cyan(),
        "stuck" | "failed" | "undo failed" | "not done" | "abandoned" => Style::new().red().bold(),
        "planned" | "queued" => Style::new().dimmed(),
        _ => Style::new().yellow(),
    };
    painted(word, style)
}

fn painted(text: &str, style: Style) -> String {
    text.if_supports_color(Stream::Stdout, |text| text.style(style))
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_and_has_no_spaces_at_the_ends_of_lines() {
        let text = table(
            ["job", "title"],
            vec![["1".into(), "a".into()], ["123456".into(), String::new()]],
        );
        assert_eq!(text, "JOB     TITLE\n1       a\n123456");
    }
}
