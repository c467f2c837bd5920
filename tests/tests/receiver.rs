//! What a job's key runs on the target: a receiver that a broken line has left is ended by the next one, and nobody else.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};
use tempfile::TempDir;

const TRANSFER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../workers/src/transfer.sh");

/// A job's folder on the target, with its receiver.
fn folder() -> anyhow::Result<TempDir> {
    let folder = tempfile::tempdir()?;
    let script = Command::new("sh")
        .args(["-euc", "R=; . \"$1\"; transfer_receiver", "test", TRANSFER])
        .output()?;
    ensure!(script.status.success(), "{script:?}");
    std::fs::write(folder.path().join("receive"), script.stdout)?;
    std::fs::write(folder.path().join("into"), "/nowhere\n")?;
    std::fs::write(folder.path().join("scratch"), "/nowhere\n")?;
    Ok(folder)
}

/// A process in a group of its own. Dropped, it is killed.
struct Process(Child);

impl Process {
    fn start(program: &str, args: &[&str]) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null()).process_group(0);
        Ok(Self(command.spawn()?))
    }

    /// When it started, as the kernel counts.
    fn start_time(&self) -> anyhow::Result<String> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        let (_, fields) = stat.rsplit_once(") ").context("no name")?;
        Ok(fields.split(' ').nth(19).context("no start time")?.to_owned())
    }

    fn runs(&mut self) -> anyhow::Result<bool> {
        Ok(self.0.try_wait()?.is_none())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Somebody who has the lock, and lets it go after so many seconds.
fn holder(folder: &Path, seconds: &str) -> anyhow::Result<Process> {
    let lock = folder.join("lock");
    let process = Process::start(
        "flock",
        &["--no-fork", &lock.display().to_string(), "sleep", seconds],
    )?;
    // Until it has the lock, it is to be had.
    while Command::new("flock")
        .arg("-n")
        .arg(&lock)
        .arg("true")
        .status()?
        .success()
    {}
    Ok(process)
}

fn end(folder: &Path) -> anyhow::Result<bool> {
    let ended = Command::new("sh")
        .arg(folder.join("receive"))
        .arg(folder)
        .arg("end")
        .status()?;
    Ok(ended.success())
}

#[test]
fn a_receiver_that_was_left_is_ended() -> anyhow::Result<()> {
    let folder = folder()?;
    let mut left = holder(folder.path(), "1000")?;
    let said = format!("{} {}\n", left.0.id(), left.start_time()?);
    std::fs::write(folder.path().join("holder"), said)?;
    ensure!(end(folder.path())?, "it is not ended");
    ensure!(!left.runs()?, "it still runs");
    Ok(())
}

#[test]
fn a_process_that_has_got_the_number_of_a_receiver_is_left_alone() -> anyhow::Result<()> {
    let folder = folder()?;
    let mut bystander = Process::start("sleep", &["1000"])?;
    let _newer = holder(folder.path(), "2")?;
    std::fs::write(folder.path().join("holder"), format!("{} 1\n", bystander.0.id()))?;
    ensure!(end(folder.path())?, "the lock was never free");
    ensure!(bystander.runs()?, "it was killed");
    Ok(())
}
