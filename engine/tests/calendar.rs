//! When crontab lines come round: what Vixie's cron says, line by line, and what another implementation says of random
//! lines in zones whose clocks are put forward and back. `VSJOB_CALENDAR=whole cargo test -p vsjob-engine --release
//! --test calendar random_lines` compares every time of 1,000 lines in ten years in three zones (six minutes on two
//! processors); the ordinary run draws some of them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use chrono::{DateTime, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use croner::Cron;
use vsjob_engine::{BadCalendar, Calendar, Timestamp};

const ZONES: [&str; 3] = ["Europe/Paris", "America/New_York", "Australia/Lord_Howe"];

fn at(text: &str) -> Timestamp {
    let at: DateTime<Utc> = text.parse().unwrap();
    Timestamp::from_millis(at.timestamp_millis())
}

/// The next `n` times after `from`, as the zone's wall clock has them.
fn next(line: &str, zone: &str, from: &str, n: usize) -> Vec<String> {
    let calendar = Calendar::new(line, zone).unwrap();
    let times = std::iter::successors(calendar.after(at(from)), |time| calendar.after(*time));
    times.take(n).map(|time| calendar.told(time)).collect()
}

#[test]
fn sunday_is_0_and_7_and_days_have_names() {
    for weekday in ["0", "7", "sun", "SUN", "0,7", "7-7"] {
        let times = next(&format!("0 12 * * {weekday}"), "UTC", "2026-11-27T00:00:00Z", 2);
        assert_eq!(
            times,
            ["2026-11-29 12:00 UTC", "2026-12-06 12:00 UTC"],
            "{weekday}"
        );
    }
    let times = next("0 12 * * fri-7", "UTC", "2026-11-27T13:00:00Z", 3);
    assert_eq!(
        times,
        [
            "2026-11-28 12:00 UTC",
            "2026-11-29 12:00 UTC",
            "2026-12-04 12:00 UTC"
        ]
    );
}

#[test]
fn a_day_that_is_told_by_month_and_by_week_is_either() {
    let times = next("0 0 13 * fri", "UTC", "2026-11-07T00:00:00Z", 3);
    assert_eq!(
        times,
        [
            "2026-11-13 00:00 UTC",
            "2026-11-20 00:00 UTC",
            "2026-11-27 00:00 UTC"
        ]
    );
    let times = next("0 0 15 * fri", "UTC", "2026-11-07T00:00:00Z", 3);
    assert_eq!(
        times,
        [
            "2026-11-13 00:00 UTC",
            "2026-11-15 00:00 UTC",
            "2026-11-20 00:00 UTC"
        ]
    );
    // One that begins with a star narrows the other.
    let times = next("0 0 */2 * fri", "UTC", "2026-11-07T00:00:00Z", 2);
    assert_eq!(times, ["2026-11-13 00:00 UTC", "2026-11-27 00:00 UTC"]);
}

#[test]
fn what_the_clock_leaves_out_is_due_right_after_and_what_it_repeats_is_due_once() {
    let spring = next("30 2 * * *", "Europe/Paris", "2026-03-28T00:00:00Z", 3);
    assert_eq!(
        spring,
        [
            "2026-03-28 02:30 CET",
            "2026-03-29 03:00 CEST",
            "2026-03-30 02:30 CEST"
        ]
    );
    let twice = next("15,45 2 * * *", "Europe/Paris", "2026-03-28T12:00:00Z", 2);
    assert_eq!(twice, ["2026-03-29 03:00 CEST", "2026-03-30 02:15 CEST"]);
    let autumn = next("30 2 * * *", "Europe/Paris", "2026-10-24T12:00:00Z", 2);
    assert_eq!(autumn, ["2026-10-25 02:30 CEST", "2026-10-26 02:30 CET"]);
}

#[test]
fn what_is_due_every_so_often_goes_by_the_hours_that_pass() {
    let spring = next("*/30 * * * *", "Europe/Paris", "2026-03-29T00:20:00Z", 3);
    assert_eq!(
        spring,
        [
            "2026-03-29 01:30 CET",
            "2026-03-29 03:00 CEST",
            "2026-03-29 03:30 CEST"
        ]
    );
    let autumn = next("30 * * * *", "Europe/Paris", "2026-10-24T23:00:00Z", 4);
    assert_eq!(
        autumn,
        [
            "2026-10-25 01:30 CEST",
            "2026-10-25 02:30 CEST",
            "2026-10-25 02:30 CET",
            "2026-10-25 03:30 CET"
        ]
    );
}

