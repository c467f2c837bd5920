//! What the move of a guest goes through while it is copied: a cable that is cut for a while, an sshd that is killed, a
//! target that is booted anew, another master that takes over.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use serde_json::Value;
use vsjob_tests::figures;
use vsjob_tests::site::{ADDRESS, Follower, Site, answers, move_to, until};

const SIZE: usize = 32 << 20;
/// What is sent when the break comes, at least.
const SENT: u64 = 8 << 20;

/// A pass takes its eight seconds here: time enough to break it off on a busy machine.
fn slow_site() -> anyhow::Result<Option<Site>> {
    Site::with_slow_guest_on(SIZE, |_| ",bwlimit=4m")
}

/// Submits a move, and returns in the middle of its first pass.
fn copying(site: &Site, to: &str) -> anyhow::Result<(String, Follower)> {
    let id = site.submit(&move_to(to))?;
    let mut follower = site.follow(&id)?;
    follower.until("step started", "copy web while it runs")?;
    until("a good part is sent", || {
        let job = site.job(&id)?;
        ensure!(job["at"] == "copy web while it runs", "too late: {job}");
        Ok(job["progress"]["bytes"].as_u64() > Some(SENT))
    })?;
    Ok((id, follower))
}

/// The guest lives on that host alone, whole, and nothing is left.
fn lives_on(site: &Site, host: &str, content: &str) -> anyhow::Result<()> {
    answers(ADDRESS, "web")?;
    for other in site.hosts()? {
        ensure!(site.runs("web", &other) == (host == other), "{other}");
    }
    ensure!(self::content(site, host)? == content, "it is not whole");
    site.is_in_order()
}

/// Checks that the passes were begun anew, and that time sent only what was missing; answers how much.
fn missing_sent(job: &Value) -> anyhow::Result<u64> {
    let mut steps = job["plan"].as_array().into_iter().flatten();
    let passes = steps
        .find(|step| step["title"] == "copy web while it runs")
        .context("no passes")?;
    let sent: u64 = passes["outputs"]["sent"].as_str().context("no count")?.parse()?;
    ensure!(passes["attempts"].as_u64() > Some(1), "nothing broke: {passes}");
    ensure!(sent < SIZE as u64 - SENT / 2, "it was sent again: {passes}");
    Ok(sent)
}

fn content(site: &Site, host: &str) -> anyhow::Result<String> {
    site.lab
        .run(host, "sha256sum /var/lib/machines/web/var/lib/data/blob")
}

#[test]
fn a_move_goes_on_after_each_break_in_the_middle_of_a_pass() -> anyhow::Result<()> {
    let Some(site) = slow_site()? else {
        return Ok(());
    };
    let content = content(&site, "vsh-01")?;

    let (id, _) = copying(&site, "vsh-02")?;
    site.lab.cut("vsh-01")?;
    until("the master misses the host", || {
        let hosts = site.vsjob(&["host", "list", "--json"])?.json()?;
        Ok(hosts["hosts"][0]["trouble"]["code"] == "VSJ0301")
    })?;
    ensure!(
        site.job(&id)?["at"] == "copy web while it runs",
        "it did not wait"
    );
    site.lab.heal("vsh-01")?;
    site.succeeds(&id)?;
    lives_on(&site, "vsh-02", &content).map_err(|error| error.context("after the cut"))?;

    let (id, _) = copying(&site, "vsh-01")?;
    site.lab.kill_sshd("vsh-01")?;
    let after_sshd = missing_sent(&site.succeeds(&id)?)?;
    lives_on(&site, "vsh-01", &content).map_err(|error| error.context("after sshd was killed"))?;

    let (id, _) = copying(&site, "vsh-02")?;
    site.lab.reboot("vsh-02")?;
    let after_reboot = missing_sent(&site.succeeds(&id)?)?;
    figures::tell(format_args!(
        "a pass that was broken off: of {SIZE} bytes {after_sshd} were sent after sshd was killed, {after_reboot} after the reboot"
    ));
    lives_on(&site, "vsh-02", &content).map_err(|error| error.context("after the reboot"))
}

#[test]
fn a_master_that_is_stopped_leaves_the_pass_running_and_the_next_one_follows_it() -> anyhow::Result<()> {
    let Some(mut site) = slow_site()? else {
        return Ok(());
    };
    let content = content(&site, "vsh-01")?;
    let (id, follower) = copying(&site, "vsh-02")?;
    drop(follower);
    ensure!(site.take_master()?.stop()?.success(), "{}", site.program.log());
    let units = "systemctl list-units --plain --no-legend --state=active 'vsjob-*'";
    let running = site.lab.run("vsh-01", units)?;
    ensure!(running.contains(&format!("vsjob-{id}-")), "{running}");
    site.start_master()?;
    let job = site.succeeds(&id)?;
    let mut steps = job["plan"].as_array().into_iter().flatten();
    ensure!(
        steps.all(|step| step["attempts"].as_u64() <= Some(1)),
        "something was begun anew: {job}"
    );
    lives_on(&site, "vsh-02", &content)
}

