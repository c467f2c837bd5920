//! `[[schedule]]` of `vsjob.toml`: a name, a crontab line with its zone, and the operation that is submitted then.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use toml::de::{DeTable, DeValue};
use vsjob_engine::{CatchUp, Overlap, Priority, Schedule, ScheduleName};

use super::problem::{Problem, did_you_mean};
use super::values::duration;
use crate::frame::printable;

const KEYS: [&str; 10] = [
    "name",
    "cron",
    "zone",
    "operation",
    "parameters",
    "priority",
    "not-after",
    "catch-up",
    "overlap",
    "jitter",
];

/// The schedules of the file.
pub(super) fn read(live: &DeTable<'_>, problems: &mut Vec<Problem>) -> BTreeMap<ScheduleName, Schedule> {
    let mut schedules = BTreeMap::new();
    let Some(value) = live.get("schedule") else {
        return schedules;
    };
    let Some(all) = value.get_ref().as_array() else {
        let message = "`schedule` is a list: each begins with [[schedule]]";
        problems.push(Problem::new("VSJ0203", value.span(), message));
        return schedules;
    };
    for one in all {
        let Some(table) = one.get_ref().as_table() else {
            problems.push(Problem::new("VSJ0203", one.span(), "a schedule is a table"));
            continue;
        };
        let mut reader = One {
            table,
            span: one.span(),
            problems,
        };
        let Some((name, schedule)) = reader.read() else {
            continue;
        };
        if schedules.insert(name.clone(), schedule).is_some() {
            let message = format!("there is a schedule `{name}` already");
            problems.push(Problem::new("VSJ0203", one.span(), message));
        }
    }
    schedules
}

struct One<'a> {
    table: &'a DeTable<'a>,
    span: Range<usize>,
    problems: &'a mut Vec<Problem>,
}

impl One<'_> {
    fn read(&mut self) -> Option<(ScheduleName, Schedule)> {
        for (key, value) in self.table {
            let name: &str = key.get_ref();
            if !KEYS.contains(&name) {
                let message = format!("unknown key `schedule.{}`", printable(name));
                let hint = did_you_mean(name, KEYS);
                self.problems
                    .push(Problem::new("VSJ0202", key.span(), message).hint(hint));
            } else if name != "parameters" && value.get_ref().as_str().is_none() {
                self.wrong(value.span(), format!("`schedule.{name}` is of type string"));
            }
        }
        let [name, line, zone, operation] =
            ["name", "cron", "zone", "operation"].map(|key| self.required(key));
        let schedule = Schedule {
            line: line?,
            zone: zone?,
            operation: operation?,
            args: self.parameters(),
            priority: self.one_of(
                "priority",
                &[
                    ("normal", Priority::Normal),
                    ("high", Priority::High),
                    ("low", Priority::Low),
                ],
            ),
            not_after: self.parsed(
                "not-after",
                |text| text.parse().ok(),
                "a time of the day such as `06:00`",
            ),
            catch_up: self.one_of("catch-up", &[("once", CatchUp::Once), ("skip", CatchUp::Skip)]),
            overlap: self.one_of("overlap", &[("skip", Overlap::Skip), ("queue", Overlap::Queue)]),
            jitter: self
                .parsed("jitter", duration, "a duration such as `10m`")
                .unwrap_or(Duration::ZERO),
        };
        if let Err(why) = schedule.calendar() {
            self.wrong(self.place("cron"), why.to_string());
        }
        match name?.parse() {
            Ok(name) => Some((name, schedule)),
            Err(why) => {
                self.wrong(self.place("name"), why.to_string());
                None
            }
        }
    }

    fn wrong(&mut self, span: Range<usize>, message: String) {
        self.problems.push(Problem::new("VSJ0203", span, message));
    }

    fn place(&self, key: &str) -> Range<usize> {
        self.table.get(key).map_or(self.span.clone(), toml::Spanned::span)
    }

    fn text(&self, key: &str) -> Option<String> {
        self.table.get(key)?.get_ref().as_str().map(str::to_owned)
    }

    fn required(&mut self, key: &str) -> Option<String> {
        if !self.table.contains_key(key) {
            self.wrong(self.span.clone(), format!("the schedule has no `{key}`"));
        }
        self.text(key)
    }

    fn parsed<T>(&mut self, key: &str, read: impl Fn(&str) -> Option<T>, wanted: &str) -> Option<T> {
        let text = self.text(key)?;
        let value = read(&text);
        if value.is_none() {
            self.wrong(self.place(key), format!("`{}` is not {wanted}", printable(&text)));
        }
        value
    }

    fn one_of<T: Copy + Default>(&mut self, key: &str, words: &[(&str, T)]) -> T {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let wanted = format!("one of `{}`", known.join("`, `"));
        let read = |text: &str| {
            words
                .iter()
                .find(|(word, _)| *word == text)
                .map(|(_, value)| *value)
        };
        self.parsed(key, read, &wanted).unwrap_or_default()
    }

    /// Texts, numbers and switches, each as it would be given to `submit`.
    fn parameters(&mut self) -> Vec<(String, String)> {
        let Some(value) = self.table.get("parameters") else {
            return Vec::new();
        };
        let Some(table) = value.get_ref().as_table() else {
            self.wrong(
                value.span(),
                "`schedule.parameters` is a table, such as { all = true }".to_owned(),
            );
            return Vec::new();
        };
        let mut args = Vec::new();
        for (name, value) in table {
            match value.get_ref() {
                DeValue::String(text) => args.push((name.get_ref().to_string(), text.to_string())),
                DeValue::Boolean(on) => args.push((name.get_ref().to_string(), on.to_string())),
                DeValue::Integer(number) => args.push((name.get_ref().to_string(), number.to_string())),
                _ => self.wrong(value.span(), "a parameter is a text, a number or true".to_owned()),
            }
        }
        args.sort();
        args
    }
}
