//! A move that gets nowhere, and what its administrator may say of it: the guest is where they said, once, and what is
//! not as before is told.

use anyhow::{Context, ensure};
use serde_json::Value;
use vsjob_engine::StepNo;
use vsjob_tests::guests::nothing_left;
use vsjob_tests::hosts::{During, Fault, World as _};
use vsjob_tests::house::House;
use vsjob_tests::program::Said;
use vsjob_tests::site::until;

const MOVE: [&str; 5] = [
    "submit",
    "move",
    "--name=ldap",
    "--dst=vsh-02",
    "--max-downtime=10m",
];

/// The number of the step that does this.
fn number(plan: &Value, action: &str) -> anyhow::Result<StepNo> {
    let steps = plan["steps"].as_array().context("no plan")?;
    let no = steps.iter().position(|step| {
        step["action"]
            .as_str()
            .is_some_and(|name| name.starts_with(action))
    });
    Ok(StepNo(u16::try_from(
        no.with_context(|| format!("no step `{action}`"))?,
    )?))
}

fn step(house: &House, action: &str) -> anyhow::Result<StepNo> {
    let plan = house
        .program
        .run(&[&MOVE[..], &["--plan", "--json"]].concat())?
        .json()?;
    number(&plan, action)
}

fn vsjob(house: &House, args: &[&str]) -> anyhow::Result<Said> {
    house.program.run(args)
}

/// A move whose admission failed on a target that is there, for good.
fn stuck_at_its_pivot(house: &House) -> anyhow::Result<String> {
    let admit = step(house, "admit")?;
    house.paper.host(2).order(Fault::Fail, During::Do(admit))?;
    let id = vsjob(house, &MOVE)?.ok()?;
    let job = house.until(&id, |job| job["state"] == "stuck")?;
    let hint = job["hint"].as_str().unwrap_or_default();
    ensure!(
        hint.contains("abandon") && hint.contains("since 20"),
        "what is at stake: {job}"
    );
    ensure!(!house.runs("ldap", 1));
    Ok(id)
}

/// A move that is taken back, and whose source lost its power before the guest was put back in service there.
fn waiting_for_its_source(house: &House) -> anyhow::Result<String> {
    let last = step(house, "check-health")?;
    let fence = step(house, "fence")?;
    house.paper.host(2).order(Fault::Fail, During::Do(last))?;
    house.paper.host(1).order(Fault::Hang, During::Undo(fence))?;
    let id = vsjob(house, &MOVE)?.ok()?;
    let undo = format!("step-u{fence} hang");
    until("the undo hangs", || {
        Ok(house.paper.host(1).faults_done().lines().any(|line| line == undo))
    })?;
    house.paper.paper_host(1).power_off()?;
    house.until(&id, |job| !job["waits_for"].is_null())?;
    Ok(id)
}

#[test]
fn a_move_stuck_at_its_pivot_goes_back_to_its_source_and_the_copy_is_gone_first() -> anyhow::Result<()> {
    let house = House::new()?;
    let master = house.program.master()?;
    vsjob(&house, &["guest", "adopt"])?.ok()?;
    let id = stuck_at_its_pivot(&house)?;
    let back = [
        "abandon",
        &id,
        "--to",
        "source",
        "--reason",
        "the bridge is broken",
    ];
    // A host that answers is not off.
    vsjob(&house, &[&back[..], &["--host-is-off"]].concat())?.refuses("VSJ0544", 4)?;
    vsjob(&house, &["cancel", &id])?.refuses("VSJ0004", 4)?;
    master.kill()?;
    let _master = house.program.master()?;
    vsjob(&house, &back)?.ok()?;
    let job = house.ended(&id)?;
    ensure!(job["state"] == "cancelled", "{job}");
    ensure!(house.runs("ldap", 1) && !house.runs("ldap", 2));
    nothing_left(house.paper.host(1), &["ldap"])?;
    nothing_left(house.paper.host(2), &[])?;
    let logs = vsjob(&house, &["logs", &id])?.ok()?;
    ensure!(
        logs.contains("turned back") && logs.contains("the bridge is broken"),
        "{logs}"
    );
    let guests = vsjob(&house, &["scan"])?.ok()?;
    ensure!(guests.contains("vsh-01"), "{guests}");
    Ok(())
}

#[test]
fn a_move_whose_target_died_at_its_pivot_goes_back_and_cleans_up_there_if_it_comes_back_after_all()
-> anyhow::Result<()> {
    let house = House::new()?;
    let _master = house.program.master()?;
    vsjob(&house, &["guest", "adopt"])?.ok()?;
    let id = stuck_at_its_pivot(&house)?;
    house.paper.paper_host(2).power_off()?;
    let back = ["abandon", &id, "--to=source", "--host-is-off", "--reason=dead"];
    vsjob(&house, &back)?.ok()?;
    let job = house.ended(&id)?;
    ensure!(job["state"] == "cancelled", "{job}");
    ensure!(house.runs("ldap", 1));
    let left = vsjob(&house, &["gc", "--json"])?.json()?;
    ensure!(
        left["debts"].as_array().is_some_and(|debts| !debts.is_empty()),
        "{left}"
    );
    house.paper.host(2).reboot()?;
    ensure!(house.runs("ldap", 1) && !house.runs("ldap", 2));
    until("what was owed is paid", || {
        let left = vsjob(&house, &["gc", "--json"])?.json()?;
        Ok(left["debts"].as_array().is_some_and(Vec::is_empty))
    })?;
    nothing_left(house.paper.host(2), &[])
}