#[test]
fn a_master_whose_hosts_obey_another_changes_nothing_any_more_and_says_why() -> anyhow::Result<()> {
    let Some(mut site) = slow_site()? else {
        return Ok(());
    };
    let content = content(&site, "vsh-01")?;
    let other = site.another_program()?;
    // Its epoch is no later than ours: the hosts refuse it.
    let refused = other.master()?.ends()?;
    ensure!(
        !refused.success() && other.log().contains("VSJ0304"),
        "{refused}: {}",
        other.log()
    );

    let (id, follower) = copying(&site, "vsh-02")?;
    let guests = guests(&site)?;
    let newer = other.master_with(&["--take-over"])?;
    let ended = site.take_master()?.ends()?;
    let log = site.program.log();
    ensure!(!ended.success(), "{ended}: {log}");
    ensure!(
        log.contains("VSJ0304") && log.contains("obeys another master"),
        "{log}"
    );
    drop(follower);

    // Nothing of the job has happened since: the guest is where it was, and startable nowhere else.
    ensure!(self::guests(&site)? == guests, "{guests}{}", self::guests(&site)?);
    answers(ADDRESS, "web")?;
    ensure!(site.runs("web", "vsh-01"));
    ensure!(self::content(&site, "vsh-01")? == content, "it is not whole");
    // The other one finds it, and names what it does not know without touching it.
    other.run(&["guest", "adopt"])?.ok()?;
    let placed = other.run(&["guest", "list", "--json"])?.json()?;
    ensure!(placed["guests"][0]["host"] == "vsh-01", "{placed}");
    let strays = other.run(&["gc"])?.ok()?;
    ensure!(
        strays.contains(&format!("web.partial-{}", &id[id.len() - 8..])),
        "{strays}"
    );

    // Started again by itself the old one would have the later epoch: it does not start.
    site.vsjob(&["master"])?.refuses("VSJ0304", 4)?;
    newer.kill()?;
    let _master = site.program.master_with(&["--take-over"])?;
    site.vsjob(&["resume", &id])?.refuses("VSJ0011", 4)?;
    let scan = site.vsjob(&["scan", "--json"])?.json()?;
    ensure!(scan["held"]["jobs"][0]["doubt"].is_null(), "{scan}");
    let seal = scan["held"]["seal"].as_str().unwrap_or_default();
    site.vsjob(&["scan", "--accept", seal])?.ok()?;
    site.succeeds(&id)?;
    lives_on(&site, "vsh-02", &content)
}

#[test]
fn a_move_between_hosts_that_cannot_reach_each_other_goes_on_after_each_break_and_leaves_no_way()
-> anyhow::Result<()> {
    let options = |host: &str| {
        if host == "vsh-02" {
            ",bwlimit=4m,relay"
        } else {
            ",bwlimit=4m"
        }
    };
    let Some(mut site) = Site::with_slow_guest_on(SIZE, options)? else {
        return Ok(());
    };
    let content = content(&site, "vsh-01")?;
    site.lab.part("vsh-01", "vsh-02")?;
    for (from, to) in [("vsh-01", "vsh-02"), ("vsh-02", "vsh-01")] {
        let reached = site
            .lab
            .run(from, &format!("ssh-keyscan -T 1 {to} 2>/dev/null || true"))?;
        ensure!(reached.is_empty(), "{from} reaches {to}");
    }
    let before = listens(&site)?;

    let (id, _) = copying(&site, "vsh-02")?;
    let during = listens(&site)?;
    let ways: Vec<_> = during.difference(&before).collect();
    ensure!(
        matches!(&ways[..], [way] if way.starts_with("vsh-01 0100007F:")),
        "before: {before:?}, during: {during:?}"
    );
    site.lab.kill_sshd("vsh-02")?;
    let after_target = missing_sent(&site.succeeds(&id)?)?;
    lives_on(&site, "vsh-02", &content)
        .map_err(|error| error.context("after the target's sshd was killed"))?;

    let (id, _) = copying(&site, "vsh-01")?;
    site.lab.kill_sshd("vsh-02")?;
    let after_source = missing_sent(&site.succeeds(&id)?)?;
    lives_on(&site, "vsh-01", &content)
        .map_err(|error| error.context("after the source's sshd was killed"))?;

    let (id, follower) = copying(&site, "vsh-02")?;
    drop(follower);
    site.kill_master()?;
    site.start_master()?;
    let after_master = missing_sent(&site.succeeds(&id)?)?;
    lives_on(&site, "vsh-02", &content).map_err(|error| error.context("after the master was killed"))?;

    until("no way is left", || Ok(listens(&site)? == before))?;
    let sockets = std::fs::read_dir(site.program.folder().join("ssh"))?;
    let left = sockets.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let left: Vec<_> = left.filter(|name| name.starts_with("relay-")).collect();
    ensure!(left.is_empty(), "{left:?}");
    figures::tell(format_args!(
        "through the master: of {SIZE} bytes {after_target} were sent after the target's sshd was killed, {after_source} after the source's, {after_master} after the master"
    ));
    Ok(())
}

/// Where the two hosts listen, each as its kernel tells it.
fn listens(site: &Site) -> anyhow::Result<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for host in ["vsh-01", "vsh-02"] {
        let told = site.lab.run(
            host,
            "awk '$4 == \"0A\" { print $2 }' /proc/net/tcp /proc/net/tcp6",
        )?;
        all.extend(told.lines().map(|address| format!("{host} {address}")));
    }
    Ok(all)
}

/// Volumes, definitions and what is enabled, on every host.
fn guests(site: &Site) -> anyhow::Result<String> {
    let look = "cd /; ls -A var/lib/machines; find etc/systemd -path '*nspawn*' | sort";
    site.hosts()?
        .iter()
        .map(|host| site.lab.run(host, look))
        .collect()
}
