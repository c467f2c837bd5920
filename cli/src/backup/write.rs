//! Makes a backup. Nothing that it reads is changed, so it may be made beside a running master.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tar::{Builder, Header};
use tempfile::{NamedTempFile, TempDir};
use vsjob_engine::store;

use super::manifest::{FORMAT, Manifest, NAME};
use crate::message::Moment;
use crate::{Complaint, Exit, master};

/// What a backup is made of.
pub(crate) struct Source {
    /// The master's folder.
    pub state: PathBuf,
    /// The configuration files that are there.
    pub config: Vec<PathBuf>,
    /// The names of the templates.
    pub templates: Vec<String>,
}

/// Writes a backup into `file`, which is not there yet; readable by its owner alone, whole and durable when this returns.
///
/// # Errors
/// There is no store, it is damaged, or the file cannot be written: then there is none.
pub(crate) fn write(source: &Source, file: &Path, made: Moment) -> Result<Manifest, Complaint> {
    let failed = |error: &io::Error| unwritten(file, error);
    if file.exists() {
        return Err(Complaint::new(
            "VSJ0551",
            Exit::Refused,
            format!("{} is there already", file.display()),
        )
        .hint("name a new file, such as one with the date in its name"));
    }
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let copy = TempDir::with_prefix_in(".vsjob-backup-", folder).map_err(|e| failed(&e))?;
    let audit = store::copy(&source.state, copy.path())?;
    if let Some(damage) = audit.damage {
        return Err(store::StoreError::Damaged(damage).into());
    }
    let manifest = Manifest {
        format: FORMAT,
        made,
        machine: machine(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        records: audit.head.sequence,
        head: master::verified(&audit).head,
        templates: source.templates.clone(),
    };
    let archive = NamedTempFile::with_prefix_in(".vsjob-backup-", folder).map_err(|e| failed(&e))?;
    fill(archive.as_file(), &manifest, &source.config, copy.path()).map_err(|e| failed(&e))?;
    archive
        .persist_noclobber(file)
        .map_err(|error| failed(&error.error))?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|e| failed(&e))?;
    Ok(manifest)
}

fn fill(archive: &File, manifest: &Manifest, config: &[PathBuf], store: &Path) -> io::Result<()> {
    let mut archive = Builder::new(io::BufWriter::new(archive));
    let text = serde_json::to_vec_pretty(manifest)?;
    let mut header = Header::new_gnu();
    header.set_size(text.len().try_into().map_err(io::Error::other)?);
    header.set_mode(0o600);
    header.set_mtime(manifest.made.timestamp().try_into().unwrap_or_default());
    archive.append_data(&mut header, NAME, text.as_slice())?;
    for path in config {
        let name = path.file_name().unwrap_or_default();
        archive.append_path_with_name(path, Path::new("config").join(name))?;
    }
    archive.append_dir_all("store", store)?;
    let mut archive = archive.into_inner()?;
    archive.flush()?;
    archive.get_ref().sync_all()
}

fn machine() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

fn unwritten(file: &Path, error: &io::Error) -> Complaint {
    Complaint::new(
        "VSJ0552",
        Exit::Refused,
        format!("failed to write a backup to {}", file.display()),
    )
    .because(error)
    .hint("see that its folder is there, may be written, and has room for the journal twice")
}
