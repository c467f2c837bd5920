//! Guests that end, on paper hosts: what is refused, what stays of them and for how long, and what never is touched.

use anyhow::{Context, ensure};
use serde_json::Value;
use vsjob_tests::guests;
use vsjob_tests::hosts::World as _;
use vsjob_tests::house::House;
use vsjob_tests::program::Master;

struct Home {
    // Dropped before the folder that it works in.
    _master: Master,
    house: House,
}

impl Home {
    /// The guest `ldap` runs on the first host, and the master knows it.
    fn new() -> anyhow::Result<Self> {
        let house = House::new()?;
        let master = house.program.master()?;
        house.program.run(&["guest", "adopt"])?.ok()?;
        Ok(Self {
            _master: master,
            house,
        })
    }

    /// The job, once it has ended.
    fn submit(&self, args: &[&str]) -> anyhow::Result<Value> {
        let id = self.house.program.run(&[&["submit"], args].concat())?.ok()?;
        self.house.ended(&id)
    }

    /// A job that is done.
    fn does(&self, args: &[&str]) -> anyhow::Result<Value> {
        let job = self.submit(args)?;
        ensure!(job["state"] == "succeeded", "{job}");
        Ok(job)
    }

    /// What the guests of the first host are, and what is kept of them there.
    fn volumes(&self) -> anyhow::Result<Vec<String>> {
        let host = self.house.paper.host(1);
        let names = host.run("cd \"$R/var/lib/machines\"; ls", &[])?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    fn guests(&self) -> anyhow::Result<Vec<String>> {
        let list = self.house.program.run(&["guest", "list", "--json"])?.json()?;
        let guests = list["guests"].as_array().context("no list")?.iter();
        Ok(guests
            .filter_map(|guest| guest["guest"].as_str().map(str::to_owned))
            .collect())
    }

    fn generations(&self) -> anyhow::Result<Vec<Value>> {
        let list = self
            .house
            .program
            .run(&["generation", "list", "--json"])?
            .json()?;
        Ok(list["generations"].as_array().context("no list")?.clone())
    }
}

/// What a step of the job has answered.
fn output<'a>(job: &'a Value, key: &str) -> anyhow::Result<&'a str> {
    let mut steps = job["plan"].as_array().context("no plan")?.iter();
    steps
        .find_map(|step| step["outputs"][key].as_str())
        .with_context(|| format!("no step answered `{key}`: {job}"))
}

#[test]
fn a_guest_that_runs_is_removed_only_by_who_says_that_it_may_be_stopped() -> anyhow::Result<()> {
    let home = Home::new()?;
    let refused = home.submit(&["remove", "--name=ldap"])?;
    ensure!(
        refused["state"] == "rolled back" && refused["why"]["code"] == "VSJ0446",
        "{refused}"
    );
    ensure!(home.house.runs("ldap", 1) && home.guests()? == ["ldap"] && home.generations()?.is_empty());

    let job = home.does(&["remove", "--name=ldap", "--stop"])?;
    ensure!(!home.house.runs("ldap", 1) && home.guests()?.is_empty());
    ensure!(home.volumes()? == [output(&job, "removed")?]);
    let kept = home.generations()?;
    ensure!(
        kept.len() == 1 && kept[0]["facts"]["mode"] == "cold" && kept[0]["facts"]["running"] == true,
        "{kept:?}"
    );
    home.house
        .program
        .run(&["submit", "remove", "--name=ldap"])?
        .refuses("VSJ0405", 4)
}

#[test]
fn what_is_removed_is_purged_after_its_grace_and_who_has_its_name_by_then_is_not_touched()
-> anyhow::Result<()> {
    let home = Home::new()?;
    let job = home.does(&["remove", "--name=ldap", "--stop", "--no-keep", "--grace=1h"])?;
    ensure!(home.generations()?.is_empty());
    home.house.guest("ldap", 1, 10)?;
    home.house.program.run(&["guest", "adopt"])?.ok()?;
    let (removed, later) = (output(&job, "removed")?, output(&job, "purge")?);
    ensure!(home.volumes()? == ["ldap", removed]);
    let waits = home.house.until(later, |_| true)?;
    ensure!(waits["state"] == "queued", "{waits}");
    let left = home.house.program.run(&["gc"])?.ok()?;
    ensure!(left.starts_with("nothing is left"), "its purge owns it: {left}");

    // As that job does when its time has come.
    let purge = format!("--moved={removed}");
    home.does(&["purge", "--name=ldap", "--host=vsh-01", &purge])?;
    ensure!(home.volumes()? == ["ldap"] && home.house.runs("ldap", 1) && home.guests()? == ["ldap"]);
    guests::nothing_left(home.house.paper.host(1), &["ldap"])?;
    // It comes for what is gone, and that is fine.
    home.does(&["purge", "--name=ldap", "--host=vsh-01", &purge])?;
    ensure!(home.volumes()? == ["ldap"] && home.house.runs("ldap", 1));
    Ok(())
}

