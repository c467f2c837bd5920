//! Values as they are written in configuration files.

use std::time::Duration;

use vsjob_engine::{Calendar, Timestamp};

/// Hours of the day, in minutes since midnight. The end may lie before the begin: then it is of the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first minute in it.
    pub begin: u16,
    /// The first minute after it.
    pub end: u16,
}

impl Window {
    /// The first moment in it from `now` on, by the clocks of `zone`, or by UTC if there is no such zone.
    #[must_use]
    pub fn opens(&self, now: Timestamp, zone: &str) -> Timestamp {
        let next = |minute: u16| {
            let line = format!("{} {} * * *", minute % 60, minute / 60);
            let calendar = Calendar::new(&line, zone).or_else(|_| Calendar::new(&line, "UTC"));
            calendar.ok()?.after(now)
        };
        match (next(self.begin), next(self.end)) {
            // It ends before it begins again: it has begun.
            (Some(begin), Some(end)) if begin < end => begin,
            _ => now,
        }
    }
}

/// `22:00-06:00`.
pub(crate) fn window(text: &str) -> Option<Window> {
    let (begin, end) = text.split_once('-')?;
    let window = Window {
        begin: minute(begin)?,
        end: minute(end)?,
    };
    (window.begin != window.end).then_some(window)
}

fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours < 24 && minutes < 60).then(|| u16::try_from(hours * 60 + minutes).ok())?
}

/// `10m`: bytes; k, m and g are powers of 1024, as for rsync.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let (digits, factor) = split_unit(text, &[("k", 1 << 10), ("m", 1 << 20), ("g", 1 << 30), ("", 1)])?;
    number(digits)?.checked_mul(factor).filter(|&bytes| bytes > 0)
}

/// `10s`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let units = [
        ("ms", 1),
        ("s", 1000),
        ("m", 60_000),
        ("h", 3_600_000),
        ("d", 86_400_000),
    ];
    let (digits, factor) = split_unit(text, &units)?;
    Some(Duration::from_millis(number(digits)?.checked_mul(factor)?))
}

fn split_unit<'a>(text: &'a str, units: &[(&str, u64)]) -> Option<(&'a str, u64)> {
    let text_end = text.trim_end_matches(|c: char| c.is_ascii_alphabetic()).len();
    let (digits, unit) = text.split_at(text_end);
    let unit = unit.to_ascii_lowercase();
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    Some((digits, *factor))
}

/// Digits and nothing else: `parse` alone would take a sign.
fn number(text: &str) -> Option<u64> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_they_are_written() {
        assert_eq!(bytes("10m"), Some(10 << 20));
        assert_eq!(bytes("5"), Some(5));
        assert_eq!(duration("300ms"), Some(Duration::from_millis(300)));
        assert_eq!(duration("7d"), Some(Duration::from_secs(7 * 86_400)));
        for bad in ["", "m", "-1m", "+1m", "1x", "1.5m", "0", "99999999999g"] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
        for bad in ["", "10", "s", "1 s"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_window_may_go_past_midnight() {
        let night = window("22:00-06:30").unwrap();
        // Noon of 29 November 2026 in UTC, when Paris is an hour ahead.
        let at = |minutes: i64| Timestamp::from_millis(1_795_953_600_000 + minutes * 60_000);
        for (now, opens) in [
            (-12 * 60, -12 * 60),
            (0, 9 * 60),
            (9 * 60, 9 * 60),
            (17 * 60 + 29, 17 * 60 + 29),
        ] {
            assert_eq!(night.opens(at(now), "Europe/Paris"), at(opens), "{now}");
        }
        assert_eq!(night.opens(at(17 * 60 + 30), "Europe/Paris"), at(33 * 60));
        assert_eq!(night.opens(at(0), "Nowhere"), at(10 * 60));
        for bad in ["22-06", "24:00-06:00", "22:60-06:00", "06:00-06:00", "22:00"] {
            assert_eq!(window(bad), None, "{bad}");
        }
    }
}
