//! What cannot be is refused with a code and a hint, and nothing on the hosts is changed by it.

use anyhow::{Context, ensure};
use vsjob_tests::program::Said;
use vsjob_tests::site::{MOVE, Site};

fn submit(site: &Site, args: &[&str]) -> anyhow::Result<Said> {
    site.vsjob(&[&["submit"], args].concat())
}

fn jobs(site: &Site) -> anyhow::Result<usize> {
    let status = site.vsjob(&["status", "--all", "--json"])?.json()?;
    Ok(status["jobs"].as_array().context("no jobs")?.len())
}

#[test]
fn what_cannot_be_becomes_no_job() -> anyhow::Result<()> {
    let Some(site) = Site::with_guest()? else {
        return Ok(());
    };
    let long = "x".repeat(300);
    let (before, jobs_before) = (site.footprint()?, jobs(&site)?);
    let move_of = |name, host| ["move", "--name", name, "--dst", host];
    for (args, code) in [
        (move_of("nosuch", "vsh-02"), "VSJ0405"),
        (move_of("web", "vsh-09"), "VSJ0406"),
        (move_of("web", "vsh-01"), "VSJ0408"),
        (move_of("web;reboot", "vsh-02"), "VSJ0404"),
        (move_of("../web", "vsh-02"), "VSJ0404"),
        (move_of("we\nb", "vsh-02"), "VSJ0404"),
        (move_of(&long, "vsh-02"), "VSJ0404"),
        (move_of("web", "vsh-02;reboot"), "VSJ0404"),
        (move_of("web", "../vsh-02"), "VSJ0404"),
        (move_of("web", "vsh\n02"), "VSJ0404"),
        (move_of("web", &long), "VSJ0404"),
    ] {
        submit(&site, &args)?
            .refuses(code, 4)
            .with_context(|| format!("{args:?}"))?;
    }
    let create_of = |name| {
        [
            "create",
            "--name",
            name,
            "--interface",
            "10.77.1.9",
            "--template",
            "tiny",
        ]
    };
    for (name, code) in [
        ("web", "VSJ0407"),
        ("a;reboot", "VSJ0404"),
        ("../a", "VSJ0404"),
        ("a\nb", "VSJ0404"),
        (&long, "VSJ0404"),
    ] {
        submit(&site, &create_of(name))?
            .refuses(code, 4)
            .with_context(|| name.to_owned())?;
    }
    let elsewhere = [&MOVE[..], &["--src", "vsh-02"]].concat();
    submit(&site, &elsewhere)?.refuses("VSJ0409", 4)?;
    ensure!(jobs(&site)? == jobs_before, "a job was made");
    site.is_as_before(&before)
}

#[test]
fn a_target_without_room_is_left_as_it_was() -> anyhow::Result<()> {
    let Some(site) = Site::with_guest()? else {
        return Ok(());
    };
    // More than half of the disk each.
    let large = "/var/lib/machines/web/var/lib/data/large";
    site.lab.run("vsh-01", &format!("fallocate -l 9G {large}"))?;
    site.lab.run("vsh-02", "fallocate -l 9G /root/filler && sync")?;
    let before = site.footprint()?;
    submit(&site, &[&MOVE[..], &["--wait"]].concat())?.refuses("VSJ0478", 1)?;
    site.is_as_before(&before)?;
    site.lab.run("vsh-01", &format!("rm {large}"))?;
    site.succeeds(&site.submit(&MOVE)?)?;
    Ok(())
}

#[test]
fn to_a_host_with_another_key_nothing_is_sent() -> anyhow::Result<()> {
    let Some(mut site) = Site::with_guest()? else {
        return Ok(());
    };
    let before = site.footprint()?;
    // What is connected stays so: the key is asked for by those who come.
    site.kill_master()?;
    site.lab.run(
        "vsh-02",
        "cd /etc/ssh && mkdir old && mv ssh_host_ed25519_key* old
         ssh-keygen -q -t ed25519 -N '' -f ssh_host_ed25519_key && systemctl restart ssh",
    )?;
    site.start_master()?;
    let said = submit(&site, &[&MOVE[..], &["--wait"]].concat())?;
    said.refuses("VSJ0302", 1)?;
    site.is_as_before(&before)?;

    site.lab
        .run("vsh-02", "cd /etc/ssh && mv old/* . && systemctl restart ssh")?;
    site.succeeds(&site.submit(&MOVE)?)?;
    Ok(())
}
