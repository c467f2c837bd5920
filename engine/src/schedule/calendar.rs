//! When a crontab line comes round in a time zone, as Vixie's cron has it. The `cron` crate walks through the times of a
//! wall clock that is never set; the rest, which that crate does otherwise, is done here: five fields, Sunday is 0 and 7,
//! a day that is told by month and by week is either, and a clock that is put forward or back loses no run of a line
//! with fixed times and doubles none.

use std::str::FromStr;

use chrono::{DateTime, MappedLocalTime, NaiveDateTime, Offset, TimeDelta, TimeZone};
use chrono_tz::Tz;

use crate::Timestamp;

/// The most that a zone's clock is put forward or back at once, but for days that islands have left out.
const SHIFT: TimeDelta = TimeDelta::hours(3);
const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const SHORTHANDS: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// A crontab line in a time zone.
#[derive(Clone, Debug)]
pub struct Calendar {
    zone: Tz,
    /// Its times are those of any of these.
    times: Vec<cron::Schedule>,
    /// Neither minute nor hour begins with `*`: it tells times, not how often.
    fixed: bool,
}

/// Why a text is no calendar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCalendar {
    /// A field too many or too few.
    #[error(
        "`{}` has {found} fields; a crontab line has five: minute, hour, day of the month, month, day of the week",
        .line.escape_default()
    )]
    Fields {
        /// The line.
        line: String,
        /// How many.
        found: usize,
    },
    /// A field that is not one.
    #[error("`{}` is no {what}: {why}", .text.escape_default())]
    Field {
        /// What it should be.
        what: &'static str,
        /// It.
        text: String,
        /// Why it is not.
        why: &'static str,
    },
    /// No such zone.
    #[error("there is no time zone `{}`", .0.escape_default())]
    Zone(String),
    /// No such day.
    #[error("`{}` never comes", .0.escape_default())]
    Never(String),
}

/// What a field may have.
struct Field {
    what: &'static str,
    least: u32,
    most: u32,
    /// Names of the values, from the least on.
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field::of("minute", 0, 59, &[]),
    Field::of("hour", 0, 23, &[]),
    Field::of("day of the month", 1, 31, &[]),
    Field::of("month", 1, 12, &MONTHS),
    Field::of("day of the week", 0, 7, &DAYS),
];

impl Calendar {
    /// Reads a crontab line, of times in `zone`.
    ///
    /// # Errors
    /// It is not one, there is no such zone, or there is no such time.
    pub fn new(line: &str, zone: &str) -> Result<Self, BadCalendar> {
        let zone = Tz::from_str(zone).map_err(|_| BadCalendar::Zone(short(zone)))?;
        let long = SHORTHANDS.iter().find(|(name, _)| *name == line.trim());
        let fields: Vec<&str> = long.map_or(line, |(_, long)| long).split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else {
            return Err(BadCalendar::Fields {
                line: short(line),
                found: fields.len(),
            });
        };
        let texts = [minute, hour, day, month, weekday];
        let mut lists = Vec::new();
        for (field, text) in FIELDS.iter().zip(texts) {
            lists.push(field.list(text)?);
        }
        let is_either = !day.starts_with('*') && !weekday.starts_with('*');
        let days: &[(&str, &str)] = match is_either {
            true => &[(&lists[2], "*"), ("*", &lists[4])],
            false => &[(&lists[2], &lists[4])],
        };
        let times = days
            .iter()
            .map(|(day, weekday)| {
                let line = format!("0 {} {} {day} {} {weekday} *", lists[0], lists[1], lists[3]);
                cron::Schedule::from_str(&line)
            })
            .collect::<Result<_, _>>();
        let never = || BadCalendar::Never(short(line));
        let calendar = Self {
            zone,
            times: times.map_err(|_| never())?,
            fixed: !minute.starts_with('*') && !hour.starts_with('*'),
        };
        calendar.after(Timestamp::default()).ok_or_else(never)?;
        Ok(calendar)
    }

    /// The first time after `at`.
    #[must_use]
    pub fn after(&self, at: Timestamp) -> Option<Timestamp> {
        let wall = self.wall(at)?;
        let is_put = self.offset(at, -SHIFT) != self.offset(at, SHIFT);
        if !is_put {
            return self
                .walls(wall)
                .find_map(|wall| self.times_at(wall).into_iter().find(|time| *time > at));
        }
        let mut first: Option<(Timestamp, NaiveDateTime)> = None;
        for wall in self.walls(wall - SHIFT) {
            if first.is_some_and(|(_, of)| wall > of + SHIFT) {
                break;
            }
            for time in self.times_at(wall) {
                if time > at && first.is_none_or(|(first, _)| time < first) {
                    first = Some((time, wall));
                }
            }
        }
        first.map(|(first, _)| first)
    }

    /// The last time after `after` that is not after `until`.
    #[must_use]
    pub fn last(&self, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
        // Twice as far back each time: there may be many times, or none for years.
        let mut back = std::time::Duration::from_secs(60);
        loop {
            let from = Timestamp::from_millis(
                until
                    .as_millis()
                    .saturating_sub_unsigned(u64::try_from(back.as_millis()).unwrap_or(u64::MAX)),
            );
            let from = from.max(after);
            let times = std::iter::successors(self.after(from), |time| self.after(*time));
            match times.take_while(|time| *time <= until).last() {
                Some(last) => return Some(last),
                None if from == after => return None,
                None => back = back.saturating_mul(2),
            }
        }
    }

