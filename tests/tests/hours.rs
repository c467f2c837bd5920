//! The hours in which large copies may begin: `window=` in slaves.conf.

use anyhow::{Context, ensure};
use chrono::{DateTime, TimeDelta, Timelike as _, Utc};
use vsjob_tests::house::House;

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the hours are laid around what the program sees on its clock"
)]
fn a_move_waits_for_the_hours_of_its_host_unless_it_may_begin_at_any() -> anyhow::Result<()> {
    let house = House::new()?;
    // Half the day away, whenever this is.
    let opens = (chrono::Local::now().hour() + 12) % 24;
    let slaves = format!("vsh-01\nvsh-02:window={opens:02}:00-{opens:02}:30\n");
    std::fs::write(house.program.folder().join("slaves.conf"), slaves)?;
    let _master = house.program.master()?;
    house.program.run(&["guest", "adopt"])?.ok()?;

    let order = ["submit", "move", "--name=ldap", "--dst=vsh-02"];
    let submit = |more: &[&str]| house.program.run(&[&order, more].concat())?.ok();
    let plan = submit(&["--plan"])?;
    ensure!(plan.contains(" UTC: window= in slaves.conf"), "{plan}");
    let id = submit(&[])?;
    let waits = house.program.run(&["status", &id, "--json"])?.json()?;
    ensure!(waits["state"] == "queued", "{waits}");
    let until: DateTime<Utc> = waits["waits_for"]
        .as_str()
        .context("it waits for nothing")?
        .parse()?;
    let minute = (until + TimeDelta::seconds(1))
        .with_timezone(&chrono::Local)
        .minute();
    ensure!(minute == 0, "{waits}");
    house.program.run(&["cancel", &id])?.ok()?;
    ensure!(house.ended(&id)?["state"] == "cancelled" && house.runs("ldap", 1));

    let id = submit(&["--any-hour"])?;
    ensure!(house.ended(&id)?["state"] == "succeeded" && house.runs("ldap", 2));
    Ok(())
}
