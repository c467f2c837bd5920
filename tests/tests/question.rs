//! A move that would stand still for too long asks, if it was told to: the question outlives the master, and the answer
//! decides.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;
use vsjob_tests::hosts::{Host, World};
use vsjob_tests::needs;
use vsjob_tests::paper::PaperPool;
use vsjob_tests::program::{Program, Said};

/// No guest stands still for as little.
const MOVE: [&str; 8] = [
    "submit",
    "move",
    "--name=ldap",
    "--dst=vsh-02",
    "--max-downtime=1ms",
    "--on-budget=ask",
    "--reason",
    "to see",
];

/// A guest `ldap` that runs on the first of two paper hosts, and a master that knows it.
struct House {
    paper: PaperPool,
    program: Program,
}

impl House {
    fn new() -> anyhow::Result<Self> {
        let paper = PaperPool::new(2)?;
        let host = paper.host(1);
        host.run(
            "btrfs subvolume create \"$R/var/lib/machines/ldap\" >/dev/null",
            &[],
        )?;
        host.write("var/lib/machines/ldap/etc/os-release", "ID=debian\n")?;
        host.write("var/lib/machines/ldap/usr/bin/true", "")?;
        host.write(
            "var/lib/machines/ldap/etc/systemd/network/80-host0.network",
            NETWORK,
        )?;
        host.write("etc/systemd/nspawn/ldap.nspawn", DEFINITION)?;
        host.run("machinectl enable ldap && machinectl start ldap", &[])?;
        let settings = format!("[paper]\ndirectory = \"{}\"\n", paper.folder().display());
        let program = Program::new(&settings, "vsh-01\nvsh-02\n")?;
        Ok(Self { paper, program })
    }

    /// Submits the move, and waits for its question.
    fn asking(&self) -> anyhow::Result<String> {
        let id = self.program.run(&MOVE)?.ok()?;
        self.until(&id, |job| !job["question"].is_null())?;
        Ok(id)
    }

    fn until(&self, id: &str, is_so: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        let mut job = Value::Null;
        for _ in 0..6000 {
            job = self.program.run(&["status", id, "--json"])?.json()?;
            if is_so(&job) {
                return Ok(job);
            }
            ensure!(job["over"] != true, "it is over: {job}");
            std::thread::park_timeout(Duration::from_millis(20));
        }
        anyhow::bail!("it never came to this: {job}")
    }

    fn ended(&self, id: &str) -> anyhow::Result<Value> {
        self.until(id, |job| job["over"] == true)
    }

    fn answer(&self, id: &str, answer: &str) -> anyhow::Result<Said> {
        self.program.run(&["answer", id, answer])
    }
}

const NETWORK: &str = "[Match]\nName=host0\n[Network]\nAddress=10.77.1.9/16\n";
const DEFINITION: &str = "[Exec]\nBoot=yes\nPrivateUsers=no\n[Network]\nBridge=br0\n";

fn runs(host: &dyn Host) -> bool {
    host.run(
        "[ \"$(systemctl show -p ActiveState --value systemd-nspawn@ldap.service)\" = active ]",
        &[],
    )
    .is_ok()
}

#[test]
fn a_move_that_would_stand_still_for_too_long_asks_through_a_death_of_its_master() -> anyhow::Result<()> {
    let house = House::new()?;
    let master = house.program.master()?;
    house.program.run(&["guest", "adopt"])?.ok()?;
    let id = house.asking()?;
    let shown = house.program.run(&["status", &id])?.ok()?;
    ensure!(
        shown.contains("asks: ldap would stand still for about"),
        "{shown}"
    );
    ensure!(
        shown.contains(&format!("vsjob answer {} yes", &id[id.len() - 8..])),
        "{shown}"
    );

    master.kill()?;
    let _master = house.program.master()?;
    house.until(&id, |job| !job["question"].is_null())?;
    house.answer(&id, "no")?.ok()?;
    let job = house.ended(&id)?;
    ensure!(job["state"] == "rolled back", "{job}");
    ensure!(job["why"]["code"] == "VSJ0480", "{job}");
    let message = job["why"]["message"].as_str().context("no message")?;
    ensure!(
        message.ends_with("and root from this machine said no"),
        "{message}"
    );
    ensure!(job["stood_still"].is_null(), "{job}");
    ensure!(runs(house.paper.host(1)) && !house.paper.host(2).has("var/lib/machines/ldap"));

    let late = house.answer(&id, "yes")?;
    ensure!(
        late.status.code() == Some(1) || late.err.contains("VSJ0521"),
        "{late:?}"
    );
    Ok(())
}

#[test]
fn a_yes_lets_it_go_on_and_cancel_takes_the_question_back() -> anyhow::Result<()> {
    let house = House::new()?;
    let master = house.program.master()?;
    house.program.run(&["guest", "adopt"])?.ok()?;
    let cancelled = house.asking()?;
    house.program.run(&["cancel", &cancelled])?.ok()?;
    let job = house.ended(&cancelled)?;
    ensure!(job["state"] == "cancelled" && job["question"].is_null(), "{job}");

    let id = house.asking()?;
    house.answer(&id, "yes")?.ok()?;
    // Accepted means durable: the next master does not ask again.
    master.kill()?;
    let _master = house.program.master()?;
    let job = house.ended(&id)?;
    ensure!(job["state"] == "succeeded", "{job}");
    ensure!(job["stood_still"].as_u64() > Some(0), "{job}");
    let asked = job["plan"]
        .as_array()
        .and_then(|plan| plan.iter().find(|step| step["action"] == "ask-budget 1"))
        .context("no step asked")?;
    ensure!(
        asked["outputs"]["answer"] == "yes, said root from this machine",
        "{asked}"
    );
    ensure!(!runs(house.paper.host(1)) && runs(house.paper.host(2)));
    Ok(())
}

#[test]
fn who_waits_at_a_terminal_is_asked_there() -> anyhow::Result<()> {
    if Command::new("script").arg("--version").output().is_err() {
        needs::skip("script, which makes a terminal");
        return Ok(());
    }
    let house = House::new()?;
    let _master = house.program.master()?;
    house.program.run(&["guest", "adopt"])?.ok()?;
    let submit = "move --name=ldap --dst=vsh-02 --max-downtime=1ms --wait";
    let vsjob = house.program.command(&[]);
    let line = format!("{} submit {submit}", vsjob.get_program().display());
    let mut terminal = Command::new("script")
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .envs(vsjob.get_envs().filter_map(|(key, value)| Some((key, value?))))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut shown = terminal.stdout.take().context("no standard output")?;
    let (mut said, mut more) = (Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&said).contains("Go on? yes or no") {
        let count = shown.read(&mut more)?;
        ensure!(count > 0, "{}", String::from_utf8_lossy(&said));
        said.extend_from_slice(&more[..count]);
    }
    let mut typed = terminal.stdin.take().context("no standard input")?;
    typed.write_all(b"well\nYes\n")?;
    shown.read_to_end(&mut said)?;
    drop(typed);
    let said = String::from_utf8_lossy(&said);
    ensure!(terminal.wait()?.success(), "{said}");
    ensure!(said.contains("its guest stood still for"), "{said}");
    Ok(())
}
