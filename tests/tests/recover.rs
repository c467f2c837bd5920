//! A host dies, and its guests come back elsewhere from their newest generations. When it comes back, what it has of them is
//! put aside, whatever it started meanwhile, and nothing is lost of those that stayed.

use anyhow::{Context, ensure};
use vsjob_tests::fate::Fate;
use vsjob_tests::figures;
use vsjob_tests::hosts::{Host as _, World as _};
use vsjob_tests::house::House;
use vsjob_tests::site::until;

const RECOVER: [&str; 3] = ["submit", "recover", "--host=vsh-01"];
const DEAD: [&str; 2] = ["--host-is-off", "--reason=burnt"];

/// Takes in all guests, and makes a generation of these.
fn keep(house: &House, guests: &[&str]) -> anyhow::Result<()> {
    house.program.run(&["guest", "adopt"])?.ok()?;
    for guest in guests {
        let name = format!("--name={guest}");
        house.program.run(&["submit", "backup", &name, "--wait"])?.ok()?;
    }
    Ok(())
}

/// The host of this number has lost its power, and the master knows: a line that it was just opening is down, too.
fn dies(house: &House, number: usize) -> anyhow::Result<()> {
    let name = format!("vsh-0{number}");
    until("it is off", || {
        house.paper.paper_host(number).power_off()?;
        let shown = house.program.run(&["host", "show", &name, "--json"])?.json()?;
        Ok(shown["trouble"].is_object())
    })
}

/// Whether the host of this number has a copy of the guest that runs, or that starts with it.
fn lives(house: &House, guest: &str, number: usize) -> bool {
    let enabled = "test -L \"$R/etc/systemd/system/machines.target.wants/systemd-nspawn@$1.service\"";
    house.runs(guest, number) || house.paper.host(number).run(enabled, &[guest]).is_ok()
}

/// Every job that waits to fence something has done so.
fn fenced(house: &House, count: usize) -> anyhow::Result<()> {
    let fences = house.jobs("fence")?;
    ensure!(fences.len() == count, "{} of {count}", fences.len());
    for fence in fences {
        let job = house.ended(fence["job"].as_str().context("no id")?)?;
        ensure!(job["state"] == "succeeded", "{job}");
    }
    Ok(())
}

#[test]
fn guests_of_a_dead_host_live_elsewhere_and_what_it_has_of_them_is_fenced_when_it_is_back()
-> anyhow::Result<()> {
    let house = House::of(3, "")?;
    house.guest("www", 1, 10)?;
    house.guest("new", 1, 11)?;
    let run = |more: &[&str]| house.program.run(&[&RECOVER[..], more].concat());
    let master = house.program.master()?;
    keep(&house, &["ldap", "www"])?;
    // Who answers is not dead, whatever somebody says.
    run(&DEAD)?.refuses("VSJ0544", 4)?;
    run(&[])?.refuses("VSJ0544", 4)?;
    dies(&house, 1)?;
    run(&["--reason=burnt"])?.refuses("VSJ0545", 4)?;
    run(&["--host-is-off"])?.refuses("VSJ0017", 4)?;

    let plan = run(&["--host-is-off", "--plan"])?.ok()?;
    ensure!(
        plan.contains("min are lost") && plan.contains("restore ldap to vsh-0"),
        "{plan}"
    );
    ensure!(
        plan.contains("there is no place for new: VSJ0499 new has no generation"),
        "{plan}"
    );
    ensure!(house.jobs("restore")?.is_empty());

    let recovered = run(&[&DEAD[..], &["--wait"]].concat())?;
    ensure!(
        recovered.status.code() == Some(9)
            && recovered
                .err
                .contains("not done for 1 of 3 guests: new refused VSJ0417"),
        "{recovered:?}"
    );
    let batch = house.jobs("recover")?[0]["short"]
        .as_str()
        .context("no id")?
        .to_owned();
    let shown = house.program.run(&["status", &batch])?.ok()?;
    ensure!(shown.contains("min are lost"), "{shown}");
    let list = house.program.run(&["guest", "list", "--json"])?.json()?;
    let list = list["guests"].as_array().context("no guests")?;
    let place = |guest: &str| {
        let line = list.iter().find(|line| line["guest"] == guest);
        line.and_then(|line| line["host"].as_str())
            .unwrap_or_default()
            .to_owned()
    };
    let elsewhere = |guest: &str| {
        [2, 3]
            .map(|number| house.runs(guest, number))
            .into_iter()
            .filter(|runs| *runs)
            .count()
    };
    for guest in ["ldap", "www"] {
        ensure!(
            place(guest) != "vsh-01" && elsewhere(guest) == 1,
            "{guest} on {}",
            place(guest)
        );
    }
    ensure!(place("new") == "vsh-01" && elsewhere("new") == 0);
    for fence in house.jobs("fence")? {
        let id = fence["job"].as_str().context("no id")?;
        let job = house.until(id, |_| true)?;
        ensure!(job["priority"] == "high" && job["over"] == false, "{job}");
    }

    master.kill()?;
    let _master = house.program.master()?;
    // It starts what it had.
    house.paper.paper_host(1).reboot()?;
    fenced(&house, 2)?;
    for guest in ["ldap", "www"] {
        ensure!(
            !lives(&house, guest, 1) && elsewhere(guest) == 1,
            "{guest} lives twice"
        );
        house
            .paper
            .host(1)
            .run("[ -d \"$R/var/lib/machines/$1\".replaced-* ]", &[guest])?;
    }
    ensure!(lives(&house, "new", 1), "who stayed was fenced");
    house.paper.paper_host(1).reboot()?;
    ensure!(!lives(&house, "ldap", 1) && !lives(&house, "www", 1) && house.runs("new", 1));
    ensure!(house.jobs("purge-later")?.len() == 2);
    let list = house.program.run(&["host", "list"])?.ok()?;
    ensure!(list.contains("vsh-01  maintenance"), "{list}");
    Ok(())
}

