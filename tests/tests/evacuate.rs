//! A host is emptied: each guest goes to where there is room, what one was given the next one does not have, and who fits
//! nowhere stays and costs the others nothing.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use vsjob_tests::fate::Fate;
use vsjob_tests::figures;
use vsjob_tests::hosts::World as _;
use vsjob_tests::house::House;

/// Three guests of 512 MiB on the first of three hosts; the others have room for two and for one and a half.
fn three() -> anyhow::Result<House> {
    let house = House::of(3, "")?;
    house.guest("www", 1, 10)?;
    house.guest("dns", 1, 11)?;
    for guest in ["ldap", "www", "dns"] {
        house.limit(guest, 1, 512)?;
    }
    house.paper.paper_host(2).has_memory(1200)?;
    house.paper.paper_host(3).has_memory(800)?;
    Ok(house)
}

/// Where each guest lives.
fn places(house: &House) -> anyhow::Result<BTreeMap<String, String>> {
    let list = house.program.run(&["guest", "list", "--json"])?.json()?;
    let guests = list["guests"].as_array().context("no guests")?.iter();
    let text = |line: &serde_json::Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    Ok(guests
        .map(|line| (text(line, "guest"), text(line, "host")))
        .collect())
}

fn on(places: &BTreeMap<String, String>, host: &str) -> usize {
    places.values().filter(|place| *place == host).count()
}

#[test]
fn guests_go_to_where_there_is_room_and_nothing_new_comes() -> anyhow::Result<()> {
    let house = three()?;
    let run = |args: &[&str]| house.program.run(args);
    let _master = house.program.master()?;
    run(&["guest", "adopt"])?.ok()?;

    let plan = run(&["submit", "evacuate", "--host=vsh-01", "--plan"])?.ok()?;
    ensure!(
        plan.contains("move dns to vsh-02: takes 512 MiB of memory"),
        "{plan}"
    );
    ensure!(
        plan.contains("move ldap to vsh-03") && plan.contains("move www to vsh-02"),
        "{plan}"
    );
    ensure!(plan.contains("688 MiB and"), "not counted down: {plan}");
    ensure!(run(&["host", "list"])?.ok()?.contains("vsh-01  in service"));

    let emptied = [
        "submit",
        "evacuate",
        "--host=vsh-01",
        "--max-downtime=60s",
        "--wait",
        "--reason=new disks",
    ];
    let emptied = run(&emptied)?.ok()?;
    ensure!(
        emptied.starts_with("evacuate vsh-01: 3 guests: succeeded"),
        "{emptied}"
    );
    let places = places(&house)?;
    ensure!(
        (on(&places, "vsh-02"), on(&places, "vsh-03")) == (2, 1),
        "{places:?}"
    );
    for (guest, host) in [("dns", 2), ("ldap", 3), ("www", 2)] {
        ensure!(house.runs(guest, host) && !house.runs(guest, 1), "{guest}");
    }
    let shown = run(&["host", "show", "vsh-01"])?.ok()?;
    ensure!(shown.contains("by root: new disks"), "{shown}");
    run(&["submit", "move", "--name=dns", "--dst=vsh-01"])?.refuses("VSJ0541", 4)?;
    run(&["submit", "evacuate", "--host=vsh-01"])?.refuses("VSJ0416", 4)
}

#[test]
fn who_fits_nowhere_stays_and_costs_the_others_nothing_and_a_host_that_is_away_gets_nobody()
-> anyhow::Result<()> {
    let house = three()?;
    house.guest("whale", 1, 12)?;
    house.limit("whale", 1, 4096)?;
    house.paper.paper_host(2).has_memory(2000)?;
    house.paper.host(3).write("fault/off", "")?;
    let run = |args: &[&str]| house.program.run(args);
    let _master = house.program.master()?;
    run(&["guest", "adopt"])?.ok()?;
    let submit = |more: &[&str]| run(&[&["submit", "evacuate", "--host=vsh-01"], more].concat());
    submit(&["--dst=vsh-03"])?.refuses("VSJ0429", 4)?;
    let emptied = submit(&["--max-downtime=60s", "--wait"])?;
    ensure!(emptied.status.code() == Some(9), "{emptied:?}");
    ensure!(
        emptied
            .err
            .contains("not done for 1 of 4 guests: whale refused VSJ0417"),
        "{emptied:?}"
    );
    let id = house.jobs("evacuate")?[0]["short"]
        .as_str()
        .context("no id")?
        .to_owned();
    let shown = run(&["status", &id])?.ok()?;
    ensure!(
        shown.contains("vsh-02: 4096 MiB of memory are needed") && shown.contains("vsh-03: VSJ03"),
        "{shown}"
    );
    ensure!(house.runs("whale", 1) && house.jobs("move")?.len() == 3);
    ensure!(on(&places(&house)?, "vsh-02") == 3);
    Ok(())
}

#[test]
fn the_guests_of_a_host_that_does_not_answer_are_not_evacuated() -> anyhow::Result<()> {
    let house = three()?;
    let run = |args: &[&str]| house.program.run(args);
    let master = house.program.master()?;
    run(&["guest", "adopt"])?.ok()?;
    master.kill()?;
    house.paper.host(1).write("fault/off", "")?;
    let _master = house.program.master()?;
    run(&["submit", "evacuate", "--host=vsh-01"])?.refuses("VSJ0428", 4)?;
    ensure!(run(&["host", "list"])?.ok()?.contains("vsh-01  in service"));
    Ok(())
}

#[test]
fn who_was_killed_begins_no_guests_job_twice_and_none_elsewhere() -> anyhow::Result<()> {
    let mut house = House::new()?;
    house.guest("www", 1, 10)?;
    let Some(fate) = Fate::of(&mut house.program)? else {
        return Ok(());
    };
    let mut master = house.program.master()?;
    house.program.run(&["guest", "adopt"])?.ok()?;
    let (mut before, mut points, mut write) = (0, 0, 1);
    let (mut from, mut to) = ("vsh-01", "vsh-02");
    loop {
        let host = format!("--host={from}");
        let dst = format!("--dst={to}");
        let order = ["submit", "evacuate", &host, &dst, "--on-budget=proceed", "--wait"];
        let (next, died) = fate.befalls(&house.program, master, (write, points % 2 == 0), &order)?;
        master = next;
        let moves = house.jobs("move")?;
        ensure!(
            moves.len() == before + 2 && house.jobs("evacuate")?.len() == before / 2 + 1,
            "killed at write {write}: {} moves",
            moves.len()
        );
        before = moves.len();
        let places = places(&house)?;
        ensure!(on(&places, to) == 2, "killed at write {write}: {places:?}");
        for guest in ["ldap", "www"] {
            let runs = [1, 2].map(|number| house.runs(guest, number));
            ensure!(
                runs == [to == "vsh-01", to == "vsh-02"],
                "killed at write {write}: {guest}"
            );
        }
        house.program.run(&["host", "maintenance", from, "off"])?.ok()?;
        (from, to) = (to, from);
        if !died {
            break;
        }
        points += 1;
        write += if write < 12 { 1 } else { 17 };
    }
    ensure!(points > 12, "only {points} writes");
    figures::tell(format_args!(
        "an evacuation of two guests: killed at {points} durable writes"
    ));
    Ok(())
}
