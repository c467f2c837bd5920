//! The tree of a generation on the disk of the master: begun from the last one, sealed, removed. On btrfs each is a
//! subvolume, on LVM a logical volume; elsewhere a folder whose unchanged files are those of the last one, by hard links.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;

use rustix::process::{Pid, Signal, getpid, kill_process};
use vsjob_engine::Clock;
use vsjob_workers::storage::{TREES_LVM, TREES_LVM_THIN};

use super::volume::Volume;
use crate::BadAmount;

/// What a tree is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TreeKind {
    /// A folder. What has not changed is linked to the last generation's.
    #[default]
    Folder,
    /// A subvolume of a btrfs, begun as a snapshot of the last generation's.
    Subvolume,
    /// The one logical volume of its guest, of which a snapshot is received into and merged when it is whole.
    Volume,
    /// A thin logical volume, begun as a snapshot of the last generation's.
    ThinVolume,
}

/// What became of a tree that was to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removed {
    /// It is gone.
    Gone,
    /// It has become that of the generation before, which cannot be taken back.
    Settled,
}

impl FromStr for TreeKind {
    type Err = BadAmount;

    fn from_str(text: &str) -> Result<Self, BadAmount> {
        match text {
            "dir" => Ok(Self::Folder),
            "btrfs" => Ok(Self::Subvolume),
            "lvm" => Ok(Self::Volume),
            "lvm-thin" => Ok(Self::ThinVolume),
            _ => Err(BadAmount::new(text, "`dir`, `btrfs`, `lvm` or `lvm-thin`")),
        }
    }
}

impl fmt::Display for TreeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Folder => "dir",
            Self::Subvolume => "btrfs",
            Self::Volume => "lvm",
            Self::ThinVolume => "lvm-thin",
        })
    }
}

impl TreeKind {
    /// Whether a guest has one generation at most: the next takes its place.
    pub(crate) fn replaces(self) -> bool {
        self == Self::Volume
    }

    /// Whether a tree holds so much and no more.
    pub(crate) fn has_a_size(self) -> bool {
        self.scripts().is_some()
    }

    fn scripts(self) -> Option<&'static str> {
        match self {
            Self::Folder | Self::Subvolume => None,
            Self::Volume => Some(TREES_LVM),
            Self::ThinVolume => Some(TREES_LVM_THIN),
        }
    }

    /// Makes the tree at `at`, as it is in the generation before, or empty, for so many bytes of files.
    pub(crate) fn begin(self, at: &Path, base: Option<&Path>, bytes: u64) -> io::Result<()> {
        if let Some(scripts) = self.scripts() {
            return Volume::make(at, scripts)?.begin(base, bytes);
        }
        if at.exists() {
            return Ok(());
        }
        match base {
            Some(base) if self == Self::Subvolume => btrfs(&["subvolume", "snapshot"], &[base, at]),
            None if self == Self::Subvolume => btrfs(&["subvolume", "create"], &[at]),
            _ => fs::create_dir(at),
        }
    }

    /// Where it can be read: after a boot of this machine nobody has mounted it.
    pub(crate) fn open(self, at: &Path) -> io::Result<PathBuf> {
        match self.scripts() {
            None => Ok(at.to_owned()),
            Some(scripts) => Volume::at(at, scripts)?.open(),
        }
    }

    /// That all which was written to it is in it.
    pub(crate) fn is_sound(self, at: &Path) -> io::Result<()> {
        match self.scripts() {
            None => Ok(()),
            Some(scripts) => Volume::at(at, scripts)?.is_sound(),
        }
    }

    /// All that was written is in it: what would stand in the way of its seal shows here, where there is a way back.
    pub(crate) fn finish(self, at: &Path, base: Option<&Path>) -> io::Result<()> {
        match self.scripts() {
            None => Ok(()),
            Some(scripts) => Volume::at(at, scripts)?.finish(base),
        }
    }

    /// Nothing in it changes from now on, and all of it is on the disk.
    pub(crate) fn seal(self, at: &Path, base: Option<&Path>) -> io::Result<()> {
        if self == Self::Subvolume {
            btrfs(
                &["property", "set", "-f", "-ts"],
                &[at, Path::new("ro"), Path::new("true")],
            )?;
        }
        match self.scripts() {
            None => Ok(rustix::fs::syncfs(File::open(at)?)?),
            Some(scripts) => Volume::at(at, scripts)?.settle(base),
        }
    }

    /// Removes it, if it is there and has not taken the place of `base`.
    pub(crate) fn remove(self, at: &Path, base: Option<&Path>) -> io::Result<Removed> {
        match (self.scripts(), fs::symlink_metadata(at)) {
            (_, Err(why)) if is_gone(&why) => {}
            (Some(scripts), _) => return Volume::at(at, scripts)?.remove(base),
            (None, _) if self == Self::Subvolume => btrfs(&["subvolume", "delete", "-c"], &[at])?,
            (None, _) => fs::remove_dir_all(at)?,
        }
        Ok(Removed::Gone)
    }
}

/// Nothing has that name, nor can have.
pub(crate) fn is_gone(why: &io::Error) -> bool {
    matches!(why.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// What was to go has gone, whoever has taken it away.
pub(crate) fn gone_is_fine(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(why) if is_gone(&why) => Ok(()),
        other => other,
    }
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

    #[test]
    fn what_is_gone_already_is_gone_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        gone_is_fine(fs::remove_file(folder.path().join("none"))).unwrap();
        gone_is_fine(fs::remove_file(file.join("below"))).unwrap();
        gone_is_fine(fs::remove_dir(folder.path())).unwrap_err();
        gone_is_fine(fs::remove_file(&file)).unwrap();
        assert!(!file.exists());
    }

    #[test]
    fn a_tree_that_cannot_be_looked_for_is_not_gone() {
        let folder = tempfile::tempdir().unwrap();
        let around = folder.path().join("around");
        std::os::unix::fs::symlink("around", &around).unwrap();
        TreeKind::Folder.remove(&around.join("tree"), None).unwrap_err();
        let none = folder.path().join("tree");
        assert_eq!(TreeKind::Folder.remove(&none, None).unwrap(), Removed::Gone);
    }

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