#[test]
fn what_is_no_crontab_line_or_never_comes_is_refused() {
    for bad in [
        "",
        "* * * *",
        "0 * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * 32 * *",
        "* * * 13 *",
        "* * * * 8",
        "5/10 * * * *",
        "*/0 * * * *",
        "*/60 * * * *",
        "+5 * * * *",
        "5- * * * *",
        "10-5 * * * *",
        "? * * * *",
        "* * L * *",
        "* * 15W * *",
        "* * * * 5#2",
        "@reboot",
        "1,,2 * * * *",
        "* * * foo *",
        "fri-mon * * * *",
        "0x1 * * * *",
        "１ * * * *",
    ] {
        assert!(Calendar::new(bad, "UTC").is_err(), "{bad:?} was taken");
    }
    for never in ["0 0 30 2 *", "0 0 31 4,6,9,11 *"] {
        let refused = Calendar::new(never, "UTC").unwrap_err();
        assert_eq!(refused, BadCalendar::Never(never.to_owned()));
    }
    assert!(Calendar::new("0 0 29 2 *", "UTC").is_ok());
    for zone in ["", "Europe/Atlantis", "../etc/passwd", "utc\n"] {
        let refused = Calendar::new("* * * * *", zone).unwrap_err();
        assert_eq!(refused, BadCalendar::Zone(zone.to_owned()));
    }
}

#[test]
fn the_last_time_is_found_among_many_and_among_few() {
    let until = at("2026-11-28T12:34:56Z");
    let last = |line: &str, after: &str| Calendar::new(line, "UTC").unwrap().last(at(after), until);
    assert_eq!(
        last("* * * * *", "2016-01-01T00:00:00Z"),
        Some(at("2026-11-28T12:34:00Z"))
    );
    assert_eq!(
        last("0 0 29 2 *", "2016-01-01T00:00:00Z"),
        Some(at("2024-02-29T00:00:00Z"))
    );
    assert_eq!(last("0 0 29 2 *", "2024-02-29T00:00:00Z"), None);
    assert_eq!(
        last("34 12 * * *", "2026-11-28T12:33:59Z"),
        Some(at("2026-11-28T12:34:00Z"))
    );
}

/// Draws a field: now and then all, a step, a value, a range, a list.
fn field(random: &mut fastrand::Rng, least: u32, most: u32) -> String {
    let one = |random: &mut fastrand::Rng| random.u32(least..=most);
    match random.u32(0..6) {
        0 | 1 => "*".to_owned(),
        2 => format!("*/{}", random.u32(2..=most.min(59))),
        3 => {
            let first = one(random);
            format!("{first}-{}", random.u32(first..=most.min(first + 4)))
        }
        4 => format!("{},{}", one(random), one(random)),
        _ => one(random).to_string(),
    }
}

fn line(random: &mut fastrand::Rng) -> String {
    let fields = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)];
    let fields = fields.map(|(least, most)| field(random, least, most));
    fields.join(" ")
}

/// The other implementation's lines for this one: it takes only a single minute of a single hour for a fixed time, and
/// for a day told by a step and by a weekday it takes either.
fn others(line: &str) -> Vec<Cron> {
    let fields: Vec<&str> = line.split(' ').collect();
    let is_fixed = !fields[0].starts_with('*') && !fields[1].starts_with('*');
    let singles = |text: &str| -> Vec<String> {
        let parts = text.split(',').flat_map(|part| match part.split_once('-') {
            Some((first, last)) => first.parse::<u32>().unwrap()..=last.parse().unwrap(),
            None => part.parse().unwrap()..=part.parse().unwrap(),
        });
        parts.map(|value| value.to_string()).collect()
    };
    let (minutes, hours) = match is_fixed {
        true => (singles(fields[0]), singles(fields[1])),
        false => (vec![fields[0].to_owned()], vec![fields[1].to_owned()]),
    };
    let is_narrowed = fields[2].starts_with('*') || fields[4].starts_with('*');
    let weekday = match is_narrowed && fields[4] != "*" {
        true => format!("+{}", fields[4]),
        false => fields[4].to_owned(),
    };
    let all = minutes
        .iter()
        .flat_map(|minute| hours.iter().map(move |hour| (minute, hour)));
    all.map(|(minute, hour)| {
        let line = format!("{minute} {hour} {} {} {weekday}", fields[2], fields[3]);
        line.parse().unwrap()
    })
    .collect()
}

