//! Trees that are logical volumes. What is called `tree` in the folder of such a generation is a link to where the volume is
//! mounted, `FOLDER/.volumes/GUEST.JOB`; GUEST.JOB is its name, too. The scripts of the storages on LVM do the rest.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use vsjob_engine::Outputs;
use vsjob_workers::run_here;

use super::INCOMING;
use super::tree::Removed;

/// Where volumes are mounted, beside the folders of the guests.
const MOUNTS: &str = ".volumes";

/// The volume that a tree is.
pub(super) struct Volume<'a> {
    scripts: &'static str,
    at: &'a Path,
    /// Of itself, and where it is mounted.
    name: OsString,
    mounts: PathBuf,
}

impl<'a> Volume<'a> {
    /// That of the tree `at`, which has one.
    pub(super) fn at(at: &'a Path, scripts: &'static str) -> io::Result<Self> {
        let (name, mounts) = (name_of(at)?, guests(at)?.join(MOUNTS));
        Ok(Self {
            scripts,
            at,
            name,
            mounts,
        })
    }

    /// One for the tree `at`, that of a job.
    pub(super) fn make(at: &'a Path, scripts: &'static str) -> io::Result<Self> {
        let folder = at.parent().unwrap_or(at);
        let guest = folder.parent().and_then(Path::file_name).unwrap_or_default();
        let job = folder.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let mut name = guest.to_owned();
        name.push(".");
        name.push(job.trim_start_matches(INCOMING));
        if !at.is_symlink() {
            symlink(Path::new("../..").join(MOUNTS).join(name), at)?;
        }
        Self::at(at, scripts)
    }

    /// As that of `base` is, or empty, for so many bytes of files.
    pub(super) fn begin(&self, base: Option<&Path>, bytes: u64) -> io::Result<()> {
        let bytes = bytes.to_string();
        self.run("begin", &[&before(base)?, bytes.as_ref()]).map(|_| ())
    }

    /// Mounts it, if it is not.
    pub(super) fn open(&self) -> io::Result<PathBuf> {
        self.run("open", &[])?;
        Ok(self.mounts.join(&self.name))
    }

    /// That it has not lost what was written to it.
    pub(super) fn is_sound(&self) -> io::Result<()> {
        self.run("sound", &[]).map(|_| ())
    }

    /// All that was written is in it, and nobody works in it, nor in that of `base` which it is to replace.
    pub(super) fn finish(&self, base: Option<&Path>) -> io::Result<()> {
        self.run("finish", &[&before(base)?]).map(|_| ())
    }

    /// It is what it is to be, on the disk; in the place of that of `base`, if a guest has one.
    pub(super) fn settle(&self, base: Option<&Path>) -> io::Result<()> {
        self.run("settle", &[&before(base)?]).map(|_| ())
    }

    /// Removes it, unless it is in the place of that of `base`.
    pub(super) fn remove(&self, base: Option<&Path>) -> io::Result<Removed> {
        let answer = self.run("drop", &[&before(base)?])?;
        if answer.contains_key("settled") {
            return Ok(Removed::Settled);
        }
        fs::remove_file(self.at)?;
        Ok(Removed::Gone)
    }

    fn run(&self, function: &str, args: &[&OsStr]) -> io::Result<Outputs> {
        let mut all = vec![self.mounts.as_os_str(), function.as_ref(), self.name.as_os_str()];
        all.extend(args);
        let lock = self.at.with_file_name("lock");
        run_here("tree", self.scripts, &all, &lock).map_err(io::Error::other)
    }
}

/// The name of the volume of the generation before; empty if there is none.
fn before(base: Option<&Path>) -> io::Result<OsString> {
    base.map_or(Ok(OsString::new()), name_of)
}

fn name_of(at: &Path) -> io::Result<OsString> {
    let link = fs::read_link(at)?;
    Ok(link.file_name().unwrap_or_default().to_owned())
}

/// The folder of all guests, in which the tree `at` is.
fn guests(at: &Path) -> io::Result<&Path> {
    at.ancestors()
        .nth(3)
        .ok_or_else(|| io::Error::other("a tree is beneath the folder of a guest"))
}
