//! The power goes at the worst moment: what a source finds when it is back must not start the guest again, and what was
//! removed from a target does not come back.

use anyhow::ensure;
use vsjob_tests::site::{ADDRESS, MOVE, Site, answers, until};

#[test]
fn a_source_that_lost_its_power_right_after_its_fencing_does_not_start_the_guest() -> anyhow::Result<()> {
    let Some(site) = Site::with_guest()? else {
        return Ok(());
    };
    let id = site.submit(&MOVE)?;
    let fenced = site.lab.folder().join("fenced");
    site.follow(&id)?.until("step succeeded", "fence web")?;
    site.lab.copy_disk("vsh-01", &fenced)?;
    site.succeeds(&id)?;

    site.lab.power_cut("vsh-01")?;
    site.lab.boot_from("vsh-01", &fenced)?;
    std::fs::remove_file(&fenced)?;
    // Degraded is settled too.
    let settled = site
        .lab
        .run("vsh-01", "systemctl is-system-running --wait || true")?;
    ensure!(!site.runs("web", "vsh-01"), "it runs where it was: {settled}");
    site.is_fenced("web", "vsh-01", &id)?;

    ensure!(site.runs("web", "vsh-02"));
    answers(ADDRESS, "web")?;
    let scan = site.vsjob(&["scan"])?;
    ensure!(scan.status.success(), "{scan:?}");
    Ok(())
}

#[test]
fn a_power_cut_right_after_a_move_brings_nothing_of_it_back() -> anyhow::Result<()> {
    let Some(site) = Site::with_guest()? else {
        return Ok(());
    };
    site.succeeds(&site.submit(&MOVE)?)?;
    for host in ["vsh-02", "vsh-01"] {
        site.lab.power_cut(host)?;
        site.lab.boot(host)?;
    }
    until("the guest runs again", || Ok(site.runs("web", "vsh-02")))?;
    site.is_in_order()
}
