//! Paper hosts: folders that stand for hosts. The same scripts run on them as on real ones, with the stand-ins of
//! `tests/paper/bin` for the tools of a host, and they can be told to fail, hang, be cut off or reboot.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, ensure};
use tempfile::TempDir;
use vsjob_engine::{Clock, HostName, StepNo};
use vsjob_workers::{Pool, Registry, Settings, Slaves};

/// What goes wrong in a step that is launched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails for good before it does anything.
    Fail,
    /// It fails before it does anything, and may be tried again.
    Transient,
    /// Its effect is done, but it dies before it can say so.
    Lost,
    /// It does nothing and never ends.
    Hang,
    /// The line breaks when it begins, for a moment; it goes on.
    Cut,
    /// Its host reboots before it does anything.
    Reboot,
    /// Its host reboots after its effect is done, and before it can say so.
    RebootAfter,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 7] = [
        Self::Fail,
        Self::Transient,
        Self::Lost,
        Self::Hang,
        Self::Cut,
        Self::Reboot,
        Self::RebootAfter,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Transient => "transient",
            Self::Lost => "lost",
            Self::Hang => "hang",
            Self::Cut => "cut",
            Self::Reboot => "reboot",
            Self::RebootAfter => "reboot-after",
        }
    }
}

/// Which side of a step a fault is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum During {
    /// What it does.
    Do(StepNo),
    /// Its undo.
    Undo(StepNo),
}

impl fmt::Display for During {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Do(step) => write!(f, "step-{step}"),
            Self::Undo(step) => write!(f, "step-u{step}"),
        }
    }
}

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
        let folder = tempfile::Builder::new()
            .prefix("vsjob-paper-")
            .tempdir_in(memory())?;
        std::os::unix::fs::symlink(paper().join("bin"), folder.path().join("bin"))?;
        let hosts = (1..=count)
            .map(|number| PaperHost::make(folder.path(), &format!("vsh-{number:02}")))
            .collect::<anyhow::Result<_>>()?;
        let pool = Self { folder, hosts };
        pool.configure()?;
        Ok(pool)
    }

    /// Writes `slaves.conf` and `vsjob.toml` of a master of this pool; its store and socket are in the folder too.
    fn configure(&self) -> anyhow::Result<()> {
        let folder = self.folder();
        let slaves: String = self.hosts.iter().map(|host| format!("{}\n", host.name)).collect();
        std::fs::write(folder.join("slaves.conf"), slaves)?;
        let settings = format!(
            "[master]\nstate = \"{0}/state\"\nsocket = \"{0}/vsjob.sock\"\n[paper]\ndirectory = \"{0}\"\n",
            folder.display()
        );
        Ok(std::fs::write(folder.join("vsjob.toml"), settings)?)
    }

    /// The folder of the pool, with its `slaves.conf` and `vsjob.toml`; a host's is in it, by its name.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The hosts.
    #[must_use]
    pub fn hosts(&self) -> &[PaperHost] {
        &self.hosts
    }

    /// The host `vsh-NUMBER`.
    #[must_use]
    pub fn host(&self, number: usize) -> &PaperHost {
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
        Ok(host)
    }

    /// A file of the host, by its path without the leading slash.
    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Whether the host has that file.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.path(path).symlink_metadata().is_ok()
    }

    /// The text of a file.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(&self, path: &str) -> anyhow::Result<String> {
        std::fs::read_to_string(self.path(path)).with_context(|| format!("{}: {path}", self.name))
    }

    /// Writes a file, and makes its folder.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &str, text: &str) -> anyhow::Result<()> {
        let path = self.path(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&path, text).with_context(|| path.display().to_string())
    }

    /// Lets the launched commands of the host be units of systemd from now on, as they are on a host that has it.
    ///
    /// # Errors
    /// The files cannot be written.
    pub fn with_systemd(&self) -> anyhow::Result<()> {
        self.write("etc/paper/systemd", "")?;
        Ok(std::fs::create_dir_all(self.path("run/systemd/system"))?)
    }

    /// Orders a fault for the next time that side of that step is launched on the host.
    ///
    /// # Errors
    /// The order cannot be written.
    pub fn order(&self, fault: Fault, during: During) -> anyhow::Result<()> {
        self.write(&format!("fault/{during}"), &format!("{}\n", fault.word()))
    }

    /// Orders a fault for a call of a tool: `fail`, `hang`, `lost`, `reboot` or `reboot-after`, at the `call`th call
    /// from now.
    ///
    /// # Errors
    /// The order cannot be written.
    pub fn order_of_tool(&self, tool: &str, fault: &str, call: u32) -> anyhow::Result<()> {
        self.write(&format!("fault/{tool}"), &format!("{fault}\n{call}\n"))
    }

    /// The faults that have happened, a line each.
    #[must_use]
    pub fn faults_done(&self) -> String {
        self.read("fault/done").unwrap_or_default()
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

    /// Reboots it.
    ///
    /// # Errors
    /// The tool fails.
    pub fn reboot(&self) -> anyhow::Result<()> {
        self.tool("reboot", &[])
    }

    /// Cuts its power; [`PaperHost::reboot`] brings it back.
    ///
    /// # Errors
    /// The tool fails.
    pub fn power_off(&self) -> anyhow::Result<()> {
        self.tool("reboot", &["off"])
    }

    /// Runs a text in `sh` on the host, with the stand-ins, and `args` as its `$1` and so on.
    ///
    /// # Errors
    /// It fails; what it said is told.
    pub fn run(&self, text: &str, args: &[&str]) -> anyhow::Result<()> {
        let path = format!(
            "{}:{}",
            paper().join("bin").display(),
            std::env::var("PATH").unwrap_or_default()
        );
        let output = Command::new("sh")
            .args(["-c", text, "paper"])
            .args(args)
            .env("PATH", path)
            .env("R", &self.root)
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "{text} on {}: {}: {said}",
            self.name,
            output.status
        );
        Ok(())
    }

    fn tool(&self, tool: &str, args: &[&str]) -> anyhow::Result<()> {
        switch(&self.root, tool, args)
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

/// The folder of the stand-ins.
fn paper() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/paper"))
}
