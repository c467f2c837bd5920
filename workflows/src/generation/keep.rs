//! Which generations are kept: `7d4w6m` keeps the newest of each of the last seven days that have any, of the last four
//! weeks, and of the last six months; `y` is for years. Days are those of UTC, weeks begin on Monday. The newest is always
//! kept, and so is a pinned one.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, NaiveDate};

use super::GenerationName;
use crate::BadAmount;

/// How many of each period are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keep(Vec<(u32, Period)>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Period {
    Day,
    Week,
    Month,
    Year,
}

impl Period {
    const ALL: [(char, Self); 4] = [
        ('d', Self::Day),
        ('w', Self::Week),
        ('m', Self::Month),
        ('y', Self::Year),
    ];

    /// The period that the day is in.
    fn of(self, day: NaiveDate) -> (i32, u32) {
        match self {
            Self::Day => (day.year(), day.ordinal()),
            Self::Week => (day.iso_week().year(), day.iso_week().week()),
            Self::Month => (day.year(), day.month()),
            Self::Year => (day.year(), 0),
        }
    }
}

impl FromStr for Keep {
    type Err = BadAmount;

    fn from_str(text: &str) -> Result<Self, BadAmount> {
        let refuse = || BadAmount::new(text, "a rule such as 7d4w6m");
        let (mut keep, mut rest) = (Vec::new(), text);
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(refuse)?;
            let (number, unit) = rest.split_at(digits);
            let number = number.parse().ok().filter(|number| (1..=1000).contains(number));
            let letter = unit.chars().next().ok_or_else(refuse)?;
            let known = Period::ALL.iter().find(|(known, _)| *known == letter);
            let (_, period) = known.ok_or_else(refuse)?;
            if keep.iter().any(|(_, known)| known == period) {
                return Err(refuse());
            }
            keep.push((number.ok_or_else(refuse)?, *period));
            rest = unit.get(letter.len_utf8()..).unwrap_or_default();
        }
        match keep.is_empty() {
            true => Err(refuse()),
            false => Ok(Self(keep)),
        }
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, period) in &self.0 {
            let letter = Period::ALL.iter().find(|(_, known)| known == period);
            write!(f, "{number}{}", letter.map_or('?', |(letter, _)| *letter))?;
        }
        Ok(())
    }
}

impl Keep {
    /// Those of `all`, in whatever order, that are not kept; the oldest first. `pinned` ones are, whatever the rule says.
    #[must_use]
    pub fn doomed(&self, all: &[GenerationName], pinned: &BTreeSet<GenerationName>) -> Vec<GenerationName> {
        let mut newest_first: Vec<&GenerationName> = all.iter().collect();
        newest_first.sort();
        newest_first.reverse();
        let mut kept: BTreeSet<&GenerationName> =
            pinned.iter().chain(newest_first.first().copied()).collect();
        for (number, period) in &self.0 {
            let mut seen = BTreeSet::new();
            for name in &newest_first {
                if seen.len() < *number as usize && seen.insert(period.of(name.at().date())) {
                    kept.insert(name);
                }
            }
        }
        let doomed = newest_first.into_iter().rev().filter(|name| !kept.contains(name));
        doomed.cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(day: NaiveDate, hour: u32) -> GenerationName {
        format!("{}T{hour:02}0000000Z-1f2e3d4c", day.format("%Y%m%d"))
            .parse()
            .unwrap()
    }

    /// One each night for `days` days, and a second one at noon of each tenth.
    fn nights(days: u64) -> Vec<GenerationName> {
        let first = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
        let each = (0..days).flat_map(|n| {
            let day = first + chrono::Days::new(n);
            let noon = (n % 10 == 0).then(|| name(day, 12));
            [Some(name(day, 2)), noon]
        });
        each.flatten().collect()
    }

    fn kept(rule: &str, all: &[GenerationName], pinned: &[GenerationName]) -> Vec<String> {
        let rule: Keep = rule.parse().unwrap();
        let doomed = rule.doomed(all, &pinned.iter().cloned().collect());
        let kept = all.iter().filter(|name| !doomed.contains(name));
        kept.map(|name| name.as_str()[..11].to_owned()).collect()
    }

    #[test]
    fn the_newest_of_each_day_week_and_month_is_kept_as_far_back_as_the_rule_says() {
        // 2026-04-20 is a Monday.
        let all = nights(110);
        assert_eq!(
            kept("3d2w3m", &all, &[]),
            [
                "20260228T02",
                "20260331T02",
                "20260418T02",
                "20260419T02",
                "20260420T02"
            ]
        );
        assert_eq!(kept("1d", &all[..2], &[]), ["20260101T12"], "of a day the newest");
        assert_eq!(kept("1y", &all, &[]).len(), 1);
    }

    #[test]
    fn the_newest_and_what_is_pinned_are_kept_whatever_the_rule_says() {
        let all = nights(30);
        let pinned = [all[3].clone()];
        assert_eq!(kept("1d", &all, &pinned), ["20260103T02", "20260130T02"]);
        assert_eq!(kept("1d", &all[..1], &[]), ["20260101T02"]);
        assert!(
            "1d".parse::<Keep>()
                .unwrap()
                .doomed(&[], &BTreeSet::new())
                .is_empty()
        );
    }

    #[test]
    fn pruning_each_night_keeps_what_pruning_once_at_the_end_would() {
        let (rule, all): (Keep, _) = ("7d4w6m".parse().unwrap(), nights(400));
        let mut there: Vec<GenerationName> = Vec::new();
        for name in &all {
            there.push(name.clone());
            let doomed = rule.doomed(&there, &BTreeSet::new());
            there.retain(|name| !doomed.contains(name));
        }
        let doomed = rule.doomed(&all, &BTreeSet::new());
        let wanted: Vec<_> = all.into_iter().filter(|name| !doomed.contains(name)).collect();
        assert_eq!(there, wanted);
    }

    #[test]
    fn a_rule_is_read_as_it_is_written_or_refused() {
        for good in ["7d4w6m", "1y", "30d"] {
            assert_eq!(good.parse::<Keep>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "7",
            "d",
            "0d",
            "7d7d",
            "7h",
            "7d ",
            "-1d",
            "9999999999d",
            "7d4",
        ] {
            assert!(bad.parse::<Keep>().is_err(), "{bad:?} was accepted");
        }
    }
}
