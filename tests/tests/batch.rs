//! A batch, `--all` in place of `--name`: each guest has a job of its own, and what happens to one does not touch the others.

use anyhow::{Context, ensure};
use vsjob_tests::fate::Fate;
use vsjob_tests::figures;
use vsjob_tests::hosts::World as _;
use vsjob_tests::house::House;

/// Two guests on the first host, one on the second, and all of them known.
fn three() -> anyhow::Result<House> {
    let house = House::new()?;
    house.guest("www", 1, 10)?;
    house.guest("dns", 2, 11)?;
    Ok(house)
}

#[test]
fn a_batch_does_for_each_guest_what_it_can_and_says_for_which_it_could_not() -> anyhow::Result<()> {
    let house = three()?;
    let _master = house.program.master()?;
    house.program.run(&["guest", "adopt"])?.ok()?;
    // Somebody took it away behind the master's back.
    house
        .paper
        .host(1)
        .run("machinectl stop www && rm -r \"$R/var/lib/machines/www\"", &[])?;

    let stopped = house.program.run(&["guest", "stop", "--all"])?;
    ensure!(stopped.status.code() == Some(9), "{stopped:?}");
    ensure!(
        stopped.out.contains("vsh-02:dns:enabled:stopped\n")
            && stopped.out.contains("vsh-01:ldap:enabled:stopped\n"),
        "{stopped:?}"
    );
    ensure!(
        stopped
            .err
            .contains("not done for 1 of 3 guests: www rolled back VSJ0417"),
        "{stopped:?}"
    );
    ensure!(!house.runs("ldap", 1) && !house.runs("dns", 2));

    let shown = house.program.run(&["status", "--all"])?.ok()?;
    ensure!(
        shown.contains("guest-stop of 3 guests") && shown.contains("partly done"),
        "{shown}"
    );
    let batch = house
        .jobs("guest-stop")?
        .into_iter()
        .find(|job| job["state"] == "partly done");
    let batch = batch.context("no batch")?["short"]
        .as_str()
        .context("no id")?
        .to_owned();
    let shown = house.program.run(&["status", &batch])?.ok()?;
    ensure!(
        shown.contains("wait for www") && shown.contains("rolled back"),
        "{shown}"
    );
    let parts = shown
        .lines()
        .filter(|line| line.contains("guest-stop ") && line.contains(" job "))
        .count();
    ensure!(parts == 3, "{shown}");

    let here = house
        .program
        .run(&["guest", "start", "--all", "--host", "vsh-02"])?
        .ok()?;
    ensure!(here == "vsh-02:dns:enabled:running", "{here}");
    ensure!(!house.runs("ldap", 1));
    Ok(())
}

#[test]
fn what_cannot_be_done_for_one_guest_is_begun_for_none() -> anyhow::Result<()> {
    let house = three()?;
    let _master = house.program.master()?;
    let submit = |args: &[&str]| house.program.run(&[&["submit"], args].concat());
    submit(&["guest-stop", "--all"])?.refuses("VSJ0416", 4)?;
    house.program.run(&["guest", "adopt"])?.ok()?;
    submit(&["guest-stop", "--all", "--name=ldap"])?.refuses("VSJ0404", 4)?;
    submit(&["guest-stop", "--all", "--host=vsh-09"])?.refuses("VSJ0406", 4)?;
    submit(&["guest-stop", "--name=ldap", "--host=vsh-01"])?.refuses("VSJ0404", 4)?;
    submit(&["guest-stop"])?.refuses("VSJ0403", 4)?;
    submit(&["move", "--all", "--dst=vsh-09"])?.refuses("VSJ0406", 4)?;
    submit(&["move", "--all", "--src=vsh-02", "--dst=vsh-02"])?.refuses("VSJ0416", 4)?;
    ensure!(house.jobs("guest-stop")?.is_empty() && house.jobs("move")?.is_empty());
    Ok(())
}