#[test]
fn a_move_whose_source_is_gone_is_given_up_and_its_copy_is_still_there() -> anyhow::Result<()> {
    let house = House::new()?;
    let master = house.program.master()?;
    vsjob(&house, &["guest", "adopt"])?.ok()?;
    let id = waiting_for_its_source(&house)?;
    let skip = ["skip", &id, "--reason", "burned"];
    vsjob(&house, &skip)?.refuses("VSJ0015", 4)?;
    vsjob(&house, &["abandon", &id, "--reason", "burned"])?.refuses("VSJ0015", 4)?;
    ensure!(vsjob(&house, &["locks"])?.ok()?.contains("guest/ldap"));
    vsjob(&house, &["abandon", &id, "--host-is-off", "--reason", "burned"])?.ok()?;
    let job = house.ended(&id)?;
    ensure!(
        job["state"] == "abandoned" && job["why"]["message"] == "burned",
        "{job}"
    );
    ensure!(!vsjob(&house, &["locks"])?.ok()?.contains("guest/ldap"));
    ensure!(
        vsjob(&house, &["logs", &id])?
            .ok()?
            .contains("its host is off and stays off")
    );

    // Whatever the master does next, and should the source be back after all, nobody touches what is left.
    master.kill()?;
    let _master = house.program.master()?;
    house.paper.host(1).reboot()?;
    let short = &id[id.len() - 8..];
    let left = || {
        let gc = vsjob(&house, &["gc", "--json"])?.json()?;
        let strays = gc["strays"].as_array().cloned().unwrap_or_default();
        let names = strays
            .iter()
            .filter_map(|stray| stray["name"].as_str().map(str::to_owned));
        anyhow::Ok(names.filter(|name| name.contains(short)).collect::<Vec<_>>())
    };
    until("the source is seen", || {
        Ok(left()?.iter().any(|name| name.contains(".moved-")))
    })?;
    ensure!(!house.runs("ldap", 1), "nothing starts by itself");
    let copy = house.paper.host(2).run("ls \"$R/var/lib/machines\"", &[])?;
    ensure!(copy.contains("ldap"), "the copy is gone: {copy}");
    Ok(())
}

#[test]
fn an_undo_that_a_dead_host_owes_is_skipped_and_the_rest_is_taken_back() -> anyhow::Result<()> {
    let house = House::new()?;
    let _master = house.program.master()?;
    vsjob(&house, &["guest", "adopt"])?.ok()?;
    let id = waiting_for_its_source(&house)?;
    let said = ["--host-is-off", "--reason", "burned"];
    for _ in 0..20 {
        let job = house.until(&id, |job| !job["waits_for"].is_null() || job["over"] == true)?;
        if job["over"] == true {
            break;
        }
        vsjob(&house, &[&["skip", &id][..], &said].concat())?;
    }
    let job = house.ended(&id)?;
    ensure!(job["state"] == "rolled back", "{job}");
    let skipped = job["plan"].as_array().context("no plan")?.iter();
    ensure!(
        skipped.filter(|step| step["state"] == "skipped").count() >= 3,
        "{job}"
    );
    nothing_left(house.paper.host(2), &[])
}

#[test]
fn who_takes_responsibility_says_why_and_only_of_a_job_that_needs_it() -> anyhow::Result<()> {
    let house = House::new()?;
    let _master = house.program.master()?;
    let id = vsjob(&house, &["submit", "demo"])?.ok()?;
    for order in ["skip", "abandon"] {
        let said = vsjob(&house, &[order, &id])?;
        ensure!(
            said.status.code() == Some(2) && said.err.contains("--reason"),
            "{said:?}"
        );
        vsjob(&house, &[order, &id, "--reason", "r"])?.refuses("VSJ0014", 4)?;
        let both = [order, &id, "--host-is-off", "--done-by-hand", "--reason", "r"];
        ensure!(vsjob(&house, &both)?.status.code() == Some(2));
    }
    vsjob(&house, &["retry", &id])?.refuses("VSJ0014", 4)?;
    vsjob(&house, &["pause", &id])?.ok()?;
    vsjob(&house, &["retry", &id])?.refuses("VSJ0014", 4)?;

    // The demo fails past its point of no return.
    let id = vsjob(&house, &["submit", "demo", "--no-wait", "--fail-at", "3"])?.ok()?;
    house.until(&id, |job| job["state"] == "stuck")?;
    vsjob(&house, &["skip", &id, "--reason", " "])?.refuses("VSJ0015", 4)?;
    vsjob(&house, &["skip", &id, "--done-by-hand", "--reason", " "])?.refuses("VSJ0017", 4)?;
    vsjob(&house, &["skip", &id, "--done-by-hand", "--reason", "I did it"])?.ok()?;
    let job = house.ended(&id)?;
    ensure!(job["state"] == "succeeded", "{job}");
    vsjob(&house, &["retry", &id])?.refuses("VSJ0002", 4)?;
    Ok(())
}
