//! A master restored from a backup of the middle of a move: what it may do with that move depends on whether its hosts
//! still tell what its store does.

use anyhow::ensure;
use serde_json::Value;
use vsjob_tests::hosts::{Host as _, World as _};
use vsjob_tests::house::House;
use vsjob_tests::program::{Master, Program};

/// No guest stands still for as little, so it asks.
const MOVE: [&str; 6] = [
    "submit",
    "move",
    "--name=ldap",
    "--dst=vsh-02",
    "--max-downtime=1ms",
    "--on-budget=ask",
];

/// A house whose master was lost: in the middle of a move, or after it if that was answered meanwhile.
struct Lost {
    house: House,
    id: String,
    new: Program,
}

impl Lost {
    fn after(answered: bool) -> anyhow::Result<Self> {
        let house = House::new()?;
        let master = house.program.master()?;
        house.program.run(&["guest", "adopt"])?.ok()?;
        let id = house.program.run(&MOVE)?.ok()?;
        house.until(&id, |job| !job["question"].is_null())?;
        let backup = house.program.folder().join("backup.tar").display().to_string();
        house.program.run(&["backup-master", &backup])?.ok()?;
        if answered {
            house.program.run(&["answer", &id, "yes"])?.ok()?;
            let job = house.ended(&id)?;
            ensure!(job["state"] == "succeeded", "{job}");
        }
        master.kill()?;
        let settings = format!("[paper]\ndirectory = \"{}\"\n", house.paper.folder().display());
        let new = Program::new(&settings, "vsh-01\nvsh-02\n")?;
        new.run(&["restore-master", &backup])?.ok()?;
        Ok(Self { house, id, new })
    }

    /// Takes over, and accepts the scan, which shows the job in doubt.
    fn take_over(&self) -> anyhow::Result<Master> {
        let master = self.new.master_with(&["--take-over"])?;
        // It ends with 8: the pool is not as placement says.
        let scan: Value = serde_json::from_str(&self.new.run(&["scan", "--json"])?.out)?;
        ensure!(scan["held"]["jobs"][0]["doubt"].is_string(), "{scan}");
        let seal = scan["held"]["seal"].as_str().unwrap_or_default();
        self.new
            .run(&["scan", "--accept", seal, "--reason=burnt"])?
            .ok()?;
        ensure!(self.state()? == "stuck");
        for command in [
            &["cancel"][..],
            &["resume"],
            &["retry"],
            &["skip", "--reason=sure"],
        ] {
            let said = self.new.run(&[command, &[&self.id]].concat())?;
            said.refuses("VSJ0555", 4)?;
        }
        Ok(master)
    }

    fn state(&self) -> anyhow::Result<String> {
        let job = self.new.run(&["status", &self.id, "--json"])?.json()?;
        Ok(job["state"].as_str().unwrap_or_default().to_owned())
    }
}

#[test]
fn after_a_take_over_a_job_in_doubt_is_given_up_or_goes_on_once_its_hosts_tell_the_same() -> anyhow::Result<()>
{
    let lost = Lost::after(true)?;
    let _master = lost.take_over()?;
    let (new, id) = (&lost.new, lost.id.as_str());
    new.run(&["abandon", id, "--reason=it is over"])?.ok()?;
    ensure!(lost.state()? == "abandoned");
    new.run(&["guest", "adopt"])?.ok()?;
    let placed = new.run(&["guest", "list", "--json"])?.json()?;
    ensure!(placed["guests"][0]["host"] == "vsh-02", "{placed}");
    ensure!(lost.house.runs("ldap", 2) && !lost.house.runs("ldap", 1));

    let lost = Lost::after(false)?;
    lost.house.paper.paper_host(2).power_off()?;
    let _master = lost.take_over()?;
    lost.house.paper.paper_host(2).reboot()?;
    let (new, id) = (&lost.new, lost.id.as_str());
    new.run(&["retry", id])?.ok()?;
    while new.run(&["status", id, "--json"])?.json()?["question"].is_null() {
        ensure!(lost.state()? == "running");
    }
    new.run(&["answer", id, "no"])?.ok()?;
    new.run(&["logs", id, "--follow"])?.ok()?;
    ensure!(lost.state()? == "rolled back");
    ensure!(lost.house.runs("ldap", 1) && !lost.house.paper.host(2).has("var/lib/machines/ldap"));
    Ok(())
}
