//! A move that would stand still for too long asks, if it was told to: the question outlives the master, and the answer
//! decides.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use vsjob_tests::hosts::World as _;
use vsjob_tests::house::House;
use vsjob_tests::needs;
use vsjob_tests::program::Said;

/// No guest stands still for as little.
const MOVE: [&str; 8] = [
    "submit",
    "move",
    "--name=ldap",
    "--dst=vsh-02",
    "--max-downtime=1ms",
    "--on-budget=ask",
    "--reason",
    "to see",
];

/// Submits the move, and waits for its question.
fn asking(house: &House) -> anyhow::Result<String> {
    let id = house.program.run(&MOVE)?.ok()?;
    house.until(&id, |job| !job["question"].is_null())?;
    Ok(id)
}

fn answer(house: &House, id: &str, answer: &str) -> anyhow::Result<Said> {
    house.program.run(&["answer", id, answer])
}

#[test]
fn a_move_that_would_stand_still_for_too_long_asks_through_a_death_of_its_master() -> anyhow::Result<()> {
    let house = House::new()?;
    let master = house.program.master()?;
    house.program.run(&["guest", "adopt"])?.ok()?;
    let id = asking(&house)?;
    let shown = house.program.run(&["status", &id])?.ok()?;
    ensure!(
        shown.contains("asks: ldap would stand still for about"),
        "{shown}"
    );
    ensure!(
        shown.contains(&format!("vsjob answer {} yes", &id[id.len() - 8..])),
        "{shown}"
    );

    master.kill()?;
    let _master = house.program.master()?;
    house.until(&id, |job| !job["question"].is_null())?;
    answer(&house, &id, "no")?.ok()?;
    let job = house.ended(&id)?;
    ensure!(job["state"] == "rolled back", "{job}");
    ensure!(job["why"]["code"] == "VSJ0480", "{job}");
    let message = job["why"]["message"].as_str().context("no message")?;
    ensure!(
        message.ends_with("and root from this machine said no"),
        "{message}"
    );
    ensure!(job["stood_still"].is_null(), "{job}");
    ensure!(house.runs("ldap", 1) && !house.paper.host(2).has("var/lib/machines/ldap"));

    let late = answer(&house, &id, "yes")?;
    ensure!(
        late.status.code() == Some(1) || late.err.contains("VSJ0521"),
        "{late:?}"
    );
    Ok(())
}

#[test]
fn a_yes_lets_it_go_on_and_cancel_takes_the_question_back() -> anyhow::Result<()> {
    let house = House::new()?;
    let master = house.program.master()?;
    house.program.run(&["guest", "adopt"])?.ok()?;
    let cancelled = asking(&house)?;
    house.program.run(&["cancel", &cancelled])?.ok()?;
    let job = house.ended(&cancelled)?;
    ensure!(job["state"] == "cancelled" && job["question"].is_null(), "{job}");

    let id = asking(&house)?;
    answer(&house, &id, "yes")?.ok()?;
    // Accepted means durable: the next master does not ask again.
    master.kill()?;
    let _master = house.program.master()?;
    let job = house.ended(&id)?;
    ensure!(job["state"] == "succeeded", "{job}");
    ensure!(job["stood_still"].as_u64() > Some(0), "{job}");
    let asked = job["plan"]
        .as_array()
        .and_then(|plan| plan.iter().find(|step| step["action"] == "ask-budget 1"))
        .context("no step asked")?;
    ensure!(
        asked["outputs"]["answer"] == "yes, said root from this machine",
        "{asked}"
    );
    ensure!(!house.runs("ldap", 1) && house.runs("ldap", 2));
    Ok(())
}

#[test]
fn who_waits_at_a_terminal_is_asked_there() -> anyhow::Result<()> {
    if Command::new("script").arg("--version").output().is_err() {
        needs::skip("script, which makes a terminal");
        return Ok(());
    }
    let house = House::new()?;
    let _master = house.program.master()?;
    house.program.run(&["guest", "adopt"])?.ok()?;
    let submit = "move --name=ldap --dst=vsh-02 --max-downtime=1ms --wait";
    let vsjob = house.program.command(&[]);
    let line = format!("{} submit {submit}", vsjob.get_program().display());
    let mut terminal = Command::new("script")
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .envs(vsjob.get_envs().filter_map(|(key, value)| Some((key, value?))))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut shown = terminal.stdout.take().context("no standard output")?;
    let (mut said, mut more) = (Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&said).contains("Go on? yes or no") {
        let count = shown.read(&mut more)?;
        ensure!(count > 0, "{}", String::from_utf8_lossy(&said));
        said.extend_from_slice(&more[..count]);
    }
    let mut typed = terminal.stdin.take().context("no standard input")?;
    typed.write_all(b"well\nYes\n")?;
    shown.read_to_end(&mut said)?;
    drop(typed);
    let said = String::from_utf8_lossy(&said);
    ensure!(terminal.wait()?.success(), "{said}");
    ensure!(said.contains("its guest stood still for"), "{said}");
    Ok(())
}