    /// The moment as the zone's wall clock has it, with the zone's name for it: `2026-11-29 02:30 CET`.
    #[must_use]
    pub fn told(&self, at: Timestamp) -> String {
        let told = |at: DateTime<Tz>| at.format("%Y-%m-%d %H:%M %Z").to_string();
        self.zoned(at).map_or_else(|| at.to_string(), told)
    }

    fn zoned(&self, at: Timestamp) -> Option<DateTime<Tz>> {
        DateTime::from_timestamp_millis(at.as_millis()).map(|at| at.with_timezone(&self.zone))
    }

    fn wall(&self, at: Timestamp) -> Option<NaiveDateTime> {
        self.zoned(at).map(|at| at.naive_local())
    }

    /// How far the zone is from UTC so long after `at`.
    fn offset(&self, at: Timestamp, later: TimeDelta) -> Option<i32> {
        let at = DateTime::from_timestamp_millis(at.as_millis())? + later;
        Some(
            self.zone
                .offset_from_utc_datetime(&at.naive_utc())
                .fix()
                .local_minus_utc(),
        )
    }

    /// The times of a wall clock that is never set, after `wall`.
    fn walls(&self, wall: NaiveDateTime) -> impl Iterator<Item = NaiveDateTime> + '_ {
        let next = |wall: &NaiveDateTime| {
            let next = self
                .times
                .iter()
                .filter_map(|times| times.after(&wall.and_utc()).next());
            next.min().map(|next| next.naive_utc())
        };
        std::iter::successors(next(&wall), move |wall| next(wall))
    }

    /// When it is due of which the zone's wall clock says `wall`. What is left out when the clock is put forward is due right
    /// after, and what comes twice when it is put back is due the first time, unless it is due every so often anyway.
    fn times_at(&self, wall: NaiveDateTime) -> Vec<Timestamp> {
        match self.zone.from_local_datetime(&wall) {
            MappedLocalTime::Single(at) => vec![stamp(&at)],
            MappedLocalTime::Ambiguous(first, _) if self.fixed => vec![stamp(&first)],
            MappedLocalTime::Ambiguous(first, second) => vec![stamp(&first), stamp(&second)],
            MappedLocalTime::None if self.fixed => self.after_gap(wall).into_iter().collect(),
            MappedLocalTime::None => Vec::new(),
        }
    }

    /// The first moment after those that the zone leaves out at `wall`: a whole minute of this or the next day.
    fn after_gap(&self, wall: NaiveDateTime) -> Option<Timestamp> {
        (1..=24 * 60)
            .find_map(|minutes| {
                self.zone
                    .from_local_datetime(&(wall + TimeDelta::minutes(minutes)))
                    .earliest()
            })
            .map(|at| stamp(&at))
    }
}

impl Field {
    const fn of(what: &'static str, least: u32, most: u32, names: &'static [&'static str]) -> Self {
        Self {
            what,
            least,
            most,
            names,
        }
    }

    /// The field in the words of the `cron` crate: `*`, or every value that it stands for.
    fn list(&self, text: &str) -> Result<String, BadCalendar> {
        if text == "*" {
            return Ok(text.to_owned());
        }
        let mut values = std::collections::BTreeSet::new();
        for part in text.split(',') {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => (range, self.step(text, step)?),
                None => (part, 1),
            };
            let (first, last) = match range.split_once('-') {
                _ if range == "*" => (self.least, self.most),
                Some((first, last)) => (self.value(text, first)?, self.value(text, last)?),
                None if part.contains('/') => {
                    return Err(self.bad(text, "a step goes with a range, as in */5 or 10-50/5"));
                }
                None => (self.value(text, range)?, self.value(text, range)?),
            };
            if first > last {
                return Err(self.bad(text, "the range ends before it begins"));
            }
            values.extend((first..=last).step_by(step));
        }
        // Sunday is 0 and 7, but for `*/2` it is counted once.
        let is_week = self.most == 7;
        let told = values
            .iter()
            .filter(|value| !(is_week && text.starts_with("*/") && **value == 7));
        let told = told.map(|value| match is_week {
            true => DAYS[*value as usize % 7].to_owned(),
            false => value.to_string(),
        });
        Ok(told.collect::<Vec<_>>().join(","))
    }

    fn value(&self, text: &str, value: &str) -> Result<u32, BadCalendar> {
        let named = self
            .names
            .iter()
            .position(|name| value.eq_ignore_ascii_case(name));
        if let Some(named) = named {
            return Ok(self.least + u32::try_from(named).unwrap_or(0));
        }
        match number(value) {
            Some(value) if (self.least..=self.most).contains(&value) => Ok(value),
            Some(_) => Err(self.bad(text, "there is no such one")),
            None => Err(self.bad(text, "numbers, names, `*`, `-`, `/` and `,` may stand in it")),
        }
    }

    fn step(&self, text: &str, step: &str) -> Result<usize, BadCalendar> {
        match number(step) {
            Some(step @ 1..=59) => Ok(step as usize),
            _ => Err(self.bad(text, "a step is a number from 1 to 59")),
        }
    }

    fn bad(&self, text: &str, why: &'static str) -> BadCalendar {
        BadCalendar::Field {
            what: self.what,
            text: short(text),
            why,
        }
    }
}

/// Digits only: what Rust takes for a number besides (`+5`) is none in a crontab.
fn number(text: &str) -> Option<u32> {
    let is_number = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

fn stamp<Z: TimeZone>(at: &DateTime<Z>) -> Timestamp {
    Timestamp::from_millis(at.timestamp_millis())
}