#[test]
fn what_a_move_left_of_a_guest_that_lives_nowhere_is_kept_until_somebody_says_that_it_is_gone()
-> anyhow::Result<()> {
    let home = Home::new()?;
    home.does(&["move", "--name=ldap", "--dst=vsh-02"])?;
    home.does(&["remove", "--name=ldap", "--stop", "--no-keep"])?;
    let left = home.volumes()?;
    ensure!(left.len() == 1, "{left:?}");
    let moved = format!("--moved={}", left[0]);
    let of_it = ["--name=ldap", "--host=vsh-01", &moved];
    // As what waits for the grace does when it is over.
    let later = home.does(&[&["purge-later"], &of_it[..]].concat())?;
    let next = home.house.until(output(&later, "purge")?, |_| true)?;
    ensure!(
        next["operation"] == "purge-later" && next["state"] == "queued",
        "{next}"
    );
    ensure!(home.volumes()? == left);
    let said = home.house.program.run(&["gc"])?.ok()?;
    ensure!(said.starts_with("nothing is left"), "its purge owns it: {said}");

    let purge = [&["purge"], &of_it[..]].concat();
    home.house
        .program
        .run(&[&["submit"], &purge[..]].concat())?
        .refuses("VSJ0405", 4)?;
    home.does(&[&purge[..], &["--gone"]].concat())?;
    ensure!(home.volumes()?.is_empty());
    Ok(())
}

#[test]
fn a_grace_that_is_over_deletes_without_anybody() -> anyhow::Result<()> {
    let home = Home::new()?;
    let job = home.does(&["remove", "--name=ldap", "--stop", "--grace=1ms"])?;
    let begun = home.house.ended(output(&job, "purge")?)?;
    ensure!(begun["state"] == "succeeded", "{begun}");
    let purge = home.house.ended(output(&begun, "purge")?)?;
    ensure!(purge["state"] == "succeeded", "{purge}");
    ensure!(home.volumes()?.is_empty() && home.generations()?.len() == 1);
    guests::nothing_left(home.house.paper.host(1), &[])
}

#[test]
fn what_was_removed_comes_back_as_it_was_until_its_purge_begins() -> anyhow::Result<()> {
    let home = Home::new()?;
    let job = home.does(&["remove", "--name=ldap", "--stop"])?;
    home.does(&["undelete", "--name=ldap"])?;
    ensure!(home.house.runs("ldap", 1) && home.guests()? == ["ldap"] && home.volumes()? == ["ldap"]);
    home.house.paper.host(1).reboot()?;
    ensure!(home.house.runs("ldap", 1), "it is not enabled as it was");
    // Nothing will come to delete it.
    let purge = home
        .house
        .until(output(&job, "purge")?, |job| job["over"] == true)?;
    ensure!(purge["state"] == "cancelled", "{purge}");
    guests::nothing_left(home.house.paper.host(1), &["ldap"])?;

    // Stopped and disabled it comes back so.
    for verb in ["stop", "disable"] {
        home.house.program.run(&["guest", verb, "ldap"])?.ok()?;
    }
    home.does(&["remove", "--name=ldap"])?;
    home.does(&["undelete", "--name=ldap"])?;
    home.house.paper.host(1).reboot()?;
    ensure!(!home.house.runs("ldap", 1) && home.guests()? == ["ldap"]);

    let job = home.does(&["remove", "--name=ldap", "--grace=1ms"])?;
    home.house.ended(output(&job, "purge")?)?;
    home.house
        .program
        .run(&["submit", "undelete", "--name=ldap"])?
        .refuses("VSJ0426", 4)
}

