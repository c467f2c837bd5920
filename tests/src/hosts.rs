//! Hosts under test, of paper or real: what a matrix does to them, and what it sees of them. The same matrix runs on
//! both.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use vsjob_engine::{HostName, StepNo};

use crate::lab_pool::Labs;
use crate::master::Life;
use crate::paper::PaperPool;

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

    pub(crate) fn word(self) -> &'static str {
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

/// A host.
pub trait Host: Send + Sync {
    /// Its name.
    fn name(&self) -> &HostName;

    /// Where this machine finds a file of the host that is up, by its path without the leading slash. Nowhere, if the host is
    /// a virtual machine.
    fn path(&self, path: &str) -> PathBuf;

    /// Runs a text in `sh` on the host, with `args` as its `$1` and so on, and answers what it wrote. Paths in it begin
    /// with `$R`.
    ///
    /// # Errors
    /// It fails; what it said is told.
    fn run(&self, text: &str, args: &[&str]) -> anyhow::Result<String>;

    /// Reboots it, and returns when what is enabled has been started.
    ///
    /// # Errors
    /// It does not come back.
    fn reboot(&self) -> anyhow::Result<()>;

    /// A command of this machine that sees this machine's files and, in the folder that comes with it, the host's.
    ///
    /// # Errors
    /// The host is down.
    fn onlooker(&self, program: &str) -> anyhow::Result<(Command, PathBuf)>;

    /// An `rsync` of this machine that sees this machine's files, and what it calls the root of the host.
    ///
    /// # Errors
    /// The host is down.
    fn rsync(&self) -> anyhow::Result<(Command, PathBuf)> {
        self.onlooker("rsync")
    }

    /// Returns when the host is up, should it be going down or coming up.
    ///
    /// # Errors
    /// It does not come up.
    fn await_up(&self) -> anyhow::Result<()>;

    /// Whether the host has that file.
    fn has(&self, path: &str) -> bool {
        self.path(path).symlink_metadata().is_ok()
    }

    /// The text of a file.
    ///
    /// # Errors
    /// It cannot be read.
    fn read(&self, path: &str) -> anyhow::Result<String> {
        std::fs::read_to_string(self.path(path)).with_context(|| format!("{}: {path}", self.name()))
    }

    /// Writes a file, and makes its folder.
    ///
    /// # Errors
    /// It cannot be written.
    fn write(&self, path: &str, text: &str) -> anyhow::Result<()> {
        let path = self.path(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&path, text).with_context(|| path.display().to_string())
    }

    /// Copies a file of this machine, or what is in a folder, to that path of the host, with everything that they have.
    ///
    /// # Errors
    /// It cannot be copied.
    fn put(&self, from: &Path, to: &str) -> anyhow::Result<()> {
        let from = if from.is_dir() {
            from.join(".")
        } else {
            from.to_owned()
        };
        let copied = Command::new("cp")
            .arg("-a")
            .args([&from, &self.path(to)])
            .status()?;
        ensure!(copied.success(), "cp: {copied}");
        Ok(())
    }

    /// The names in a folder; none, if there is no such folder.
    ///
    /// # Errors
    /// It cannot be read.
    fn names(&self, folder: &str) -> anyhow::Result<Vec<String>> {
        let Ok(entries) = std::fs::read_dir(self.path(folder)) else {
            return Ok(Vec::new());
        };
        entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    /// The names of its logical volumes.
    ///
    /// # Errors
    /// It does not tell.
    fn volumes(&self) -> anyhow::Result<Vec<String>> {
        let mut names = self.names("etc/paper/lvm/vsh")?;
        names.retain(|name| !["pool", "tags"].contains(&name.as_str()));
        Ok(names)
    }

    /// Orders a fault for the next time that side of that step is launched on the host.
    ///
    /// # Errors
    /// The order cannot be written.
    fn order(&self, fault: Fault, during: During) -> anyhow::Result<()> {
        self.write(&format!("fault/{during}"), &format!("{}\n", fault.word()))
    }

    /// The faults that have happened, a line each.
    fn faults_done(&self) -> String {
        self.read("fault/done").unwrap_or_default()
    }
}

/// Hosts `vsh-01`, `vsh-02`, … and a folder for their master. Dropped, what runs in it ends.
pub trait World: Send + Sync {
    /// The folder of a master of these hosts, with its `slaves.conf` and `vsjob.toml`.
    fn folder(&self) -> &Path;

    /// The hosts.
    fn hosts(&self) -> Vec<&dyn Host>;

    /// A life of a master of these hosts, undisturbed.
    fn life(&self, operation: &str, args: &[(&str, &str)]) -> Life;

    /// Returns when each host is up.
    ///
    /// # Errors
    /// One does not come up.
    fn await_up(&self) -> anyhow::Result<()> {
        self.hosts().into_iter().try_for_each(Host::await_up)
    }

    /// The host `vsh-NUMBER`.
    fn host(&self, number: usize) -> &dyn Host {
        self.hosts()[number - 1]
    }
}

/// Does something to all hosts at once.
///
/// # Errors
/// It failed on one.
pub fn on_all(
    hosts: Vec<&dyn Host>,
    act: impl Fn(&dyn Host) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<()> {
    std::thread::scope(|scope| {
        let act = &act;
        let acting: Vec<_> = hosts
            .into_iter()
            .map(|host| scope.spawn(move || act(host)))
            .collect();
        acting.into_iter().try_for_each(|acting| {
            acting
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })
}

/// Where the worlds of a matrix come from.
pub enum Worlds {
    /// Paper hosts, that many.
    Paper(usize),
    /// Paper hosts with these options in slaves.conf.
    PaperWith(&'static [&'static str]),
    /// Labs, each a world at a time.
    Lab(Labs),
}

impl Worlds {
    /// A world in which nothing has happened yet.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn world(&self) -> anyhow::Result<Box<dyn World + '_>> {
        Ok(match self {
            Self::Paper(hosts) => Box::new(PaperPool::new(*hosts)?),
            Self::PaperWith(options) => Box::new(PaperPool::with(options)?),
            Self::Lab(labs) => Box::new(labs.world()?),
        })
    }
}
