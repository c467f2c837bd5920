//! The program and two paper hosts, on the first of which the guest `ldap` runs: what a test of the program needs that is
//! about neither hosts nor their scripts. More guests can be had.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use vsjob_workers::{Driver, Slaves};

use crate::guests;
use crate::hosts::World as _;
use crate::paper::PaperPool;
use crate::program::Program;

const DEFINITION: &str = "[Exec]\nBoot=yes\nPrivateUsers=no\n[Network]\nBridge=br0\n";

/// The hosts, and the program with its folder. No master runs yet.
pub struct House {
    /// The hosts.
    pub paper: PaperPool,
    /// The program.
    pub program: Program,
    /// What guests are on, host by host.
    storages: Vec<&'static Driver>,
}

impl House {
    /// With its guest.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn new() -> anyhow::Result<Self> {
        Self::with("")
    }

    /// The same, with these settings besides.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn with(settings: &str) -> anyhow::Result<Self> {
        Self::of(2, settings)
    }

    /// The same, of so many hosts.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn of(hosts: usize, settings: &str) -> anyhow::Result<Self> {
        Self::on(&vec![""; hosts], settings)
    }

    /// The same, of hosts with these options in slaves.conf, such as `:storage=dir`.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn on(options: &[&str], settings: &str) -> anyhow::Result<Self> {
        let paper = PaperPool::with(options)?;
        let settings = format!(
            "[paper]\ndirectory = \"{}\"\n{settings}",
            paper.folder().display()
        );
        let slaves: String = (1..)
            .zip(options)
            .map(|(number, options)| format!("vsh-{number:02}{options}\n"))
            .collect();
        let program = Program::new(&settings, &slaves)?;
        let hosts = Slaves::parse("slaves.conf", &slaves)?.hosts.into_iter();
        let house = Self {
            paper,
            program,
            storages: hosts.map(|host| host.drivers.storage).collect(),
        };
        house.guest("ldap", 1, 9)?;
        Ok(house)
    }

    /// One more guest, running on the host of this number: its address ends in `last`.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn guest(&self, name: &str, number: usize, last: u8) -> anyhow::Result<()> {
        let host = self.paper.host(number);
        let tree = format!("var/lib/machines/{name}");
        guests::make_volume(self.storages[number - 1], host, name)?;
        host.write(&format!("{tree}/etc/os-release"), "ID=debian\n")?;
        host.write(&format!("{tree}/usr/bin/true"), "")?;
        host.write(
            &format!("{tree}/etc/systemd/network/80-host0.network"),
            &format!("[Match]\nName=host0\n[Network]\nAddress=10.77.1.{last}/16\n"),
        )?;
        host.write(&format!("etc/systemd/nspawn/{name}.nspawn"), DEFINITION)?;
        host.run("machinectl enable \"$1\" && machinectl start \"$1\"", &[name])?;
        Ok(())
    }

    /// Limits the memory of the guest on the host of this number, in MiB.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn limit(&self, name: &str, number: usize, mebibytes: u32) -> anyhow::Result<()> {
        let file = format!("etc/systemd/system/systemd-nspawn@{name}.service.d/vsjob-limits.conf");
        let limits = format!("[Service]\nMemoryMax={mebibytes}M\nMemorySwapMax=0\n");
        self.paper.host(number).write(&file, &limits)
    }

    /// The jobs of this operation, over or not.
    ///
    /// # Errors
    /// The master does not tell.
    pub fn jobs(&self, operation: &str) -> anyhow::Result<Vec<Value>> {
        let all = ["status", "--all", "--json", "--limit", "10000"];
        let all = self.program.run(&all)?.json()?;
        let jobs = all["jobs"].as_array().context("no jobs")?.iter();
        Ok(jobs
            .filter(|job| job["operation"] == operation)
            .cloned()
            .collect())
    }

    /// Whether the guest runs on the host of this number.
    #[must_use]
    pub fn runs(&self, name: &str, number: usize) -> bool {
        let state = "[ \"$(systemctl show -p ActiveState --value \"systemd-nspawn@$1.service\")\" = active ]";
        self.paper.host(number).run(state, &[name]).is_ok()
    }

    /// The job, once it has come to this.
    ///
    /// # Errors
    /// It is over before, or it never comes to this.
    pub fn until(&self, id: &str, is_so: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        let mut job = Value::Null;
        for _ in 0..6000 {
            job = self.program.run(&["status", id, "--json"])?.json()?;
            if is_so(&job) {
                return Ok(job);
            }
            ensure!(job["over"] != true, "it is over: {job}");
            std::thread::park_timeout(Duration::from_millis(20));
        }
        bail!("it never came to this: {job}")
    }

    /// The job, once it is over.
    ///
    /// # Errors
    /// It does not end.
    pub fn ended(&self, id: &str) -> anyhow::Result<Value> {
        self.until(id, |job| job["over"] == true)
    }
}
