//! The tree of a generation on the disk of the master: begun from the last one, sealed, removed. On btrfs each is a
//! subvolume; elsewhere a folder whose unchanged files are those of the last one, by hard links.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;

use rustix::process::{Pid, Signal, getpid, kill_process};
use vsjob_engine::Clock;

use crate::BadAmount;

/// What a tree is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TreeKind {
    /// A folder. What has not changed is linked to the last generation's.
    #[default]
    Folder,
    /// A subvolume of a btrfs, begun as a snapshot of the last generation's.
    Subvolume,
}

impl FromStr for TreeKind {
    type Err = BadAmount;

    fn from_str(text: &str) -> Result<Self, BadAmount> {
        match text {
            "dir" => Ok(Self::Folder),
            "btrfs" => Ok(Self::Subvolume),
            _ => Err(BadAmount::new(text, "`dir` or `btrfs`")),
        }
    }
}

impl fmt::Display for TreeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Folder => "dir",
            Self::Subvolume => "btrfs",
        })
    }
}

impl TreeKind {
    /// Makes the tree at `at`, as it is in the generation before, or empty.
    pub(crate) fn begin(self, at: &Path, base: Option<&Path>) -> io::Result<()> {
        if at.exists() {
            return Ok(());
        }
        match (self, base) {
            (Self::Folder, _) => fs::create_dir(at),
            (Self::Subvolume, None) => btrfs(&["subvolume", "create"], &[at]),
            (Self::Subvolume, Some(base)) => btrfs(&["subvolume", "snapshot"], &[base, at]),
        }
    }

    /// Nothing in it changes from now on, and all of it is on the disk.
    pub(crate) fn seal(self, at: &Path) -> io::Result<()> {
        if self == Self::Subvolume {
            btrfs(
                &["property", "set", "-f", "-ts"],
                &[at, Path::new("ro"), Path::new("true")],
            )?;
        }
        rustix::fs::syncfs(File::open(at)?)?;
        Ok(())
    }

    /// Removes it, if it is there.
    pub(crate) fn remove(self, at: &Path) -> io::Result<()> {
        match (self, fs::symlink_metadata(at)) {
            (_, Err(why)) if is_gone(&why) => Ok(()),
            (Self::Subvolume, _) => btrfs(&["subvolume", "delete", "-c"], &[at]),
            (Self::Folder, _) => fs::remove_dir_all(at),
        }
    }
}

/// Nothing has that name, nor can have.
pub(crate) fn is_gone(why: &io::Error) -> bool {
    matches!(why.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn btrfs(words: &[&str], paths: &[&Path]) -> io::Result<()> {
    let output = Command::new("btrfs").args(words).args(paths).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim().escape_debug();
    Err(io::Error::other(format!("btrfs {}: {said}", words.join(" "))))
}

/// Ends what a killed master left behind that still writes there, and returns when it is gone. What it has received
/// stays.
pub(crate) async fn end_orphans(lock: &Path, clock: &dyn Clock) -> io::Result<()> {
    let Ok(file) = File::open(lock) else {
        return Ok(());
    };
    for _ in 0..600 {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(fs::TryLockError::Error(why)) => return Err(why),
            Err(fs::TryLockError::WouldBlock) => {
                for process in holders(lock) {
                    // It may be gone already.
                    let _ = kill_process(process, Signal::TERM);
                }
                clock.sleep(Duration::from_millis(100)).await;
            }
        }
    }
    Err(io::Error::new(
        io::ErrorKind::TimedOut,
        "what an earlier master began to receive does not end",
    ))
}

/// The other processes that have the file open.
fn holders(lock: &Path) -> Vec<Pid> {
    let has_it = |pid: &Pid| {
        let open = fs::read_dir(format!("/proc/{}/fd", pid.as_raw_nonzero()));
        let mut open = open.into_iter().flatten().flatten();
        open.any(|fd| fs::read_link(fd.path()).is_ok_and(|file| file == lock))
    };
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = all.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
    pids.filter(|pid| *pid != getpid() && has_it(pid)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vsjob_engine::SystemClock;

    #[tokio::test]
    async fn what_holds_the_lock_is_ended_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let lock = folder.path().join("lock");
        File::create(&lock).unwrap();
        let hold = ["--no-fork", lock.to_str().unwrap(), "sleep", "1000"];
        let mut orphan = Command::new("flock").args(hold).spawn().unwrap();
        let mut other = Command::new("sleep").arg("1000").spawn().unwrap();
        while holders(&lock).is_empty() {
            std::thread::yield_now();
        }
        end_orphans(&lock, &SystemClock).await.unwrap();
        assert!(!orphan.wait().unwrap().success());
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
        end_orphans(&folder.path().join("none"), &SystemClock)
            .await
            .unwrap();
    }
}
