//! A master's machine is lost, and a backup is restored elsewhere: an old one, whose store still has a guest where it was
//! moved away from since, and has the move itself as under way.

use anyhow::ensure;
use vsjob_tests::site::{ADDRESS, MOVE, Site, answers, until};

const SIZE: usize = 16 << 20;

#[test]
fn a_master_restored_from_an_old_backup_holds_its_jobs_and_sees_that_the_hosts_know_more()
-> anyhow::Result<()> {
    let Some(mut site) = Site::with_slow_guest(SIZE)? else {
        return Ok(());
    };
    let id = site.submit(&MOVE)?;
    until("it copies", || {
        Ok(site.job(&id)?["progress"]["bytes"].as_u64() > Some(1 << 20))
    })?;
    let file = site.program.folder().join("backup.tar").display().to_string();
    site.vsjob(&["backup-master", &file])?.ok()?;
    site.succeeds(&id)?;
    site.kill_master()?;

    let other = site.another_program()?;
    other.run(&["restore-master", &file])?.ok()?;
    other.run(&["master"])?.refuses("VSJ0304", 4)?;
    // A host that is away by then.
    site.lab.cut("vsh-01")?;
    let _master = other.master_with(&["--take-over"])?;
    let log = other.folder().join("log");
    until("it gave that one up", || {
        Ok(std::fs::read_to_string(&log)?.contains("not claimed yet"))
    })?;
    site.lab.heal("vsh-01")?;
    let epoch = |host| site.lab.run(host, "cat /var/lib/vsjob/epoch");
    ensure!(epoch("vsh-01")? != epoch("vsh-02")?, "it was claimed");
    let scan = other.run(&["scan", "--json"])?;
    // What the scan shows can no longer be changed by the old master.
    ensure!(
        epoch("vsh-01")? == epoch("vsh-02")?,
        "it was looked at before it was claimed"
    );
    ensure!(scan.status.code() == Some(8), "{scan:?}");
    let scan: serde_json::Value = serde_json::from_str(&scan.out)?;
    let held = &scan["held"]["jobs"][0];
    ensure!(held["job"] == id && held["doubt"].is_string(), "{scan}");
    let guest = &scan["guests"][0];
    ensure!(
        guest["host"] == "vsh-02"
            && guest["differs"]
                .as_str()
                .is_some_and(|but| but.contains("vsh-01")),
        "{scan}"
    );
    // It can be taken in where it is while everything is held.
    other.run(&["guest", "adopt", "--reason", "restored"])?.ok()?;
    let scan = other.run(&["scan", "--json"])?.json()?;
    ensure!(scan["guests"][0]["differs"].is_null(), "{scan}");
    let seal = scan["held"]["seal"].as_str().unwrap_or_default();
    other
        .run(&["scan", "--accept", seal, "--reason", "the old machine burnt"])?
        .ok()?;
    let stuck = other.run(&["status", &id, "--json"])?.json()?;
    ensure!(stuck["state"] == "stuck", "{stuck}");

    other.run(&["cancel", &id])?.refuses("VSJ0555", 4)?;
    other.run(&["abandon", &id, "--reason", "it is over"])?.ok()?;
    let job = other.run(&["status", &id, "--json"])?.json()?;
    ensure!(job["state"] == "abandoned", "{job}");
    answers(ADDRESS, "web")?;
    ensure!(site.runs("web", "vsh-02"));
    ensure!(!site.runs("web", "vsh-01"));
    other.run(&["guest", "stop", "web"])?.ok()?;
    other.run(&["guest", "start", "web"])?.ok()?;
    Ok(())
}