/// When a line of the other implementation comes round after `at`.
fn comes_round(cron: &Cron, at: &DateTime<Tz>) -> Option<DateTime<Tz>> {
    cron.find_next_occurrence(at, false).ok()
}

/// Follows both from `from` to `until`, or for so many times, and compares each.
fn compare(line: &str, zone: &str, from: NaiveDateTime, until: NaiveDateTime, most: usize) -> usize {
    let calendar = Calendar::new(line, zone).unwrap();
    let tz: Tz = zone.parse().unwrap();
    let (mut now, until) = (tz.from_utc_datetime(&from), tz.from_utc_datetime(&until));
    let others = others(line).into_iter();
    let mut others: Vec<_> = others.map(|cron| (comes_round(&cron, &now), cron)).collect();
    for n in 0..most {
        let ours = calendar.after(Timestamp::from_millis(now.timestamp_millis()));
        let theirs = others.iter().filter_map(|(next, _)| *next).min();
        let Some(theirs) = theirs.filter(|theirs| *theirs <= until) else {
            let none = ours.is_none_or(|ours| ours.as_millis() > until.timestamp_millis());
            assert!(none, "`{line}` in {zone} after {now}: {ours:?}, they say never");
            return n;
        };
        let ours = ours.map(|ours| tz.timestamp_millis_opt(ours.as_millis()).unwrap());
        assert_eq!(ours, Some(theirs), "`{line}` in {zone} after {now}");
        now = theirs;
        for (next, cron) in others.iter_mut().filter(|(next, _)| *next == Some(now)) {
            *next = comes_round(cron, &now);
        }
    }
    most
}

#[test]
fn random_lines_come_round_when_another_implementation_says_so() {
    let whole = std::env::var("VSJOB_CALENDAR").is_ok_and(|whole| whole == "whole");
    let begin = "2020-01-01T00:00:00".parse::<NaiveDateTime>().unwrap();
    let end = "2030-01-01T00:00:00".parse::<NaiveDateTime>().unwrap();
    let put = ZONES.map(|zone| changes(zone, begin, end));
    let mut random = fastrand::Rng::with_seed(53);
    let (mut compared, mut lines) = (0, 0);
    while lines < 1000 {
        let line = line(&mut random);
        match Calendar::new(&line, "UTC") {
            Ok(_) => lines += 1,
            Err(BadCalendar::Never(_)) => continue,
            Err(why) => panic!("{line}: {why}"),
        }
        if whole {
            compared += std::thread::scope(|scope| {
                let line = &line;
                let zones =
                    ZONES.map(|zone| scope.spawn(move || compare(line, zone, begin, end, usize::MAX)));
                zones.map(|zone| zone.join().unwrap()).iter().sum::<usize>()
            });
            if lines % 50 == 0 {
                println!("{lines} lines, {compared} times");
            }
            continue;
        }
        let zone = ZONES[lines % ZONES.len()];
        // Somewhere, and from the day before each time that the clock is put forward or back.
        let somewhere = begin + TimeDelta::minutes(random.i64(0..5_000_000));
        compared += compare(&line, zone, somewhere, end, 5);
        let put = put[lines % ZONES.len()][random.usize(0..20)];
        compared += compare(
            &line,
            zone,
            put - TimeDelta::hours(6),
            put + TimeDelta::hours(6),
            usize::MAX,
        );
    }
    println!("{compared} times of {lines} lines compared");
    assert!(compared > 10_000, "{compared}");
}

/// When the zone's clock is put forward or back.
fn changes(zone: &str, begin: NaiveDateTime, end: NaiveDateTime) -> Vec<NaiveDateTime> {
    let tz: Tz = zone.parse().unwrap();
    let offset = move |at: &NaiveDateTime| tz.from_utc_datetime(at).naive_local() - *at;
    let hours = std::iter::successors(Some(begin), move |at| {
        Some(*at + TimeDelta::hours(1)).filter(|at| *at < end)
    });
    hours
        .filter(|at| offset(at) != offset(&(*at + TimeDelta::hours(1))))
        .collect()
}
