//! Schedules as an administrator sees them, and a master that dies at each durable write of one that is due.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;
use vsjob_tests::fate::Fate;
use vsjob_tests::house::House;
use vsjob_tests::program::Program;

const DAY: i64 = 24 * 60 * 60 * 1000;

const NIGHTLY: &str = r#"
[[schedule]]
name = "nightly"
cron = "30 2 * * *"
zone = "Europe/Paris"
operation = "demo"
parameters = { no-wait = true }
"#;

fn add(program: &Program, name: &str, more: &[&str]) -> anyhow::Result<Value> {
    let mut line = vec!["schedule", "add", name, "demo", "--no-wait", "--cron=30 2 * * *"];
    line.extend(["--zone=Europe/Paris", "--json"]);
    line.extend(more);
    program.run(&line)?.json()
}

#[test]
fn a_schedule_is_added_shown_run_disabled_and_removed() -> anyhow::Result<()> {
    let program = Program::new("", "")?;
    let _master = program.master()?;
    let run = |args: &[&str]| program.run(args);
    let added = add(&program, "nightly", &["--not-after=06:00", "--overlap=queue"])?;
    ensure!(
        added["next"][0]["local"]
            .as_str()
            .is_some_and(|local| local.contains(" 02:30 CE")),
        "{added}"
    );
    // The same once more is the same; another one of the name is refused.
    add(&program, "nightly", &["--not-after=06:00", "--overlap=queue"])?;
    let other = [
        "schedule",
        "add",
        "nightly",
        "demo",
        "--cron=@daily",
        "--zone=UTC",
    ];
    run(&other)?.refuses("VSJ0019", 4)?;

    let shown = run(&["schedule", "show", "nightly"])?.ok()?;
    for part in [
        "demo --no-wait",
        "30 2 * * * (Europe/Paris)",
        "not after",
        "06:00",
        "root",
    ] {
        ensure!(shown.contains(part), "{part}: {shown}");
    }
    let next = run(&["schedule", "next", "-n", "3"])?.ok()?;
    ensure!(
        next.lines().count() == 4 && next.contains("Europe/Paris"),
        "{next}"
    );

    let job = run(&["schedule", "run", "nightly"])?.ok()?;
    let ended = run(&["status", job.trim(), "--json"])?.json()?;
    ensure!(
        ended["schedule"] == "nightly" && ended["from"] == "schedule nightly",
        "{ended}"
    );
    let listed = run(&["schedule", "list"])?.ok()?;
    let short = &job.trim()[28..];
    ensure!(
        listed.contains(short) && listed.contains("demo --no-wait"),
        "{listed}"
    );
    let jobs = run(&["status", "--all"])?.ok()?;
    ensure!(jobs.contains("schedule nightly"), "{jobs}");

    run(&["schedule", "disable", "nightly", "--reason", "a move"])?.ok()?;
    ensure!(run(&["schedule", "list"])?.ok()?.contains("disabled"));
    run(&["schedule", "enable", "nightly"])?.ok()?;
    run(&["schedule", "remove", "nightly"])?.ok()?;
    let left = run(&["schedule", "list", "--json"])?.json()?;
    ensure!(left["schedules"] == Value::Array(Vec::new()), "{left}");
    for order in ["show", "remove", "run", "enable"] {
        run(&["schedule", order, "nightly"])?.refuses("VSJ0018", 4)?;
    }
    Ok(())
}