#[test]
fn all_guests_of_a_host_move_and_the_batch_ends_when_they_have() -> anyhow::Result<()> {
    let house = three()?;
    let _master = house.program.master()?;
    house.program.run(&["guest", "adopt"])?.ok()?;
    let moves = [
        "submit",
        "move",
        "--all",
        "--dst=vsh-02",
        "--on-budget=proceed",
        "--priority=high",
        "--wait",
    ];
    let moved = house.program.run(&moves)?.ok()?;
    ensure!(moved.starts_with("move of 2 guests: succeeded after"), "{moved}");
    for guest in ["ldap", "www", "dns"] {
        ensure!(house.runs(guest, 2), "{guest}");
    }
    let parts = house.jobs("move")?;
    ensure!(parts.len() == 3, "{parts:?}");
    for part in parts {
        let id = part["job"].as_str().context("no id")?;
        let job = house.ended(id)?;
        ensure!(job["priority"] == "high" && job["user"] == "root", "{job}");
    }
    Ok(())
}

#[test]
fn cancelling_a_batch_takes_back_the_jobs_that_are_not_over() -> anyhow::Result<()> {
    let house = three()?;
    let _master = house.program.master()?;
    house.program.run(&["guest", "adopt"])?.ok()?;
    // Holds ldap, until it is answered.
    let asks = [
        "submit",
        "move",
        "--name=ldap",
        "--dst=vsh-02",
        "--max-downtime=1ms",
        "--on-budget=ask",
    ];
    let asks = house.program.run(&asks)?.ok()?;
    house.until(&asks, |job| !job["question"].is_null())?;
    let batch = house.program.run(&["submit", "guest-stop", "--all"])?.ok()?;
    house.until(&batch, |job| job["at"] == "wait for ldap")?;
    house.program.run(&["cancel", &batch])?.ok()?;
    ensure!(house.ended(&batch)?["state"] == "cancelled");
    house.program.run(&["answer", &asks, "no"])?.ok()?;
    house.ended(&asks)?;
    for job in house.jobs("guest-stop")? {
        let job = house.ended(job["job"].as_str().context("no id")?)?;
        let ended = match job["parameters"]["name"].as_str() {
            Some("ldap") | None => "cancelled",
            Some(_) => "succeeded",
        };
        ensure!(job["state"] == ended, "{job}");
    }
    ensure!(house.runs("ldap", 1));
    Ok(())
}

#[test]
fn a_batch_whose_master_is_killed_at_any_durable_write_makes_one_job_a_guest() -> anyhow::Result<()> {
    let mut house = three()?;
    let Some(fate) = Fate::of(&mut house.program)? else {
        return Ok(());
    };
    let mut master = house.program.master()?;
    house.program.run(&["guest", "adopt"])?.ok()?;
    let (mut jobs_before, mut points) = (0, 0);
    for write in 1.. {
        let order = if write % 2 == 0 {
            "guest-start"
        } else {
            "guest-stop"
        };
        let order_all = ["submit", order, "--all", "--wait"];
        let (next, died) = fate.befalls(&house.program, master, (write, write % 2 == 0), &order_all)?;
        master = next;
        for (guest, host) in [("ldap", 1), ("www", 1), ("dns", 2)] {
            ensure!(
                house.runs(guest, host) == (order == "guest-start"),
                "killed at write {write}: {guest}"
            );
        }
        let jobs_now = house.jobs("guest-start")?.len() + house.jobs("guest-stop")?.len();
        ensure!(
            jobs_now == jobs_before + 4,
            "killed at write {write}: {jobs_before} jobs, then {jobs_now}"
        );
        jobs_before = jobs_now;
        if !died {
            break;
        }
        points += 1;
    }
    ensure!(points > 10, "only {points} writes");
    figures::tell(format_args!(
        "a batch of three guests: killed at {points} durable writes"
    ));
    Ok(())
}
