//! A master whose machine is a virtual one of a lab, with a kernel that has LVM and a disk that forgets what was not flushed when
//! its power is cut.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::lab::{Lab, succeeded};
use crate::program::binary;
use crate::site::until;

/// Its machine.
pub const MACHINE: &str = "vsh-02";

/// The folder of its files there.
const HOME: &str = "/root/vsjob";

/// A lab, and the program in its virtual machine.
pub struct VmMaster {
    /// The lab.
    pub lab: Lab,
}

impl VmMaster {
    /// With that line in slaves.conf. No master runs yet.
    ///
    /// # Errors
    /// It cannot be put there.
    pub fn new(lab: Lab, slaves: &str) -> anyhow::Result<Self> {
        let program = tempfile::NamedTempFile::new()?;
        let stripped = Command::new("strip")
            .arg("-o")
            .arg(program.path())
            .arg(binary()?)
            .status()?;
        ensure!(stripped.success(), "strip: {stripped}");
        let master = Self { lab };
        master.put(program.path(), "program", "755")?;
        for file in ["key", "ssh_known_hosts"] {
            master.put(&master.lab.folder().join(file), file, "600")?;
        }
        let config = std::fs::read_to_string(master.lab.ssh_config())?;
        let at = master.lab.folder().display().to_string();
        master.write("ssh_config", &config.replace(&at, HOME))?;
        master.write("slaves.conf", slaves)?;
        Ok(master)
    }

    /// Runs a shell text on its machine.
    ///
    /// # Errors
    /// It fails.
    pub fn on_machine(&self, text: &str) -> anyhow::Result<String> {
        self.lab.run(MACHINE, text)
    }

    fn put(&self, from: &Path, name: &str, mode: &str) -> anyhow::Result<()> {
        let text = format!("mkdir -p {HOME}; cat >{HOME}/{name}; chmod {mode} {HOME}/{name}; sync -f {HOME}");
        let mut put = self.lab.at_console(MACHINE, "sh");
        put.args(["-euc", &text])
            .stdin(Stdio::from(std::fs::File::open(from)?));
        succeeded(put.output()?, name).map(drop)
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), text)?;
        self.put(file.path(), name, "600")
    }

    /// Its settings, besides those that reach the lab.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn configure(&self, settings: &str) -> anyhow::Result<()> {
        let (connect, alive) = self.lab.patience();
        self.write(
            "vsjob.toml",
            &format!(
                "[master]\nstate = \"{HOME}/state\"\nsocket = \"{HOME}/socket\"\n[ssh]\nconfig = \"{HOME}/ssh_config\"\n\
                 connect-timeout = \"{connect}s\"\nkeep-alive = \"{alive}s\"\n{settings}"
            ),
        )
    }

    /// Starts it, and returns when it answers.
    ///
    /// # Errors
    /// It does not.
    pub fn start(&self) -> anyhow::Result<()> {
        // Of one that was killed something may be left, and its unit.
        self.on_machine(&format!(
            "date +master-%s >{HOME}/unit
             systemd-run --quiet --collect --unit=\"$(cat {HOME}/unit)\" -p Type=notify -p KillMode=process \
             --setenv=VSJOB_CONFIG={HOME}/vsjob.toml {HOME}/program master"
        ))
        .map(drop)
    }

    /// SIGKILL to it, and to nothing that it has started.
    ///
    /// # Errors
    /// It does not run.
    pub fn kill(&self) -> anyhow::Result<()> {
        self.on_machine(&format!(
            "unit=$(cat {HOME}/unit)
             systemctl kill --kill-whom=main --signal=KILL \"$unit\"
             while systemctl is-active --quiet \"$unit\"; do sleep 0.1; done"
        ))
        .map(drop)
    }

    /// The power of its machine is cut, and comes back.
    ///
    /// # Errors
    /// It does not come up.
    pub fn power_cut(&self) -> anyhow::Result<()> {
        self.lab.power_cut(MACHINE)?;
        self.lab.boot(MACHINE)
    }

    /// What `vsjob WORDS` says there.
    ///
    /// # Errors
    /// It fails.
    pub fn vsjob(&self, words: &str) -> anyhow::Result<String> {
        self.on_machine(&format!("VSJOB_CONFIG={HOME}/vsjob.toml {HOME}/program {words}"))
    }

    /// The same, as JSON.
    ///
    /// # Errors
    /// It fails.
    pub fn json(&self, words: &str) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&self.vsjob(&format!("{words} --json"))?)?)
    }

    /// The job, when it is over or stuck.
    ///
    /// # Errors
    /// It does not end.
    pub fn ended(&self, id: &str) -> anyhow::Result<Value> {
        // Who asks again and again takes an emulated processor from the job. One that is stuck is not over.
        self.on_machine(&format!(
            "VSJOB_CONFIG={HOME}/vsjob.toml timeout 300 {HOME}/program logs --follow {id} >/dev/null || true"
        ))?;
        let mut job = Value::Null;
        until("the job ends", || {
            job = self.json(&format!("status {id}"))?;
            Ok(job["over"] == true || job["state"] == "stuck")
        })
        .with_context(|| job.to_string())?;
        Ok(job)
    }

    /// The generations of the guest, the oldest first.
    ///
    /// # Errors
    /// The master does not tell.
    pub fn generations(&self, guest: &str) -> anyhow::Result<Vec<String>> {
        let list = self.json(&format!("generation list --name={guest}"))?;
        let names = list["generations"].as_array().context("no list")?.iter();
        Ok(names
            .filter_map(|one| one["generation"].as_str().map(str::to_owned))
            .collect())
    }
}
