//! The program `vsjob` as a user has it: the binary that was built beside the test's own, a folder for its master, and
//! what it said.

use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// How long a master may take to be ready, or to end: a bound, not a measure.
const READY: Duration = Duration::from_secs(60);

/// How long is waited between two looks.
const MOMENT: Duration = Duration::from_millis(20);

/// A folder with settings, in which a master can run.
pub struct Program {
    folder: TempDir,
    binary: PathBuf,
    master_env: Vec<(&'static str, PathBuf)>,
}

/// What one invocation said.
#[derive(Debug)]
pub struct Said {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl Said {
    /// Its standard output, if it ended well.
    ///
    /// # Errors
    /// It did not.
    pub fn ok(self) -> anyhow::Result<String> {
        ensure!(self.status.success(), "{}: {}{}", self.status, self.out, self.err);
        Ok(self.out.trim_end().to_owned())
    }

    /// Its standard output as JSON.
    ///
    /// # Errors
    /// It did not end well, or it is none.
    pub fn json(self) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&self.ok()?)?)
    }

    /// Checks that it was no: with this status, this code, a hint, and nothing that looks like a fault of the program.
    ///
    /// # Errors
    /// Says what was said instead.
    pub fn refuses(&self, code: &str, status: i32) -> anyhow::Result<()> {
        ensure!(self.status.code() == Some(status), "{self:?}");
        ensure!(self.err.contains(code), "{self:?}");
        ensure!(!self.err.contains("panicked"), "{self:?}");
        let hinted = ["hint: ", "tip: ", "--help"]
            .iter()
            .any(|word| self.err.contains(word));
        ensure!(hinted, "no hint: {self:?}");
        Ok(())
    }
}

impl Program {
    /// A folder with these settings and hosts.
    ///
    /// # Errors
    /// The folder cannot be made, or `vsjob` was not built.
    pub fn new(settings: &str, hosts: &str) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("vsjob-cli-").tempdir()?;
        std::fs::write(folder.path().join("vsjob.toml"), settings)?;
        std::fs::write(folder.path().join("slaves.conf"), hosts)?;
        Ok(Self {
            folder,
            binary: binary()?,
            master_env: Vec::new(),
        })
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The master's own folder.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.folder().join("state")
    }

    /// More settings.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn set(&self, settings: &str) -> anyhow::Result<()> {
        let path = self.folder().join("vsjob.toml");
        let before = std::fs::read_to_string(&path)?;
        Ok(std::fs::write(path, before + settings)?)
    }

    /// Masters that are started from now on have this in their environment.
    pub fn master_env(&mut self, name: &'static str, path: &Path) {
        self.master_env.push((name, path.to_owned()));
    }

    /// `vsjob ARGS`, not started yet.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .args(args)
            .env("VSJOB_CONFIG", self.folder().join("vsjob.toml"))
            .env("VSJOB_STATE", self.state())
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    }

    /// Runs `vsjob ARGS` to its end.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn run(&self, args: &[&str]) -> anyhow::Result<Said> {
        said(self.command(args).output()?)
    }

    /// Starts a master and waits until it is ready.
    ///
    /// # Errors
    /// It ends instead, or takes too long.
    pub fn master(&self) -> anyhow::Result<Master> {
        self.master_with(&[])
    }

    /// The same with more options.
    ///
    /// # Errors
    /// It ends instead, or takes too long.
    pub fn master_with(&self, options: &[&str]) -> anyhow::Result<Master> {
        let socket = self.folder().join("notify");
        let _ = std::fs::remove_file(&socket);
        let ready = UnixDatagram::bind(&socket)?;
        ready.set_read_timeout(Some(MOMENT))?;
        let log = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.folder().join("log"))?;
        let child = self
            .command(&[&["master"], options].concat())
            .env("NOTIFY_SOCKET", &socket)
            .envs(self.master_env.iter().cloned())
            .stderr(log)
            .spawn()?;
        let mut master = Master { child };
        let mut word = [0; 100];
        for _ in 0..READY.as_millis() / MOMENT.as_millis() {
            match ready.recv(&mut word) {
                Ok(length) if word[..length].starts_with(b"READY=1") => return Ok(master),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                other => bail!("{other:?}; {}", self.log()),
            }
            if let Some(status) = master.child.try_wait()? {
                bail!("it ended with {status}: {}", self.log());
            }
        }
        bail!("it does not become ready: {}", self.log())
    }

    /// What the masters have said.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder().join("log")).unwrap_or_default()
    }
}

/// A running master. Dropped, it is killed.
pub struct Master {
    child: Child,
}

impl Master {
    /// SIGKILL.
    ///
    /// # Errors
    /// It is gone already.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.was_killed()
    }

    /// Checks that it has been killed, by whomever.
    ///
    /// # Errors
    /// It ended in another way, or not at all.
    pub fn was_killed(mut self) -> anyhow::Result<()> {
        let status = self.child.wait()?;
        ensure!(status.signal() == Some(Signal::KILL.as_raw()), "{status}");
        Ok(())
    }

    /// Whether it has not ended yet.
    ///
    /// # Errors
    /// It cannot be found out.
    pub fn runs(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Waits for its end, which is its own, and answers how it ended.
    ///
    /// # Errors
    /// It does not end.
    pub fn ends(mut self) -> anyhow::Result<ExitStatus> {
        for _ in 0..READY.as_millis() / MOMENT.as_millis() {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::park_timeout(MOMENT);
        }
        bail!("the master does not end by itself")
    }

    /// SIGTERM, and how it ended.
    ///
    /// # Errors
    /// It cannot be signalled.
    pub fn stop(mut self) -> anyhow::Result<ExitStatus> {
        let pid = Pid::from_raw(self.child.id().try_into()?).context("no process")?;
        kill_process(pid, Signal::TERM)?;
        Ok(self.child.wait()?)
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process that has ended said.
///
/// # Errors
/// It is not text.
pub fn said(output: std::process::Output) -> anyhow::Result<Said> {
    Ok(Said {
        status: output.status,
        out: String::from_utf8(output.stdout)?,
        err: String::from_utf8(output.stderr)?,
    })
}

/// `target/debug/vsjob`, for a test that is `target/debug/deps/NAME`.
///
/// # Errors
/// It has not been built.
pub fn binary() -> anyhow::Result<PathBuf> {
    let test = std::env::current_exe()?;
    let folder = test
        .parent()
        .and_then(Path::parent)
        .context("a test without a folder")?;
    let binary = folder.join("vsjob");
    ensure!(
        binary.exists(),
        "{} is missing: `cargo build` first",
        binary.display()
    );
    Ok(binary)
}
