//! Real hosts that die, and hosts that are emptied; and a guest of theirs of which a template is made.

use anyhow::{Context, ensure};
use vsjob_tests::lab::Template;
use vsjob_tests::site::{ADDRESS, Site, answers, until};

const MAIL: &str = "10.77.1.6";

/// A site of three hosts, and two guests on the first.
fn site() -> anyhow::Result<Option<Site>> {
    let Some(site) = Site::up(3)? else {
        return Ok(None);
    };
    site.template("tiny", &Template::Tiny.archive()?)?;
    for (name, address) in [("web", ADDRESS), ("mail", MAIL)] {
        site.guest(name, address, "vsh-01", "tiny")?;
        site.lab
            .run("vsh-01", &format!("echo of {name} >/var/lib/machines/{name}/own"))?;
    }
    Ok(Some(site))
}

fn place(site: &Site, guest: &str) -> anyhow::Result<String> {
    let list = site.vsjob(&["guest", "list", "--json"])?.json()?;
    let mut guests = list["guests"].as_array().context("no guests")?.iter();
    let line = guests.find(|line| line["guest"] == guest);
    let host = line.and_then(|line| line["host"].as_str());
    Ok(host.context("it has no place")?.to_owned())
}

/// It lives there, and nowhere else; and it is the one that it was.
fn lives_elsewhere(site: &Site, guest: &str, address: &str) -> anyhow::Result<()> {
    let host = place(site, guest)?;
    ensure!(host != "vsh-01" && site.runs(guest, &host));
    answers(address, guest)?;
    let own = site
        .lab
        .run(&host, &format!("cat /var/lib/machines/{guest}/own"))?;
    ensure!(own == format!("of {guest}\n"), "{own}");
    Ok(())
}

#[test]
fn guests_of_a_host_without_power_live_elsewhere_and_its_own_copies_are_put_aside_when_it_is_back()
-> anyhow::Result<()> {
    let Some(site) = site()? else { return Ok(()) };
    for guest in ["web", "mail"] {
        site.succeeds(&site.submit(&["backup", "--name", guest])?)?;
    }
    site.lab.power_cut("vsh-01")?;
    until("the master knows", || {
        let shown = site.vsjob(&["host", "show", "vsh-01", "--json"])?.json()?;
        Ok(shown["trouble"].is_object())
    })?;
    let recover = ["recover", "--host=vsh-01", "--host-is-off", "--reason=mainboard"];
    site.succeeds(&site.submit(&recover)?)?;
    lives_elsewhere(&site, "web", ADDRESS)?;
    lives_elsewhere(&site, "mail", MAIL)?;

    // Both were enabled there, and nobody else is asked who is right.
    site.lab.boot("vsh-01")?;
    until("both are put aside", || {
        let aside = site.lab.run("vsh-01", "ls /var/lib/machines")?;
        Ok(["web", "mail"].iter().all(|guest| {
            aside.contains(&format!("{guest}.replaced-")) && !aside.lines().any(|name| name == *guest)
        }))
    })?;
    for guest in ["web", "mail"] {
        ensure!(!site.runs(guest, "vsh-01"), "{guest} runs twice");
    }
    site.lab.reboot("vsh-01")?;
    lives_elsewhere(&site, "web", ADDRESS)?;
    lives_elsewhere(&site, "mail", MAIL)?;
    let runs = site.lab.run("vsh-01", "machinectl list --no-legend")?;
    ensure!(runs.trim().is_empty(), "{runs}");
    site.nothing_is_left()
}

#[test]
fn a_host_is_emptied_and_a_guest_of_it_becomes_a_template() -> anyhow::Result<()> {
    let Some(site) = site()? else { return Ok(()) };
    site.succeeds(&site.submit(&["template-create", "--name", "ours", "--from", "web"])?)?;
    let evacuate = ["evacuate", "--host=vsh-01", "--on-budget=proceed", "--grace=1s"];
    site.succeeds(&site.submit(&evacuate)?)?;
    lives_elsewhere(&site, "web", ADDRESS)?;
    lives_elsewhere(&site, "mail", MAIL)?;
    let elsewhere = [
        "create",
        "--name=copy",
        "--interface=10.77.1.7",
        "--template=ours",
        "--start",
    ];
    let on = |host| [&elsewhere[..], &[host]].concat();
    site.vsjob(&[&["submit"], &on("--host=vsh-01")[..]].concat())?
        .refuses("VSJ0541", 4)?;
    site.succeeds(&site.submit(&on("--host=vsh-02"))?)?;
    answers("10.77.1.7", "copy")?;
    let own = site.lab.run("vsh-02", "cat /var/lib/machines/copy/own")?;
    ensure!(own == "of web\n", "{own}");
    until("what has left is gone", || {
        Ok(site.lab.run("vsh-01", "ls /var/lib/machines")?.trim().is_empty())
    })?;
    site.is_in_order()
}
