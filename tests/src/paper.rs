//! Paper hosts: folders that stand for hosts. The same scripts run on them as on real ones, with the stand-ins of
//! `tests/paper/bin` for the tools of a host, and they can be told to fail, hang, be cut off or reboot.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::ensure;
use tempfile::TempDir;
use vsjob_engine::{Clock, HostName};
use vsjob_workers::{Pool, Registry, Settings, Slaves};

use crate::hosts::{Host, World};
use crate::lab::succeeded;
use crate::master::Life;

/// Hosts `vsh-01`, `vsh-02`, … in one folder. Dropped, their processes end and the folder goes.
pub struct PaperPool {
    // Dropped before the folder: what runs on them is found by it.
    hosts: Vec<PaperHost>,
    folder: TempDir,
}

impl PaperPool {
    /// A pool of `count` hosts that are on.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new(count: usize) -> anyhow::Result<Self> {
        Self::with(&vec![""; count])
    }

    /// A pool of hosts that are on, each with its options in slaves.conf, such as `:storage=dir`.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn with(options: &[&str]) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("vsjob-paper-")
            .tempdir_in(memory())?;
        std::os::unix::fs::symlink(paper().join("bin"), folder.path().join("bin"))?;
        let hosts = (1..=options.len())
            .map(|number| PaperHost::make(folder.path(), &format!("vsh-{number:02}")))
            .collect::<anyhow::Result<_>>()?;
        let pool = Self { folder, hosts };
        pool.configure(options)?;
        Ok(pool)
    }

    /// Writes `slaves.conf` and `vsjob.toml` of a master of this pool; its store and socket are in the folder too.
    fn configure(&self, options: &[&str]) -> anyhow::Result<()> {
        let folder = self.folder();
        let lines = std::iter::zip(&self.hosts, options);
        let slaves: String = lines
            .map(|(host, options)| format!("{}{options}\n", host.name))
            .collect();
        std::fs::write(folder.join("slaves.conf"), slaves)?;
        let settings = format!(
            "[master]\nstate = \"{0}/state\"\nsocket = \"{0}/vsjob.sock\"\n[paper]\ndirectory = \"{0}\"\n",
            folder.display()
        );
        Ok(std::fs::write(folder.join("vsjob.toml"), settings)?)
    }

    /// The hosts, as what they are.
    #[must_use]
    pub fn paper_hosts(&self) -> &[PaperHost] {
        &self.hosts
    }

    /// The host `vsh-NUMBER`, as what it is.
    #[must_use]
    pub fn paper_host(&self, number: usize) -> &PaperHost {
        &self.hosts[number - 1]
    }

    /// What the workers act with.
    ///
    /// # Errors
    /// The pool's own configuration is wrong.
    pub fn pool(&self, registry: Registry, clock: Arc<dyn Clock>) -> anyhow::Result<Pool> {
        let read = |name: &str| std::fs::read_to_string(self.folder().join(name));
        let slaves = Slaves::parse("slaves.conf", &read("slaves.conf")?)?;
        let settings = Settings::parse("vsjob.toml", &read("vsjob.toml")?)?;
        Ok(Pool::configured(registry, &slaves, &settings, clock))
    }
}

impl World for PaperPool {
    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn hosts(&self) -> Vec<&dyn Host> {
        self.hosts.iter().map(|host| host as &dyn Host).collect()
    }

    fn life(&self, operation: &str, args: &[(&str, &str)]) -> Life {
        Life::new(self.folder(), operation, args)
    }
}

/// One paper host.
pub struct PaperHost {
    /// Its name.
    pub name: HostName,
    /// The folder that stands for its root.
    pub root: PathBuf,
}

impl PaperHost {
    fn make(folder: &Path, name: &str) -> anyhow::Result<Self> {
        let root = folder.join(name);
        for inner in [
            "etc/ssh",
            "etc/systemd/nspawn",
            "run",
            "var/lib/machines",
            "proc/sys/kernel/random",
            "etc/paper",
            "fault",
            "root/.ssh",
        ] {
            std::fs::create_dir_all(root.join(inner))?;
        }
        let host = Self {
            name: name.parse()?,
            root,
        };
        host.write("etc/hostname", &format!("{name}\n"))?;
        host.write("etc/machine-id", &format!("{}\n", uuid::Uuid::new_v4().simple()))?;
        let key = host.path("etc/ssh/ssh_host_ed25519_key");
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
            .arg(key)
            .status()?;
        ensure!(made.success(), "ssh-keygen: {made}");
        host.write(BOOT_ID, &format!("{}\n", uuid::Uuid::new_v4()))?;
        host.has_memory(8192)?;
        host.write("etc/paper/lvm/vsh/pool/pool", "")?;
        Ok(host)
    }

