//! A guest of a real host gets another name, is removed, comes back, and is purged.

use anyhow::{Context, ensure};
use serde_json::Value;
use vsjob_tests::site::{ADDRESS, Site, answer, answers, until};

/// What carries the guest's name, or one that a job gave it.
fn there(site: &Site) -> anyhow::Result<String> {
    let kept =
        "ls -A /var/lib/machines /etc/systemd/nspawn; find /etc/systemd/system -name 'systemd-nspawn@*'";
    site.lab.run("vsh-01", kept)
}

fn does(site: &Site, args: &[&str]) -> anyhow::Result<Value> {
    site.succeeds(&site.submit(args)?)
}

#[test]
fn a_guest_is_renamed_and_removed_and_comes_back_and_is_purged() -> anyhow::Result<()> {
    let Some(site) = Site::with_guest()? else {
        return Ok(());
    };
    does(&site, &["rename", "--name", "web", "--to", "shop", "--stop"])?;
    answers(ADDRESS, "shop")?;
    ensure!(site.runs("shop", "vsh-01") && !there(&site)?.contains("web"));
    site.is_in_order()?;
    site.lab.reboot("vsh-01")?;
    answers(ADDRESS, "shop")?;

    let refused = site.submit(&["remove", "--name", "shop"])?;
    site.follow(&refused)?.to_the_end()?;
    ensure!(site.job(&refused)?["why"]["code"] == "VSJ0446" && site.runs("shop", "vsh-01"));
    does(&site, &["remove", "--name", "shop", "--stop"])?;
    ensure!(answer(ADDRESS).is_none() && !site.runs("shop", "vsh-01"));
    let start = site.lab.run("vsh-01", "machinectl start shop");
    ensure!(start.is_err(), "it can be started");
    site.is_in_order()?;
    site.lab.reboot("vsh-01")?;

    let list = site.vsjob(&["generation", "list", "--json"])?.json()?;
    let kept = &list["generations"][0];
    ensure!(
        kept["facts"]["mode"] == "cold" && kept["guest"] == "shop",
        "{list}"
    );
    let name = kept["generation"].as_str().context("no name")?;
    let said = site
        .vsjob(&["generation", "verify", "--name", "shop", name])?
        .ok()?;
    ensure!(said.contains("as it was sealed"), "{said}");

    does(&site, &["undelete", "--name", "shop"])?;
    answers(ADDRESS, "shop")?;
    ensure!(!there(&site)?.contains("removed"));
    site.is_in_order()?;
    site.lab.reboot("vsh-01")?;
    answers(ADDRESS, "shop")?;

    does(
        &site,
        &["remove", "--name", "shop", "--stop", "--no-keep", "--grace", "1s"],
    )?;
    until("it is purged", || {
        let jobs = site.vsjob(&["status", "--all", "--json"])?.json()?;
        let mut jobs = jobs["jobs"].as_array().into_iter().flatten();
        Ok(jobs.any(|job| job["operation"] == "purge" && job["state"] == "succeeded"))
    })?;
    ensure!(!there(&site)?.contains("shop"));
    site.is_in_order()
}
