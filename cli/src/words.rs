//! Amounts and moments in words.

use std::time::Duration;

use chrono::TimeDelta;

use crate::message::Moment;

/// An amount of bytes: `20.5 KiB`.
#[must_use]
pub(crate) fn size(bytes: u64) -> String {
    bytesize::ByteSize(bytes).display().iec().to_string()
}

/// A duration in at most two units: `350 ms`, `4.2 s`, `3 m 20 s`, `5 d 2 h`.
#[must_use]
pub(crate) fn span(time: TimeDelta) -> String {
    let time = time.to_std().unwrap_or_default();
    let seconds = time.as_secs();
    let pair = |large: u64, a: &str, small: u64, b: &str| format!("{large} {a} {small} {b}");
    match seconds {
        0 => format!("{} ms", time.as_millis()),
        1..60 => format!(
            "{:.1} s",
            Duration::from_millis(time.subsec_millis().into()).as_secs_f64() + seconds as f64
        ),
        60..3600 => pair(seconds / 60, "m", seconds % 60, "s"),
        3600..86_400 => pair(seconds / 3600, "h", seconds % 3600 / 60, "m"),
        _ => pair(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// The same of milliseconds.
#[must_use]
pub(crate) fn millis(time: u64) -> String {
    span(TimeDelta::milliseconds(i64::try_from(time).unwrap_or(i64::MAX)))
}

/// From `begin` to `end`, or to `now` if there is no end yet; nothing if it has not begun.
#[must_use]
pub(crate) fn lasted(begin: Option<Moment>, end: Option<Moment>, now: Moment) -> String {
    begin.map_or_else(String::new, |begin| span(end.unwrap_or(now) - begin))
}

/// A moment of the last day by its time, an older one by its date; UTC.
#[must_use]
pub(crate) fn moment(at: Moment, now: Moment) -> String {
    if (now - at).num_hours() < 20 {
        at.format("%H:%M:%S").to_string()
    } else {
        at.format("%Y-%m-%d %H:%M").to_string()
    }
}

/// So many of something: `1 debt`, `2 debts`.
#[must_use]
pub(crate) fn several(number: u32, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_at_most_two_units() {
        let said = |millis| span(TimeDelta::milliseconds(millis));
        assert_eq!(said(350), "350 ms");
        assert_eq!(said(4_250), "4.2 s");
        assert_eq!(said(200_000), "3 m 20 s");
        assert_eq!(said(7_500_000), "2 h 5 m");
        assert_eq!(said(440_000_000), "5 d 2 h");
        assert_eq!(said(-5), "0 ms");
    }
}
