//! The disk of the master, full: what was taken in ends, nothing new is taken in, and with room all goes on.

use anyhow::{Context, ensure};
use vsjob_tests::fate::Fate;
use vsjob_tests::full_disk::{fill, make_room};
use vsjob_tests::house::House;
use vsjob_tests::mounted::Mounted;
use vsjob_tests::program::Said;
use vsjob_tests::site::until;

#[test]
fn on_a_full_disk_running_jobs_end_and_nothing_new_is_taken_in_until_there_is_room() -> anyhow::Result<()> {
    let house = House::new()?;
    let state = house.program.state();
    let Some(_disk) = Mounted::in_memory(&state, 128)? else {
        return Ok(());
    };
    let run = |args: &[&str]| house.program.run(args);
    let refused = |said: Said| said.refuses("VSJ0103", 7);
    let mut master = house.program.master()?;
    run(&["guest", "adopt"])?.ok()?;
    for (left, to) in [(0, "vsh-02"), (1 << 20, "vsh-01"), (40 << 20, "vsh-02")] {
        let asking = [
            "submit",
            "move",
            "--name=ldap",
            "--max-downtime=1ms",
            "--on-budget=ask",
            "--grace=1ms",
            "--dst",
            to,
        ];
        let moving = run(&asking)?.ok()?;
        house.until(&moving, |job| !job["question"].is_null())?;
        fill(&state, left)?;
        refused(run(&["submit", "guest-stop", "--name=ldap"])?)?;
        run(&["answer", &moving, "yes"])?.ok()?;
        let job = house.ended(&moving)?;
        ensure!(job["state"] == "succeeded", "{left} bytes left: {job}");
        refused(run(&["submit", "guest-stop", "--name=ldap"])?)?;
        // What it left is deleted, too: that makes room on a host.
        let all = run(&["status", "--all", "--json"])?.json()?;
        let purges = all["jobs"].as_array().context("no jobs")?.iter();
        let purges: Vec<_> = purges.filter(|job| job["operation"] == "purge-later").collect();
        for purge in &purges {
            ensure!(house.ended(purge["job"].as_str().context("no id")?)?["state"] == "succeeded");
        }
        let stopped = master.stop()?;
        ensure!(
            stopped.success(),
            "{left} bytes left: {stopped}: {}",
            house.program.log()
        );
        if left < 1 << 20 {
            refused(run(&["master"])?)?;
            make_room(&state)?;
            master = house.program.master()?;
        } else {
            master = house.program.master()?;
            refused(run(&["submit", "guest-stop", "--name=ldap"])?)?;
            make_room(&state)?;
        }
        ensure!(house.ended(&moving)?["state"] == "succeeded");
        let stopping = run(&["submit", "guest-stop", "--name=ldap"])?.ok()?;
        ensure!(house.ended(&stopping)?["state"] == "succeeded");
        let starting = run(&["submit", "guest-start", "--name=ldap"])?.ok()?;
        ensure!(house.ended(&starting)?["state"] == "succeeded");
        run(&["audit", "verify"])?.ok()?;
    }
    Ok(())
}

#[test]
fn an_index_that_found_no_room_is_made_again_as_soon_as_there_is_some() -> anyhow::Result<()> {
    let mut house = House::new()?;
    let state = house.program.state();
    let Some(fate) = Fate::of(&mut house.program)? else {
        return Ok(());
    };
    let Some(_disk) = Mounted::in_memory(&state, 128)? else {
        return Ok(());
    };
    let run = |args: &[&str]| house.program.run(args);
    let mut master = house.program.master()?;
    run(&["guest", "adopt"])?.ok()?;
    // In this order: an index that fails while there is room is made again at once.
    fill(&state, 40 << 20)?;
    fate.index_has_room(false)?;
    // What is decided by hand is no new work: the index must know of it, and cannot.
    run(&["host", "maintenance", "vsh-02", "on"])?.ok()?;
    until("the index failed", || {
        Ok(house.program.log().contains("the index failed"))
    })?;
    run(&["host", "maintenance", "vsh-02", "off"])?.ok()?;
    run(&["submit", "guest-stop", "--name=ldap"])?.refuses("VSJ0103", 7)?;
    ensure!(master.runs()?, "{}", house.program.log());
    fate.index_has_room(true)?;
    make_room(&state)?;
    let ended = master.ends()?;
    ensure!(
        house.program.log().contains("VSJ0113"),
        "{ended}: {}",
        house.program.log()
    );
    let _master = house.program.master()?;
    let stopping = run(&["submit", "guest-stop", "--name=ldap"])?.ok()?;
    ensure!(house.ended(&stopping)?["state"] == "succeeded");
    run(&["audit", "verify"])?.ok()?;
    Ok(())
}