#[test]
fn what_cannot_be_a_schedule_is_refused_before_anything_is_kept() -> anyhow::Result<()> {
    let program = Program::new("", "vsh-01\n")?;
    let _master = program.master()?;
    let refuses = |name: &str, cron: &str, zone: &str, operation: &[&str], code: &str, status: i32| {
        let (cron, zone) = (format!("--cron={cron}"), format!("--zone={zone}"));
        let mut line = vec!["schedule", "add", name];
        line.extend(operation);
        line.extend([cron.as_str(), zone.as_str()]);
        program.run(&line)?.refuses(code, status)
    };
    let demo = &["demo", "--no-wait"][..];
    refuses("a", "0 0 30 2 *", "UTC", demo, "VSJ0022", 4)?;
    refuses("a", "0 0 0 * * *", "UTC", demo, "VSJ0022", 4)?;
    refuses("a", "@daily", "Europe/Atlantis", demo, "VSJ0022", 4)?;
    refuses("a", "@daily", "UTC", &["backup", "--name=nobody"], "VSJ0405", 4)?;
    for name in ["", "../a", "a;b", "a\nb", "A", "$(x)"] {
        let line = ["schedule", "add", name, "demo", "--cron=@daily", "--zone=UTC"];
        ensure!(program.run(&line)?.status.code() == Some(2), "{name:?} was taken");
    }
    let left = program.run(&["schedule", "list", "--json"])?.json()?;
    ensure!(left["schedules"] == Value::Array(Vec::new()), "{left}");
    Ok(())
}

#[test]
fn schedules_of_the_file_are_those_of_the_last_start() -> anyhow::Result<()> {
    let program = Program::new(NIGHTLY, "")?;
    let master = program.master()?;
    let shown = program.run(&["schedule", "show", "nightly", "--json"])?.json()?;
    ensure!(
        shown["declared"] == true && shown["parameters"]["no-wait"] == "true",
        "{shown}"
    );
    program
        .run(&["schedule", "remove", "nightly"])?
        .refuses("VSJ0020", 4)?;
    add(&program, "by-hand", &[])?;
    ensure!(master.stop()?.success());

    let settings = program.folder().join("vsjob.toml");
    let text = std::fs::read_to_string(&settings)?;
    std::fs::write(&settings, text.replace("demo", "demmo"))?;
    program.run(&["config", "check"])?.refuses("VSJ0401", 6)?;
    std::fs::write(&settings, text.replace(NIGHTLY, ""))?;
    program.run(&["config", "check"])?.ok()?;
    let _master = program.master()?;
    let left = program.run(&["schedule", "list", "--json"])?.json()?;
    let names: Vec<_> = left["schedules"].as_array().into_iter().flatten().collect();
    ensure!(names.len() == 1 && names[0]["schedule"] == "by-hand", "{left}");
    Ok(())
}

