//! Guests that somebody else has defined: what `vsjob` would not write down anew is not lost without a word.

use anyhow::ensure;
use vsjob_tests::hosts::World as _;
use vsjob_tests::house::House;

#[test]
fn a_guest_whose_definition_would_lack_something_elsewhere_does_not_move_and_its_backup_says_so()
-> anyhow::Result<()> {
    let house = House::new()?;
    let _master = house.program.master()?;
    let run = |args: &[&str]| house.program.run(args);
    run(&["guest", "adopt"])?.ok()?;
    let host = house.paper.host(1);
    let limits = "etc/systemd/system/systemd-nspawn@ldap.service.d/vsjob-limits.conf";
    let definition = "etc/systemd/nspawn/ldap.nspawn";
    let as_before = host.run("cat \"$R/$1\"", &[definition])?;
    for (file, text, what) in [
        (
            definition,
            &*format!("{as_before}[Files]\nBind=/srv/data\n"),
            "Bind=/srv/data",
        ),
        (limits, "[Service]\nMemoryMax=2G\n", "MemoryMax=2G"),
        (
            "etc/systemd/system/systemd-nspawn@ldap.service.d/own.conf",
            "[Service]\nNice=5\n",
            "own.conf",
        ),
    ] {
        host.write(file, text)?;
        let id = run(&["submit", "move", "--name=ldap", "--dst=vsh-02"])?.ok()?;
        let job = house.ended(&id)?;
        ensure!(
            job["state"] == "rolled back" && job["why"]["code"] == "VSJ0556",
            "{job}"
        );
        ensure!(
            job["why"]["message"]
                .as_str()
                .is_some_and(|said| said.contains(what)),
            "{job}"
        );
        ensure!(house.runs("ldap", 1));
        let id = run(&["submit", "backup", "--name=ldap"])?.ok()?;
        let job = house.ended(&id)?;
        ensure!(job["state"] == "succeeded", "{job}");
        let said = run(&["logs", &id])?.ok()?;
        ensure!(said.contains(what), "{said}");
        match file == definition {
            true => host.write(file, &as_before)?,
            false => drop(host.run("rm \"$R/$1\"", &[file])?),
        }
    }
    // Comments and what it has by itself are no hindrance.
    host.write(
        limits,
        "# ours\n\n[Service]\nMemoryMax=512M\nMemorySwapMax=0\nTasksMax=100\nCPUQuota=50%\n",
    )?;
    let id = run(&["submit", "move", "--name=ldap", "--dst=vsh-02"])?.ok()?;
    let job = house.ended(&id)?;
    ensure!(job["state"] == "succeeded", "{job}");
    let there = house.paper.host(2).run("cat \"$R/$1\"", &[limits])?;
    ensure!(
        there.contains("MemoryMax=512M") && there.contains("CPUQuota=50%"),
        "{there}"
    );
    Ok(())
}