    /// Lets the launched commands of the host be units of systemd from now on, as they are on a host that has it.
    ///
    /// # Errors
    /// The files cannot be written.
    pub fn with_systemd(&self) -> anyhow::Result<()> {
        self.write("etc/paper/systemd", "")?;
        Ok(std::fs::create_dir_all(self.path("run/systemd/system"))?)
    }

    /// So much of its memory can be had from now on, in MiB.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn has_memory(&self, mebibytes: u64) -> anyhow::Result<()> {
        let kibibytes = mebibytes << 10;
        self.write(
            "proc/meminfo",
            &format!("MemTotal: 33554432 kB\nMemAvailable: {kibibytes} kB\n"),
        )
    }

    /// So much of its disk is free from now on, in KiB, whatever is on it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn has_disk(&self, kibibytes: u64) -> anyhow::Result<()> {
        self.write("etc/paper/free", &format!("{}\n", kibibytes << 10))
    }

    /// Orders a fault for a call of a tool: `fail`, `hang`, `lost`, `reboot` or `reboot-after`, at the `call`th call
    /// from now.
    ///
    /// # Errors
    /// The order cannot be written.
    pub fn order_of_tool(&self, tool: &str, fault: &str, call: u32) -> anyhow::Result<()> {
        self.write(&format!("fault/{tool}"), &format!("{fault}\n{call}\n"))
    }

    /// Breaks the lines to the host, until [`PaperHost::heal`].
    ///
    /// # Errors
    /// The tool fails.
    pub fn cut(&self) -> anyhow::Result<()> {
        self.tool("cut", &[])
    }

    /// Lets lines to the host be opened again.
    ///
    /// # Errors
    /// The order cannot be taken back.
    pub fn heal(&self) -> anyhow::Result<()> {
        Ok(std::fs::remove_file(self.path("fault/cut"))?)
    }

    /// Cuts its power; [`PaperHost::reboot`] brings it back.
    ///
    /// # Errors
    /// The tool fails.
    pub fn power_off(&self) -> anyhow::Result<()> {
        self.tool("reboot", &["off"])
    }

    fn tool(&self, tool: &str, args: &[&str]) -> anyhow::Result<()> {
        switch(&self.root, tool, args)
    }
}

impl Host for PaperHost {
    fn name(&self) -> &HostName {
        &self.name
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn run(&self, text: &str, args: &[&str]) -> anyhow::Result<String> {
        let path = format!(
            "{}:{}",
            paper().join("bin").display(),
            std::env::var("PATH").unwrap_or_default()
        );
        let output = Command::new("sh")
            .args(["-euc", text, "paper"])
            .args(args)
            .env("PATH", path)
            .env("R", &self.root)
            .output()?;
        succeeded(output, &format!("{text} on {}", self.name))
    }

    fn reboot(&self) -> anyhow::Result<()> {
        self.tool("reboot", &[])
    }

    // Its reboot has happened when the tool returns.
    fn await_up(&self) -> anyhow::Result<()> {
        Ok(())
    }

    fn onlooker(&self, program: &str) -> anyhow::Result<(Command, PathBuf)> {
        Ok((Command::new(program), self.root.clone()))
    }
}

/// Reboots the paper host in a folder.
///
/// # Errors
/// The tool fails.
pub fn reboot(root: &Path) -> anyhow::Result<()> {
    switch(root, "reboot", &[])
}

fn switch(root: &Path, tool: &str, args: &[&str]) -> anyhow::Result<()> {
    let status = Command::new(paper().join(tool)).arg(root).args(args).status()?;
    ensure!(status.success(), "{tool} of {}: {status}", root.display());
    Ok(())
}

impl Drop for PaperHost {
    fn drop(&mut self) {
        // Nothing can be done about a failure here; the processes are found by their environment.
        let _ = self.power_off();
    }
}

/// Where files are kept in memory, if anywhere: what these tests kill are processes, and nothing waits for a disk.
fn memory() -> PathBuf {
    let shared = PathBuf::from("/dev/shm");
    let probe = tempfile::tempfile_in(&shared);
    probe.map_or_else(|_| std::env::temp_dir(), |_| shared)
}

const BOOT_ID: &str = "proc/sys/kernel/random/boot_id";

/// Where a master of paper hosts finds its own tools: stand-ins of a few first.
#[must_use]
pub fn path_of_master() -> String {
    let own = std::env::var("PATH").unwrap_or_default();
    format!("{}:{own}", paper().join("master").display())
}

/// What a master has in its environment whose machine has the LVM of a paper host.
#[must_use]
pub fn machine_of_master(root: &Path) -> [(&'static str, String); 3] {
    let lvm = paper().join("master_lvm");
    let root = root.display().to_string();
    [
        ("PATH", format!("{}:{}", lvm.display(), path_of_master())),
        ("R", root.clone()),
        ("VSJOB_ROOT", root),
    ]
}

/// The folder of the stand-ins.
fn paper() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/paper"))
}
