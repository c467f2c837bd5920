//! The tree of a generation on the disk of the master: begun from the last one, sealed, removed. On btrfs each is a
//! subvolume; elsewhere a folder whose unchanged files are those of the last one, by hard links.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;

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
            (_, Err(why)) if why.kind() == io::ErrorKind::NotFound => Ok(()),
            (Self::Subvolume, _) => btrfs(&["subvolume", "delete", "-c"], &[at]),
            (Self::Folder, _) => fs::remove_dir_all(at),
        }
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

/// Waits until nothing that a killed master left behind writes there any more. It ends by itself: nobody reads what it
/// says.
pub(crate) async fn await_orphans(lock: &Path, clock: &dyn Clock) -> io::Result<()> {
    let Ok(file) = File::open(lock) else {
        return Ok(());
    };
    for _ in 0..600 {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(fs::TryLockError::WouldBlock) => clock.sleep(Duration::from_millis(100)).await,
            Err(fs::TryLockError::Error(why)) => return Err(why),
        }
    }
    Err(io::Error::new(
        io::ErrorKind::TimedOut,
        "what an earlier master began to receive does not end",
    ))
}
