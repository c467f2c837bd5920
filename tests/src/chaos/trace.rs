//! What happened in a run, line by line, in a file that stays when the run fails.

use std::fmt::Display;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use vsjob_engine::{Clock, SystemClock, Timestamp};

use super::Seed;

/// The folder of what stays, in this machine's folder for temporary files.
const FOLDER: &str = "vsjob-chaos";

pub(super) struct Trace {
    path: PathBuf,
    file: File,
    begin: Timestamp,
    aloud: bool,
}

impl Trace {
    /// An empty one; `aloud`: on standard output too.
    pub(super) fn new(seed: Seed, aloud: bool) -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(FOLDER);
        std::fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{seed}.trace"));
        Ok(Self {
            file: File::create(&path).with_context(|| path.display().to_string())?,
            path,
            begin: SystemClock.now(),
            aloud,
        })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a line, with the time since the beginning.
    pub(super) fn tell(&mut self, line: impl Display) -> anyhow::Result<()> {
        let seconds = SystemClock.now().since(self.begin).as_millis();
        let line = format!("{:>7}.{:03} {line}\n", seconds / 1000, seconds % 1000);
        if self.aloud {
            // Nobody may be reading.
            let _ = std::io::stdout().write_all(line.as_bytes());
        }
        Ok(self.file.write_all(line.as_bytes())?)
    }

    /// Keeps a copy of a folder beside it, and answers where.
    pub(super) fn keep(&self, folder: &Path) -> anyhow::Result<PathBuf> {
        let kept = self.path.with_extension("kept");
        let _ = std::fs::remove_dir_all(&kept);
        let copied = std::process::Command::new("cp")
            .args(["-a", "--no-target-directory"])
            .args([folder, &kept])
            .status()?;
        anyhow::ensure!(copied.success(), "cp: {copied}");
        Ok(kept)
    }
}
