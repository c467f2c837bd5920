//! The clock of a master as an administrator sees it, and as its jobs do not.

use anyhow::{Context, ensure};
use serde_json::Value;
use vsjob_tests::fate::Fate;
use vsjob_tests::hosts::World as _;
use vsjob_tests::house::House;
use vsjob_tests::program::Program;

const HOUR: i64 = 60 * 60 * 1000;

#[test]
fn the_clock_is_shown_and_what_has_not_jumped_is_not_accepted() -> anyhow::Result<()> {
    let program = Program::new("", "")?;
    let _master = program.master()?;
    let shown = program.run(&["clock", "show"])?.ok()?;
    ensure!(
        shown.contains("by the master") && shown.contains("masters were up"),
        "{shown}"
    );
    let clock = program.run(&["clock", "show", "--json"])?.json()?;
    ensure!(
        clock["jump"].is_null() && clock["master"] == clock["wall"],
        "{clock}"
    );
    program
        .run(&["clock", "accept", "--reason", "to see"])?
        .refuses("VSJ0546", 4)
}

/// A house whose master's wall clock can be set; it knows its guest.
fn house() -> anyhow::Result<Option<(House, Fate)>> {
    let mut house = House::new()?;
    let Some(fate) = Fate::of(&mut house.program)? else {
        return Ok(None);
    };
    let master = house.program.master()?;
    house.program.run(&["guest", "adopt"])?.ok()?;
    ensure!(master.stop()?.success());
    Ok(Some((house, fate)))
}

/// The clock, which is not believed, or is: that is its exit status.
fn clock(house: &House, is_believed: bool) -> anyhow::Result<Value> {
    let said = house.program.run(&["clock", "show", "--json"])?;
    let status = if is_believed { 0 } else { 8 };
    ensure!(said.status.code() == Some(status), "{said:?}");
    Ok(serde_json::from_str(&said.out)?)
}

/// The job that deletes what the move left, when the grace is over.
fn purge_later(house: &House, id: &str) -> anyhow::Result<String> {
    let job = house.ended(id)?;
    ensure!(job["state"] == "succeeded", "{job}");
    let mut steps = job["plan"].as_array().context("no plan")?.iter();
    let purge = steps.find_map(|step| step["outputs"]["purge"].as_str());
    Ok(purge.context("nobody will delete what it left")?.to_owned())
}

#[test]
fn what_waits_for_its_time_is_held_from_a_jump_of_the_clock_until_it_is_accepted() -> anyhow::Result<()> {
    let Some((house, fate)) = house()? else {
        return Ok(());
    };
    let run = |args: &[&str]| house.program.run(args);
    for hours in [-2, 2] {
        fate.wall_clock_is_ahead(0)?;
        let master = house.program.master()?;
        fate.wall_clock_is_ahead(hours * HOUR)?;
        ensure!(!clock(&house, false)?["jump"].is_null());
        // Whatever needs no time of its own goes on; and the grace of this one is over when it begins.
        let to = if hours < 0 { "vsh-02" } else { "vsh-01" };
        let moving = [
            "submit",
            "move",
            "--name=ldap",
            "--grace=1ms",
            "--on-budget=proceed",
            "--dst",
            to,
        ];
        let purge = purge_later(&house, &run(&moving)?.ok()?)?;
        let waits = house.until(&purge, |job| job["waits_for"].is_string())?;
        ensure!(waits["state"] == "queued", "{waits}");
        // Nor does it begin because there is another master, or because the clock is right again.
        master.kill()?;
        let master = house.program.master()?;
        fate.wall_clock_is_ahead(0)?;
        clock(&house, false)?;
        let waits = house.until(&purge, |_| true)?;
        ensure!(
            waits["state"] == "queued" && waits["waits_for"].to_string().contains("clock"),
            "{waits}"
        );
        run(&["clock", "accept", "--reason", "it is right"])?.ok()?;
        ensure!(clock(&house, true)?["jump"].is_null());
        ensure!(house.ended(&purge)?["state"] == "succeeded");
        ensure!(master.stop()?.success());
    }
    Ok(())
}

#[test]
fn a_step_under_way_takes_as_long_as_it_takes_however_the_clock_is_set_meanwhile() -> anyhow::Result<()> {
    let Some((house, fate)) = house()? else {
        return Ok(());
    };
    let _master = house.program.master()?;
    let host = house.paper.host(1);
    host.write("fault/step-2", "wait\n")?;
    let stopping = house
        .program
        .run(&["submit", "guest-stop", "--name=ldap"])?
        .ok()?;
    let told = |word: &str| {
        host.write("fault/word", &format!("1 2 {word}\n"))?;
        house.until(&stopping, |job| job["progress"]["note"] == word)
    };
    told("begun")?;
    for hours in [-24, 24] {
        fate.wall_clock_is_ahead(hours * HOUR)?;
        told(&format!("{hours} hours later"))?;
    }
    host.write("fault/go", "")?;
    let job = house.ended(&stopping)?;
    ensure!(
        job["state"] == "succeeded" && job["plan"][1]["attempts"] == 1,
        "{job}"
    );
    Ok(())
}
