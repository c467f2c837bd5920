//! A guest's days between two moves: stopped, started, disabled, enabled, looked at by hand; and the end of what a move
//! has left.

use anyhow::ensure;
use vsjob_tests::site::{ADDRESS, MOVE, Site, answer, answers, until};

#[test]
fn a_guest_is_stopped_and_started_and_starts_with_its_host_when_it_is_enabled() -> anyhow::Result<()> {
    let Some(site) = Site::with_guest()? else {
        return Ok(());
    };
    let order = |verb: &str| site.vsjob(&["guest", verb, "web"])?.ok();
    order("stop")?;
    ensure!(
        !site.runs("web", "vsh-01") && answer(ADDRESS).is_none(),
        "stopped"
    );
    order("start")?;
    answers(ADDRESS, "web")?;
    for (verb, comes_up) in [("disable", false), ("enable", true)] {
        order(verb)?;
        site.lab.reboot("vsh-01")?;
        // Degraded is up, too.
        let up = "systemctl is-system-running --wait || true";
        site.lab.run("vsh-01", up)?;
        ensure!(site.runs("web", "vsh-01") == comes_up, "{verb}");
    }
    let by_hand = ["step", "run", "read-facts", "web", "--host", "vsh-01", "--json"];
    let facts = site
        .vsjob(&[&by_hand[..], &["--reason", "to see"]].concat())?
        .json()?;
    let answered = &facts["plan"][0]["outputs"];
    ensure!(
        answered["running"] == "yes" && answered["enabled"] == "yes",
        "{facts}"
    );
    site.is_in_order()
}

#[test]
fn what_waited_for_a_move_finds_the_guest_gone_and_is_taken_back() -> anyhow::Result<()> {
    let Some(site) = Site::with_guest()? else {
        return Ok(());
    };
    let asking = ["--max-downtime", "1ms", "--on-budget", "ask"];
    let to = ["move", "--name", "web", "--dst", "vsh-02"];
    let move_ = site.submit(&[&to[..], &asking].concat())?;
    let waiting = ["guest-enable", "guest-disable", "guest-start", "guest-stop"].map(|operation| {
        let id = site.submit(&[operation, "--name", "web"])?;
        anyhow::Ok(id)
    });
    until("it asks", || Ok(site.job(&move_)?["question"].is_string()))?;
    site.vsjob(&["answer", &move_, "yes"])?.ok()?;
    site.succeeds(&move_)?;
    for id in waiting {
        let id = id?;
        site.follow(&id)?.to_the_end()?;
        let job = site.job(&id)?;
        ensure!(
            job["state"] == "rolled back" && job["why"]["code"] == "VSJ0470",
            "{job}"
        );
    }
    answers(ADDRESS, "web")?;
    ensure!(site.runs("web", "vsh-02"));
    site.is_in_order()
}

#[test]
fn what_cannot_be_purged_now_is_kept_for_a_later_purge() -> anyhow::Result<()> {
    let Some(site) = Site::with_guest()? else {
        return Ok(());
    };
    site.succeeds(&site.submit(&[&MOVE[..], &["--grace", "5s"]].concat())?)?;
    let definition = "/etc/systemd/nspawn/web.nspawn";
    site.lab.run("vsh-02", &format!("mv {definition} /root"))?;
    let jobs = |operation: &str, state: &str| {
        let jobs = site.vsjob(&["status", "--all", "--json"])?.json()?;
        let mut jobs = jobs["jobs"].as_array().into_iter().flatten();
        anyhow::Ok(jobs.any(|job| job["operation"] == operation && job["state"] == state))
    };
    until("the purge is taken back", || jobs("purge", "rolled back"))?;
    ensure!(jobs("purge-later", "queued")?, "nobody comes back to it");
    site.lab
        .run("vsh-02", &format!("mv /root/web.nspawn {definition}"))?;
    site.is_in_order()
}

#[test]
fn what_a_move_leaves_is_purged_when_its_grace_is_over() -> anyhow::Result<()> {
    let Some(site) = Site::with_guest()? else {
        return Ok(());
    };
    site.succeeds(&site.submit(&[&MOVE[..], &["--grace", "1s"]].concat())?)?;
    until("it is purged", || {
        let jobs = site.vsjob(&["status", "--all", "--json"])?.json()?;
        let mut jobs = jobs["jobs"].as_array().into_iter().flatten();
        Ok(jobs.any(|job| job["operation"] == "purge" && job["state"] == "succeeded"))
    })?;
    let there = site
        .lab
        .run("vsh-01", "ls -A /var/lib/machines /etc/systemd/nspawn")?;
    ensure!(!there.contains("web"), "{there}");
    answers(ADDRESS, "web")?;
    ensure!(site.runs("web", "vsh-02"));
    site.is_in_order()
}