/// The schedule, once there came of it what is wanted.
fn until(program: &Program, is_so: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
    let mut shown = Value::Null;
    for _ in 0..3000 {
        shown = program.run(&["schedule", "show", "nightly", "--json"])?.json()?;
        if is_so(&shown["last"]) {
            return Ok(shown);
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    anyhow::bail!("it never came to this: {shown}: {}", program.log())
}

#[test]
fn an_operation_that_is_refused_when_it_is_due_is_told_of() -> anyhow::Result<()> {
    let settings = NIGHTLY
        .replace("demo", "guest-stop")
        .replace("no-wait = true", "name = \"ldap\"");
    let mut house = House::with(&settings)?;
    let Some(fate) = Fate::of(&mut house.program)? else {
        return Ok(());
    };
    let master = house.program.master()?;
    ensure!(master.stop()?.success());
    fate.wall_clock_is_ahead(DAY)?;
    // Nobody has told the master of the guest.
    let master = house.program.master()?;
    let shown = until(&house.program, |last| last["missed"].is_string())?;
    ensure!(shown["last"]["missed"].to_string().contains("ldap"), "{shown}");
    let listed = house.program.run(&["schedule", "list"])?.ok()?;
    ensure!(listed.contains("missed"), "{listed}");
    ensure!(house.program.log().contains("VSJ0023"));
    house.program.run(&["guest", "adopt"])?.ok()?;
    ensure!(master.stop()?.success());
    fate.wall_clock_is_ahead(2 * DAY)?;
    let _master = house.program.master()?;
    let shown = until(&house.program, |last| last["job"].is_object())?;
    let job = shown["last"]["job"]["job"].as_str().context("no id")?;
    ensure!(house.ended(job)?["state"] == "succeeded", "{shown}");
    Ok(())
}

#[test]
fn a_batch_is_submitted_by_a_schedule_and_each_of_its_jobs_says_so() -> anyhow::Result<()> {
    let house = House::new()?;
    house.guest("web", 2, 10)?;
    let _master = house.program.master()?;
    let run = |args: &[&str]| house.program.run(args);
    run(&["guest", "adopt"])?.ok()?;
    let add = [
        "schedule",
        "add",
        "evening",
        "guest-stop",
        "--all",
        "--cron=@daily",
        "--zone=UTC",
    ];
    run(&add)?.ok()?;
    let job = run(&["schedule", "run", "evening", "--reason", "early"])?.ok()?;
    let ended = house.ended(job.trim())?;
    ensure!(
        ended["state"] == "succeeded" && ended["reason"] == "early",
        "{ended}"
    );
    ensure!(!house.runs("ldap", 1) && !house.runs("web", 2));
    let jobs = run(&["status", "--all", "--json"])?.json()?;
    let ids: Vec<_> = jobs["jobs"].as_array().into_iter().flatten().collect();
    ensure!(ids.len() == 3, "{jobs}");
    for job in ids {
        let id = job["job"].as_str().context("no id")?;
        let job = run(&["status", id, "--json"])?.json()?;
        ensure!(job["from"] == "schedule evening", "{job}");
    }
    Ok(())
}

/// The jobs of the schedule, by their keys; and how many they are.
fn made(program: &Program) -> anyhow::Result<(usize, BTreeSet<String>)> {
    let jobs = program
        .run(&["status", "--all", "--limit=1000", "--json"])?
        .json()?;
    let mut keys = Vec::new();
    for job in jobs["jobs"].as_array().into_iter().flatten() {
        let id = job["job"].as_str().context("no id")?;
        let job = program.run(&["status", id, "--json"])?.json()?;
        keys.push(job["key"].as_str().context("no key")?.to_owned());
    }
    Ok((keys.len(), keys.into_iter().collect()))
}

#[test]
fn a_master_that_dies_at_any_write_neither_loses_nor_doubles_what_is_due() -> anyhow::Result<()> {
    let mut program = Program::new(NIGHTLY, "")?;
    let Some(fate) = Fate::of(&mut program)? else {
        return Ok(());
    };
    ensure!(program.master()?.stop()?.success());
    let (mut days, mut deaths) = (0, 0);
    for after in [false, true] {
        for write in 1.. {
            days += 1;
            fate.wall_clock_is_ahead(days * DAY)?;
            fate.dies_at(write, after)?;
            let begun = program.master();
            // It dies on the way, or has come to the end of what is due.
            let ended = match &begun {
                Ok(_) => made_in_time(&program, days, &fate)?,
                Err(_) => false,
            };
            drop(begun);
            deaths += usize::from(fate.end()?);
            let master = program.master()?;
            until(&program, |last| last["job"]["state"] == "succeeded")?;
            until(&program, |_| {
                made(&program).is_ok_and(|(count, _)| count >= usize::try_from(days).unwrap_or(0))
            })?;
            let (count, keys) = made(&program)?;
            ensure!(
                count == keys.len() && i64::try_from(count)? == days,
                "{count} jobs of {days} nights after a death at write {write}: {keys:?}"
            );
            ensure!(master.stop()?.success());
            if ended {
                break;
            }
        }
    }
    println!("{deaths} deaths");
    ensure!(deaths > 8, "it died {deaths} times only");
    Ok(())
}

/// Whether the job of that night is done before the master dies.
fn made_in_time(program: &Program, days: i64, fate: &Fate) -> anyhow::Result<bool> {
    for _ in 0..3000 {
        if fate.is_met()? {
            return Ok(false);
        }
        let shown = program.run(&["schedule", "show", "nightly", "--json"])?;
        let shown: Value = serde_json::from_str(&shown.out).unwrap_or_default();
        if shown["last"]["job"]["state"] == "succeeded"
            && made(program).is_ok_and(|(count, _)| i64::try_from(count) == Ok(days))
        {
            return Ok(true);
        }
    }
    anyhow::bail!("neither dead nor done")
}
