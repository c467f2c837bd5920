//! Hosts as an administrator handles them: kept free of new guests, replaced by another machine, forgotten.

use anyhow::ensure;
use vsjob_tests::hosts::World;
use vsjob_tests::house::House;
use vsjob_tests::site::until;

const MOVE: [&str; 4] = ["submit", "move", "--name=ldap", "--dst=vsh-02"];

#[test]
fn a_host_in_maintenance_gets_nothing_new_and_says_since_when_and_why() -> anyhow::Result<()> {
    let house = House::new()?;
    let run = |args: &[&str]| house.program.run(args);
    let master = house.program.master()?;
    run(&["guest", "adopt"])?.ok()?;
    run(&["host", "maintenance", "vsh-02", "on", "--reason", "new disks"])?.ok()?;
    master.kill()?;
    let _master = house.program.master()?;
    run(&MOVE)?.refuses("VSJ0541", 4)?;
    let list = run(&["host", "list"])?.ok()?;
    ensure!(
        list.contains("vsh-01  in service") && list.contains("vsh-02  maintenance"),
        "{list}"
    );
    let shown = run(&["host", "show", "vsh-02"])?.ok()?;
    ensure!(shown.contains("by root: new disks"), "{shown}");
    let json = run(&["host", "show", "vsh-01", "--json"])?.json()?;
    let machine = house.paper.host(1).read("etc/machine-id")?;
    ensure!(
        json["machine"] == machine.trim() && json["lives_there"][0] == "ldap",
        "{json}"
    );

    run(&["host", "maintenance", "vsh-02", "off"])?.ok()?;
    run(&[&MOVE[..], &["--plan"]].concat())?.ok()?;
    run(&["host", "show", "vsh-09"])?.refuses("VSJ0406", 4)?;
    let said = run(&["host", "maintenance", "no host", "on"])?;
    ensure!(said.status.code() == Some(2), "{said:?}");
    Ok(())
}

#[test]
fn another_machine_in_the_name_of_a_host_is_asked_nothing_until_the_old_one_is_forgotten()
-> anyhow::Result<()> {
    let house = House::new()?;
    let run = |args: &[&str]| house.program.run(args);
    let master = house.program.master()?;
    run(&["guest", "adopt"])?.ok()?;
    let show = || run(&["host", "show", "vsh-02", "--json"])?.json();
    // It is claimed in the background.
    until("it was met", || Ok(show()?["machine"].is_string()))?;
    let known = show()?;
    // What is there and will stay is not forgotten.
    run(&["host", "forget", "vsh-02", "--host-is-off", "--reason", "gone"])?.refuses("VSJ0544", 4)?;
    ensure!(master.stop()?.success());

    house
        .paper
        .host(2)
        .write("etc/machine-id", "0123456789abcdef0123456789abcdef\n")?;
    let _master = house.program.master()?;
    let json = run(&["host", "show", "vsh-02", "--json"])?.json()?;
    ensure!(
        json["trouble"]["code"] == "VSJ0540" && json["machine"] == known["machine"],
        "{json}"
    );
    ensure!(
        !house.paper.host(2).read("var/lib/vsjob/epoch")?.starts_with("2 "),
        "it was claimed"
    );
    let moving = run(&MOVE)?.ok()?;
    house.until(&moving, |job| {
        job["waits_for"]
            .as_str()
            .is_some_and(|why| why.contains("another machine than before"))
    })?;
    run(&["host", "forget", "vsh-02", "--reason", "new"])?.refuses("VSJ0542", 4)?;
    run(&["cancel", &moving])?.ok()?;
    house.ended(&moving)?;

    run(&["host", "forget", "vsh-02", "--reason", "reinstalled"])?.ok()?;
    let moved = run(&[&MOVE[..], &["--max-downtime=60s", "--wait"]].concat())?.ok()?;
    ensure!(moved.contains("succeeded"), "{moved}");
    let json = run(&["host", "show", "vsh-02", "--json"])?.json()?;
    ensure!(json["machine"] == "0123456789abcdef0123456789abcdef", "{json}");
    Ok(())
}

#[test]
fn a_silent_host_is_forgotten_only_when_somebody_vouches_and_its_guests_only_as_lost() -> anyhow::Result<()> {
    let house = House::new()?;
    let run = |args: &[&str]| house.program.run(args);
    let master = house.program.master()?;
    run(&["guest", "adopt"])?.ok()?;
    master.kill()?;
    house.paper.host(1).write("fault/off", "")?;
    let _master = house.program.master()?;
    let forget = ["host", "forget", "vsh-01", "--reason", "burnt"];
    let with = |more: &[&str]| run(&[&forget[..], more].concat());
    with(&[])?.refuses("VSJ0545", 4)?;
    with(&["--host-is-off"])?.refuses("VSJ0543", 4)?;
    ensure!(run(&["guest", "list"])?.ok()?.contains("ldap"));
    let said = with(&["--host-is-off", "--guests-are-lost"])?.ok()?;
    ensure!(said.contains("lost with it: ldap"), "{said}");
    ensure!(!run(&["guest", "list"])?.ok()?.contains("ldap"));
    Ok(())
}