#[test]
fn what_was_removed_does_not_come_back_over_who_has_its_name_or_its_address_by_now() -> anyhow::Result<()> {
    let home = Home::new()?;
    home.does(&["remove", "--name=ldap", "--stop", "--no-keep"])?;
    let before = home.volumes()?;
    // Somebody at its address, under another name.
    home.house.guest("web", 1, 9)?;
    let refused = home.submit(&["undelete", "--name=ldap"])?;
    ensure!(
        refused["state"] == "rolled back" && refused["why"]["code"] == "VSJ0490",
        "{refused}"
    );
    // Somebody of its name, whom the master does not know yet, and then does.
    let stop =
        "machinectl poweroff web; rm -r \"$R/var/lib/machines/web\" \"$R/etc/systemd/nspawn/web.nspawn\"";
    home.house.paper.host(1).run(stop, &[])?;
    home.house.guest("ldap", 1, 10)?;
    let refused = home.submit(&["undelete", "--name=ldap"])?;
    ensure!(
        refused["state"] == "rolled back" && refused["why"]["code"] == "VSJ0476",
        "{refused}"
    );
    home.house.program.run(&["guest", "adopt"])?.ok()?;
    home.house
        .program
        .run(&["submit", "undelete", "--name=ldap"])?
        .refuses("VSJ0407", 4)?;
    ensure!(home.house.runs("ldap", 1) && home.volumes()? == [&["ldap".to_owned()][..], &before].concat());

    // Removed too, there are two of that name: the job tells which.
    let second = home.does(&["remove", "--name=ldap", "--stop", "--no-keep"])?;
    home.house
        .program
        .run(&["submit", "undelete", "--name=ldap"])?
        .refuses("VSJ0427", 4)?;
    let id = second["job"].as_str().context("no id")?;
    home.does(&["undelete", "--name=ldap", "--job", id])?;
    ensure!(home.volumes()? == [&["ldap".to_owned()][..], &before].concat());
    Ok(())
}

#[test]
fn a_guest_has_another_name_and_what_was_kept_of_it_stays_under_the_old_one() -> anyhow::Result<()> {
    let home = Home::new()?;
    let host = home.house.paper.host(1);
    let tree = |name: &str| format!("var/lib/machines/{name}");
    host.write(&format!("{}/etc/hostname", tree("ldap")), "ldap.lab\n")?;
    home.does(&["backup", "--name=ldap"])?;
    let refused = home.submit(&["rename", "--name=ldap", "--to=web"])?;
    ensure!(
        refused["state"] == "rolled back" && refused["why"]["code"] == "VSJ0446",
        "{refused}"
    );
    ensure!(home.house.runs("ldap", 1), "it was touched");

    home.does(&["rename", "--name=ldap", "--to=web", "--stop"])?;
    ensure!(home.guests()? == ["web"] && home.volumes()? == ["web"] && home.house.runs("web", 1));
    ensure!(host.read(&format!("{}/etc/hostname", tree("web")))? == "web.lab\n");
    host.reboot()?;
    ensure!(home.house.runs("web", 1) && !home.house.runs("ldap", 1));
    home.does(&["backup", "--name=web"])?;
    let kept = home.generations()?;
    let of: Vec<_> = kept.iter().map(|one| &one["guest"]).collect();
    ensure!(of == ["ldap", "web"], "{kept:?}");

    // One that stands still does so afterwards, too; and a name that it has chosen itself stays.
    home.house.program.run(&["guest", "stop", "web"])?.ok()?;
    host.write(&format!("{}/etc/hostname", tree("web")), "www\n")?;
    home.does(&["rename", "--name=web", "--to=ldap"])?;
    ensure!(home.guests()? == ["ldap"] && !home.house.runs("ldap", 1));
    ensure!(host.read(&format!("{}/etc/hostname", tree("ldap")))? == "www\n");
    guests::nothing_left(host, &["ldap"])
}

#[test]
fn a_name_that_somebody_has_is_not_given_again() -> anyhow::Result<()> {
    let home = Home::new()?;
    // The master does not know this one yet.
    home.house.guest("web", 1, 10)?;
    let refused = home.submit(&["rename", "--name=ldap", "--to=web", "--stop"])?;
    ensure!(
        refused["state"] == "rolled back" && refused["why"]["code"] == "VSJ0476",
        "{refused}"
    );
    ensure!(home.house.runs("ldap", 1) && home.house.runs("web", 1));
    home.house.program.run(&["guest", "adopt"])?.ok()?;
    home.house
        .program
        .run(&["submit", "rename", "--name=ldap", "--to=web", "--stop"])?
        .refuses("VSJ0407", 4)
}

#[test]
fn who_gets_the_name_of_another_is_compared_whole_with_what_was_kept_of_that_one() -> anyhow::Result<()> {
    let home = Home::new()?;
    home.house.guest("web", 1, 10)?;
    home.house.program.run(&["guest", "adopt"])?.ok()?;
    let never = "0000000000 0 none";
    let since = || anyhow::Ok(output(&home.does(&["backup", "--name=ldap"])?, "since")?.to_owned());
    ensure!(since()? == "none" && since()? != never);
    home.does(&["rename", "--name=ldap", "--to=old", "--stop"])?;
    home.does(&["rename", "--name=web", "--to=ldap", "--stop"])?;
    let compared = since()?;
    ensure!(
        compared == never,
        "what has not changed since {compared} is trusted"
    );
    Ok(())
}
