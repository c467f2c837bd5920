//! A small file system of a test's own, on a folder. Dropped, it goes.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::ensure;

use crate::needs;

/// A mounted file system.
pub struct Mounted {
    folder: PathBuf,
}

impl Mounted {
    /// One in memory. `None` where nothing can be mounted; this has said so.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn in_memory(folder: &Path, megabytes: u32) -> anyhow::Result<Option<Self>> {
        let size = format!("size={megabytes}M");
        Self::on(folder, &["-t", "tmpfs", "-o", &size, "vsjob-test"])
    }

    /// A btrfs in the file `image`. `None` where none can be mounted; this has said so.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn btrfs(folder: &Path, image: &Path, megabytes: u64) -> anyhow::Result<Option<Self>> {
        std::fs::File::create(image)?.set_len(megabytes << 20)?;
        let Ok(made) = Command::new("mkfs.btrfs").arg("-q").arg(image).output() else {
            needs::skip("mkfs.btrfs");
            return Ok(None);
        };
        ensure!(made.status.success(), "{made:?}");
        Self::on(
            folder,
            &["-t", "btrfs", "-o", "loop", &image.display().to_string()],
        )
    }

    fn on(folder: &Path, what: &[&str]) -> anyhow::Result<Option<Self>> {
        std::fs::create_dir_all(folder)?;
        let mounted = Command::new("mount").args(what).arg(folder).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            let folder = folder.to_owned();
            return Ok(Some(Self { folder }));
        }
        needs::skip("root, to mount a file system");
        Ok(None)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Nothing else can be done about it.
        let _ = Command::new("umount").arg("--lazy").arg(&self.folder).status();
    }
}
