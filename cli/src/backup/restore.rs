//! Restores a backup into a folder in which there is no store yet. The archive is not trusted: its entries have the
//! names and kinds that a backup has, or it is none. What a crash leaves half-way is no store yet, and is restored again.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use tar::{Archive, Entry, EntryType};
use tempfile::TempDir;
use vsjob_engine::store;

use super::manifest::{FORMAT, Manifest, NAME};
use crate::{Complaint, Exit, master};

/// The most that a manifest, or a configuration file, may have, in bytes.
const TEXT_LIMIT: u64 = 16 << 20;

/// What was restored.
pub(crate) struct Restored {
    /// What the backup says about itself.
    pub manifest: Manifest,
    /// Configuration files that were not there, and are now.
    pub config: Vec<PathBuf>,
    /// Those of the backup that differ from what is there, under the names beside it where they were put.
    pub differing: Vec<PathBuf>,
}

/// Restores `file`: its store into `state`, its configuration files into `config`, where those that are there stay. A
/// master starts there only to take over.
///
/// # Errors
/// It is no whole backup; there is a store in `state`; or something cannot be written. There is no store in `state` then,
/// if there was none.
pub(crate) fn restore(file: &Path, state: &Path, config: &Path) -> Result<Restored, Complaint> {
    let failed = |error: &io::Error| unrestored(file, error);
    if store::exists(state)? {
        return Err(Complaint::new(
            "VSJ0554",
            Exit::Refused,
            format!("there is a master's store in {} already", state.display()),
        )
        .hint("restore into another folder with --state, or move that one away"));
    }
    let archive = File::open(file).map_err(|e| failed(&e))?;
    let unpacked = unpack(archive, state).map_err(|e| failed(&e))?;
    let manifest = unpacked.manifest;
    let audit = store::audit(&unpacked.folder.path().join("store"))?;
    if let Some(damage) = audit.damage {
        return Err(store::StoreError::Damaged(damage).into());
    }
    let head = master::verified(&audit).head;
    if (audit.head.sequence, &head) != (manifest.records, &manifest.head) {
        return Err(failed(&bad(&format!(
            "its journal ends at record {} ({head}), not at {} ({})",
            audit.head.sequence,
            manifest.records,
            manifest.head.escape_default()
        ))));
    }
    // First of all: whatever becomes of the rest, no master starts here as if nothing had happened.
    master::mark_restored(state, &manifest.machine, manifest.made).map_err(|e| failed(&e))?;
    store::copy(&unpacked.folder.path().join("store"), state)?;
    let mut restored = Restored {
        manifest,
        config: Vec::new(),
        differing: Vec::new(),
    };
    for (name, content) in unpacked.config {
        place(&config.join(name), &content, &mut restored).map_err(|e| failed(&e))?;
    }
    Ok(restored)
}

/// Puts a configuration file where it belongs, or beside the one that is there.
fn place(path: &Path, content: &[u8], restored: &mut Restored) -> io::Result<()> {
    match fs::read(path) {
        Ok(known) if known == content => Ok(()),
        Ok(_) => {
            let mut beside = path.as_os_str().to_owned();
            beside.push(".from-backup");
            fs::write(&beside, content)?;
            restored.differing.push(beside.into());
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(path, content)?;
            File::open(path)?.sync_all()?;
            restored.config.push(path.to_owned());
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// A backup that was unpacked, and is not yet known to be whole.
struct Unpacked {
    manifest: Manifest,
    config: Vec<(String, Vec<u8>)>,
    /// Has the folder `store`. Beside where that belongs, since there is room or there will be none.
    folder: TempDir,
}

fn unpack(archive: File, state: &Path) -> io::Result<Unpacked> {
    DirBuilder::new().recursive(true).mode(0o700).create(state)?;
    let folder = TempDir::with_prefix_in(".restoring-", state)?;
    let mut archive = Archive::new(io::BufReader::new(archive));
    let (mut manifest, mut config) = (None, Vec::new());
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = plain(&entry)?;
        let parts: Vec<&str> = path.split('/').collect();
        match parts[..] {
            [NAME] => manifest = Some(read_manifest(&mut entry)?),
            ["config", name] => config.push((name.to_owned(), text(&mut entry)?)),
            ["store"] | ["store", "journal" | "snapshots"] if entry.header().entry_type().is_dir() => {
                fs::create_dir_all(folder.path().join(&path))?;
            }
            ["store", ..] if parts.len() <= 3 && entry.header().entry_type().is_file() => {
                let mut to = OpenOptions::new();
                let mut to = to
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(folder.path().join(&path))?;
                io::copy(&mut entry, &mut to)?;
            }
            _ => {
                return Err(bad(&format!(
                    "`{}` does not belong into one",
                    path.escape_default()
                )));
            }
        }
    }
    Ok(Unpacked {
        manifest: manifest.ok_or_else(|| bad("it has no manifest"))?,
        config,
        folder,
    })
}

/// The path of an entry that is a plain file or folder below the archive's top.
fn plain<R: Read>(entry: &Entry<'_, R>) -> io::Result<String> {
    let path = entry.path()?;
    let name = path.to_str().ok_or_else(|| bad("a name that is no text"))?;
    let is_plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    let kind = entry.header().entry_type();
    if is_plain && matches!(kind, EntryType::Regular | EntryType::Directory) {
        return Ok(name.trim_end_matches('/').to_owned());
    }
    Err(bad(&format!(
        "`{}` does not belong into one",
        name.escape_default()
    )))
}

fn read_manifest(entry: &mut impl Read) -> io::Result<Manifest> {
    let manifest: Manifest = serde_json::from_slice(&text(entry)?)?;
    if manifest.format != FORMAT {
        return Err(bad(&format!(
            "its format is {}, and this program reads {FORMAT}",
            manifest.format
        )));
    }
    Ok(manifest)
}

fn text(entry: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let read = entry.take(TEXT_LIMIT + 1).read_to_end(&mut text)?;
    if u64::try_from(read).unwrap_or(u64::MAX) > TEXT_LIMIT {
        return Err(bad("one of its texts is too long"));
    }
    Ok(text)
}

fn bad(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn unrestored(file: &Path, error: &io::Error) -> Complaint {
    Complaint::new(
        "VSJ0553",
        Exit::Refused,
        format!("failed to restore a master from {}", file.display()),
    )
    .because(error)
    .hint("it must be a whole file that `vsjob backup-master` has written, and there must be room for it")
}
