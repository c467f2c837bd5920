//! The program as a user has it: what it accepts is done whatever dies, and what it refuses changes nothing.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;
use vsjob_tests::program::{Program, Said, said};

fn program() -> anyhow::Result<Program> {
    Program::new("", "")
}

fn jobs(program: &Program) -> anyhow::Result<Vec<Value>> {
    let status = program
        .run(&["status", "--all", "--json", "--limit", "1000"])?
        .json()?;
    Ok(status["jobs"].as_array().context("no jobs")?.clone())
}

fn job(program: &Program, id: &str) -> anyhow::Result<Value> {
    program.run(&["status", id, "--json"])?.json()
}

/// Refused with this code and status, with a hint, on standard error alone.
fn is_refused(said: &Said, code: &str, status: i32) -> anyhow::Result<()> {
    ensure!(said.status.code() == Some(status), "{said:?}");
    ensure!(said.out.is_empty(), "{said:?}");
    ensure!(said.err.contains(code), "{said:?}");
    ensure!(!said.err.contains("panicked"), "{said:?}");
    Ok(())
}

#[test]
fn a_job_outlives_its_master_and_goes_on_by_itself() -> anyhow::Result<()> {
    let program = program()?;
    let master = program.master()?;
    let id = program.run(&["submit", "demo"])?.ok()?;
    let mut follower = program
        .command(&["logs", &id, "--follow"])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(follower.stdout.take().context("no standard output")?);
    lines.read_line(&mut String::new())?;
    master.kill()?;
    let _master = program.master()?;
    program.run(&["demo", "go", &id[id.len() - 8..]])?.ok()?;
    let mut log = String::new();
    lines.read_to_string(&mut log)?;
    ensure!(follower.wait()?.success(), "{log}");
    ensure!(log.contains("step succeeded: 4 publish the book"), "{log}");
    ensure!(log.ends_with("succeeded\n"), "{log}");
    let at = program.state().join("demo").join(&id);
    ensure!(at.join("copy/book").exists() && !at.join("shelf").exists());
    program.run(&["audit", "verify"])?.ok()?;
    Ok(())
}