#[test]
fn nobody_is_brought_back_while_a_job_works_on_the_dead_host() -> anyhow::Result<()> {
    let house = House::new()?;
    let _master = house.program.master()?;
    keep(&house, &["ldap"])?;
    dies(&house, 1)?;
    let stops = house
        .program
        .run(&["submit", "guest-stop", "--name=ldap"])?
        .ok()?;
    let run = |more: &[&str]| house.program.run(&[&RECOVER[..], &DEAD, more].concat());
    run(&["--wait"])?.refuses("VSJ0542", 4)?;
    house.program.run(&["cancel", &stops])?.ok()?;
    house.ended(&stops)?;
    run(&["--wait"])?.ok()?;
    ensure!(house.runs("ldap", 2));
    // What waits to fence something does not stand in the way of those that could not be brought back.
    run(&["--wait"])?.refuses("VSJ0416", 4)
}

#[test]
fn a_host_that_comes_back_meanwhile_keeps_its_guest() -> anyhow::Result<()> {
    let house = House::new()?;
    let _master = house.program.master()?;
    keep(&house, &["ldap"])?;
    // So that nobody answers at its address when its host is back.
    house
        .paper
        .host(1)
        .run("machinectl disable ldap 2>/dev/null", &[])?;
    dies(&house, 1)?;
    dies(&house, 2)?;
    let restore = ["submit", "restore", "--name=ldap", "--host=vsh-02"];
    let id = house.program.run(&[&restore[..], &DEAD].concat())?.ok()?;
    house.until(&id, |job| job["at"] == "check that ldap can come here")?;
    house.paper.paper_host(1).reboot()?;
    house.paper.paper_host(2).reboot()?;
    let job = house.ended(&id)?;
    ensure!(
        job["state"] == "rolled back" && job.to_string().contains("VSJ0544"),
        "{job}"
    );
    ensure!(!lives(&house, "ldap", 2));
    ensure!(house.jobs("fence")?.is_empty());
    Ok(())
}

#[test]
fn whenever_the_master_is_killed_each_guest_lives_once_and_its_old_copy_is_fenced() -> anyhow::Result<()> {
    let mut house = House::new()?;
    house.guest("www", 1, 10)?;
    let Some(fate) = Fate::of(&mut house.program)? else {
        return Ok(());
    };
    let mut master = house.program.master()?;
    keep(&house, &["ldap", "www"])?;
    let (mut points, mut write, mut rounds) = (0, 1, 0);
    let (mut from, mut to) = (1, 2);
    loop {
        dies(&house, from)?;
        let host = format!("--host=vsh-0{from}");
        let order = [&["submit", "recover", &host, "--wait"][..], &DEAD].concat();
        let (next, died) = fate.befalls(&house.program, master, (write, points % 2 == 0), &order)?;
        master = next;
        rounds += 1;
        ensure!(
            house.jobs("restore")?.len() == 2 * rounds,
            "killed at write {write}"
        );
        house.paper.paper_host(from).reboot()?;
        fenced(&house, 2 * rounds)?;
        for guest in ["ldap", "www"] {
            ensure!(
                house.runs(guest, to) && !lives(&house, guest, from),
                "killed at write {write}: {guest}"
            );
        }
        house
            .program
            .run(&["host", "maintenance", &format!("vsh-0{from}"), "off"])?
            .ok()?;
        if !died {
            break;
        }
        (from, to) = (to, from);
        points += 1;
        write += if write < 4 { 1 } else { 13 };
    }
    ensure!(points > 5, "only {points} writes");
    figures::tell(format_args!(
        "a recovery of two guests: killed at {points} durable writes"
    ));
    Ok(())
}
