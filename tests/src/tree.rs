//! A template of the lab with more in it than it has of itself.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::ensure;
use tempfile::TempDir;

use crate::lab::Template;

/// The root of a guest to be.
pub struct Tree {
    folder: TempDir,
}

impl Tree {
    /// That of a template.
    ///
    /// # Errors
    /// The template cannot be made or unpacked.
    pub fn of(template: Template) -> anyhow::Result<Self> {
        let tree = Self {
            folder: tempfile::Builder::new().prefix("vsjob-tree-").tempdir()?,
        };
        std::fs::create_dir(tree.root())?;
        tree.tar("-xpf", &template.archive()?)?;
        Ok(tree)
    }

    /// Puts a file into it, by its path without the leading slash.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn file(&self, path: &str, mode: u32, content: &[u8]) -> anyhow::Result<()> {
        let path = self.root().join(path);
        std::fs::write(&path, content)?;
        std::fs::set_permissions(path, Permissions::from_mode(mode))?;
        Ok(())
    }

    /// Puts a file of that many random bytes into it: nothing makes them fewer on their way.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn random_file(&self, path: &str, bytes: usize, random: &mut fastrand::Rng) -> anyhow::Result<()> {
        let mut content = vec![0; bytes];
        random.fill(&mut content);
        self.file(path, 0o644, &content)
    }

    /// Its archive, which lives as long as it does.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn archive(&self) -> anyhow::Result<PathBuf> {
        let archive = self.folder.path().join("tree.tar");
        self.tar("-cf", &archive)?;
        Ok(archive)
    }

    /// The folder that it is in.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn tar(&self, what: &str, archive: &Path) -> anyhow::Result<()> {
        let mut tar = Command::new("tar");
        tar.arg("-C")
            .arg(self.root())
            .arg("--numeric-owner")
            .arg(what)
            .arg(archive);
        if what == "-cf" {
            tar.arg(".");
        }
        let output = tar.output()?;
        ensure!(
            output.status.success(),
            "{tar:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }
}