#[test]
fn who_waits_sees_the_end_through_a_restart_of_the_master() -> anyhow::Result<()> {
    let program = program()?;
    let master = program.master()?;
    let mut waiting = program
        .command(&["submit", "demo", "--wait"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // The first line of talk names the job, which is durable then.
    let mut talk = waiting.stderr.take().context("no standard error")?;
    let mut first = [0; 13];
    talk.read_exact(&mut first)?;
    let short = String::from_utf8_lossy(&first[4..12]).into_owned();
    master.kill()?;
    let _master = program.master()?;
    program.run(&["demo", "go", &short])?.ok()?;
    let said = said(waiting.wait_with_output()?)?.ok()?;
    ensure!(said.starts_with("publish a book: succeeded after"), "{said}");
    Ok(())
}

#[test]
fn a_master_killed_during_submit_makes_one_job_of_one_key() -> anyhow::Result<()> {
    const ROUNDS: usize = 20;
    let program = program()?;
    let mut master = program.master()?;
    for round in 0..ROUNDS {
        let key = format!("key-{round}");
        let submit = ["submit", "demo", "--no-wait", "--idempotency-key", &key];
        let submitting = program
            .command(&submit)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        std::thread::park_timeout(Duration::from_micros(fastrand::u64(0..20_000)));
        master.kill()?;
        master = program.master()?;
        let first = said(submitting.wait_with_output()?)?;
        let again = program.run(&submit)?.ok()?;
        // The client sends again by itself what was cut off. It may have met no master at all: then nothing was sent.
        match first.status.success() {
            true => ensure!(first.out.trim_end() == again, "{first:?}, then {again}"),
            false => is_refused(&first, "VSJ0502", 5)?,
        }
        ensure!(jobs(&program)?.len() == round + 1);
    }
    Ok(())
}

#[test]
fn a_client_killed_during_submit_makes_one_job_of_one_key() -> anyhow::Result<()> {
    const ROUNDS: usize = 20;
    let program = program()?;
    let _master = program.master()?;
    for round in 0..ROUNDS {
        let key = format!("key-{round}");
        let submit = ["submit", "demo", "--no-wait", "--idempotency-key", &key];
        let mut submitting = program.command(&submit).stdout(Stdio::piped()).spawn()?;
        std::thread::park_timeout(Duration::from_micros(fastrand::u64(0..20_000)));
        submitting.kill()?;
        submitting.wait()?;
        let id = program.run(&submit)?.ok()?;
        ensure!(program.run(&submit)?.ok()? == id);
        ensure!(jobs(&program)?.len() == round + 1);
    }
    Ok(())
}

#[test]
fn the_end_of_a_job_is_the_exit_status_of_who_waits() -> anyhow::Result<()> {
    let program = program()?;
    let _master = program.master()?;
    let wait = |more: &[&str]| program.run(&[&["submit", "demo", "--no-wait", "--wait"], more].concat());
    ensure!(wait(&[])?.status.code() == Some(0));
    let as_before = wait(&["--fail-at", "2"])?;
    ensure!(as_before.status.code() == Some(1), "{as_before:?}");
    ensure!(as_before.err.contains("VSJ0421"), "{as_before:?}");
    let stuck = wait(&["--fail-at", "3"])?;
    ensure!(stuck.status.code() == Some(3), "{stuck:?}");
    ensure!(stuck.err.contains("vsjob retry"), "{stuck:?}");
    Ok(())
}

#[test]
fn a_job_is_paused_resumed_and_cancelled_by_the_end_of_its_id() -> anyhow::Result<()> {
    let program = program()?;
    let _master = program.master()?;
    let id = program.run(&["submit", "demo", "--reason", "to see"])?.ok()?;
    let short = &id[id.len() - 8..];
    program.run(&["pause", short])?.ok()?;
    program.run(&["resume", short])?.ok()?;
    program.run(&["cancel", short, "--reason", "seen"])?.ok()?;
    let log = program.run(&["logs", short, "-f"])?.ok()?;
    ensure!(log.contains("from this machine: to see"), "{log}");
    ensure!(log.contains("cancelled by") && log.contains(": seen"), "{log}");
    ensure!(job(&program, short)?["state"] == "cancelled");
    is_refused(&program.run(&["cancel", short])?, "VSJ0002", 4)
}

#[test]
fn bad_input_has_a_code_and_a_hint_and_changes_nothing() -> anyhow::Result<()> {
    let program = program()?;
    let _master = program.master()?;
    let long = "x".repeat(300);
    for (args, code, status) in [
        (&["submit", "demo", "--no-wiat"][..], "VSJ0510", 2),
        (&["submit", "mvoe"], "VSJ0510", 2),
        (&["frobnicate"], "VSJ0510", 2),
        (&["submit", "demo", "--fail-at", "x"], "VSJ0404", 4),
        (&["submit", "demo", "--fail-at", "1;reboot"], "VSJ0404", 4),
        (&["submit", "demo", "--fail-at", "../1"], "VSJ0404", 4),
        (&["submit", "demo", "--fail-at", "1\n2"], "VSJ0404", 4),
        (&["submit", "demo", "--fail-at", &long], "VSJ0404", 4),
        (&["status", "deadbeef"], "VSJ0505", 4),
        (&["status", "../../x y"], "VSJ0515", 4),
        (&["cancel", "01a20fd7-27f0-7912-9fc9-3943f1dbbb2e"], "VSJ0001", 4),
        (&["step", "run", "no-such-action"], "VSJ0519", 4),
        (&["step", "run", "demo-tidy", "one"], "VSJ0520", 4),
        (&["explain", "VSJ9999"], "VSJ0509", 2),
    ] {
        let said = program.run(args)?;
        is_refused(&said, code, status).with_context(|| format!("{args:?}"))?;
        let hinted = ["hint: ", "tip: ", "--help"]
            .iter()
            .any(|word| said.err.contains(word));
        ensure!(hinted, "{args:?}: {said:?}");
    }
    ensure!(jobs(&program)?.is_empty());
    Ok(())
}

#[test]
fn with_json_a_refusal_is_json_too() -> anyhow::Result<()> {
    let program = program()?;
    let _master = program.master()?;
    let said = program.run(&["status", "deadbeef", "--json"])?;
    let refusal: Value = serde_json::from_str(&said.err)?;
    ensure!(refusal["error"]["code"] == "VSJ0505", "{refusal}");
    ensure!(refusal["error"]["hint"].is_string(), "{refusal}");
    Ok(())
}

#[test]
fn a_key_that_stands_for_another_request_is_refused() -> anyhow::Result<()> {
    let program = program()?;
    let _master = program.master()?;
    let keyed = ["submit", "demo", "--no-wait", "--idempotency-key", "k"];
    let id = program.run(&keyed)?.ok()?;
    ensure!(program.run(&keyed)?.ok()? == id);
    is_refused(
        &program.run(&[&keyed[..], &["--fail-at", "1"]].concat())?,
        "VSJ0007",
        4,
    )
}

#[test]
fn a_second_master_is_refused_and_the_first_goes_on() -> anyhow::Result<()> {
    let program = program()?;
    let master = program.master()?;
    is_refused(&program.run(&["master"])?, "VSJ0101", 7)?;
    program.run(&["submit", "demo", "--no-wait", "--wait"])?.ok()?;
    ensure!(master.stop()?.success(), "{}", program.log());
    Ok(())
}

#[test]
fn a_master_that_is_stopped_in_the_moment_in_which_it_is_ready_ends_in_order() -> anyhow::Result<()> {
    let program = program()?;
    for _ in 0..20 {
        let status = program.master()?.stop()?;
        ensure!(status.success(), "{status}: {}", program.log());
    }
    Ok(())
}

#[test]
fn a_superseded_master_starts_only_to_take_over_and_then_holds_its_jobs_until_the_scan_is_accepted()
-> anyhow::Result<()> {
    let program = program()?;
    let master = program.master()?;
    let id = program.run(&["submit", "demo"])?.ok()?;
    master.kill()?;
    std::fs::write(
        program.state().join("superseded"),
        "7 vsh-01 obeys another master\n",
    )?;
    for _ in 0..2 {
        program.run(&["master"])?.refuses("VSJ0304", 4)?;
    }
    let master = program.master_with(&["--take-over"])?;
    ensure!(
        program
            .log()
            .contains(&format!("epoch={}", 7 + vsjob_engine::Epoch::SKIPPED)),
        "{}",
        program.log()
    );
    for command in [&["resume", &id][..], &["cancel", &id], &["submit", "demo"]] {
        program.run(command)?.refuses("VSJ0011", 4)?;
    }
    // Killed and started again as usual it still holds them.
    master.kill()?;
    let _master = program.master()?;
    let scan = program.run(&["scan", "--json"])?.json()?;
    ensure!(scan["held"]["jobs"][0]["job"] == id, "{scan}");
    ensure!(scan["held"]["jobs"][0]["doubt"].is_null(), "{scan}");
    let accept = |seal: &str| program.run(&["scan", "--accept", seal, "--reason", "it is as it should be"]);
    accept("1f2e3d4c5b6a")?.refuses("VSJ0550", 4)?;
    accept(scan["held"]["seal"].as_str().unwrap_or_default())?.ok()?;
    accept("1f2e3d4c5b6a")?.refuses("VSJ0013", 4)?;
    program.run(&["demo", "go", &id])?.ok()?;
    let log = program.run(&["logs", &id, "--follow"])?.ok()?;
    ensure!(log.ends_with("succeeded"), "{log}");
    Ok(())
}

#[test]
fn without_a_master_what_needs_one_says_so_and_the_audit_works() -> anyhow::Result<()> {
    let program = program()?;
    let master = program.master()?;
    program.run(&["submit", "demo", "--no-wait", "--wait"])?.ok()?;
    master.kill()?;
    is_refused(&program.run(&["status"])?, "VSJ0502", 5)?;
    let verified = program.run(&["audit", "verify", "--json"])?.json()?;
    ensure!(
        verified["damage"].is_null() && verified["records"].as_u64() > Some(10),
        "{verified}"
    );
    Ok(())
}

#[test]
fn a_reader_that_goes_away_is_no_error() -> anyhow::Result<()> {
    let program = program()?;
    for args in [&["explain"][..], &["man"], &["step", "list"], &["--help"]] {
        let (reader, writer) = std::io::pipe()?;
        drop(reader);
        let said = said(
            program
                .command(args)
                .stdout(writer)
                .stderr(Stdio::piped())
                .output()?,
        )?;
        ensure!(said.status.success() && said.err.is_empty(), "{args:?}: {said:?}");
    }
    Ok(())
}

#[test]
fn all_mistakes_of_the_configuration_are_told_in_one_run() -> anyhow::Result<()> {
    let settings = "[master]\nstate = 5\nslots-per-hosts = 1\n[shh]\n";
    let program = Program::new(settings, "vsh-01:nosuch\nvsh 02\n")?;
    let said = program.run(&["config", "check"])?;
    ensure!(said.status.code() == Some(6), "{said:?}");
    for place in [
        "vsjob.toml:2:9: VSJ0203",
        "vsjob.toml:3:1: VSJ0202",
        "vsjob.toml:4:2: VSJ0202",
        "slaves.conf:1:8: VSJ0202",
        "slaves.conf:2:1: VSJ0203",
    ] {
        ensure!(said.out.contains(place), "{place}: {said:?}");
    }
    is_refused(&program.run(&["master"])?, "VSJ02", 6)
}

#[test]
fn the_plan_that_is_shown_is_the_plan_that_is_run() -> anyhow::Result<()> {
    let program = program()?;
    let _master = program.master()?;
    let plan = program
        .run(&["submit", "demo", "--no-wait", "--plan", "--json"])?
        .json()?;
    ensure!(jobs(&program)?.is_empty(), "a plan was run");
    let id = program.run(&["submit", "demo", "--no-wait"])?.ok()?;
    let job = job(&program, &id)?;
    let shape = |steps: &Value| -> Vec<(Value, Value, Value)> {
        let steps = steps.as_array().into_iter().flatten();
        steps
            .map(|step| {
                (
                    step["title"].clone(),
                    step["action"].clone(),
                    step["hosts"].clone(),
                )
            })
            .collect()
    };
    ensure!(!shape(&plan["steps"]).is_empty());
    ensure!(shape(&plan["steps"]) == shape(&job["plan"]), "{plan} and {job}");
    Ok(())
}

#[test]
fn the_api_describes_itself() -> anyhow::Result<()> {
    use std::io::Write;
    let program = program()?;
    let _master = program.master()?;
    let mut stream = std::os::unix::net::UnixStream::connect(program.state().join("vsjob.sock"))?;
    stream.write_all(b"GET /openapi.json HTTP/1.1\r\nhost: vsjob\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").context("no body")?;
    let document: Value = serde_json::from_str(body)?;
    ensure!(document["paths"]["/v1/jobs"]["post"].is_object(), "{document}");
    Ok(())
}
