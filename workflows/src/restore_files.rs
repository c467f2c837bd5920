//! `restore --path`: files of a generation, copied into a new folder of the master and compared with the manifest there. They
//! are never written into the tree of a guest: who is root in it could lead the host's root astray. Decision
//! `files-come-to-the-master`.

use std::path::{Path, PathBuf};

use vsjob_engine::UndoKind::Cleaning;

use crate::actions::copy_files::{CopyFiles, NameFiles};
use crate::generation::Manifest;
use crate::{GenerationName, GuestName, Held, Line, Planned, Planner, Reading, Refusal, Site};

/// What says nothing of files.
const OTHERS: [&str; 11] = [
    "host",
    "replace",
    "grace",
    "as",
    "interface",
    "gateway",
    "domain",
    "nameserver",
    "device",
    "health",
    "start",
];

pub(crate) fn plan(request: &Reading<'_>, path: &Line, site: &Site) -> Result<Planned, Refusal> {
    for other in OTHERS {
        if request.optional::<String>(other)?.is_some() {
            return Err(Refusal::bad(
                other,
                &"it says nothing of files, and there is --path",
            ));
        }
    }
    let guest: GuestName = request.required("name")?;
    let asked: Option<GenerationName> = request.optional("generation")?;
    let (name, generation) = site.generations.choose(&guest, asked.as_ref())?;
    let path = path.to_string();
    // Without what says nothing: rsync takes a name that ends with a slash for what is in it.
    let path: PathBuf = Path::new(path.trim_matches('/')).components().collect();
    let manifest = site.generations.of(&guest).join(name.as_str()).join("manifest");
    let there =
        Manifest::read(&manifest, &generation.manifest).is_ok_and(|manifest| manifest.below(&path).is_some());
    if !there || path.file_name().is_none() {
        let path = path.display().to_string();
        return Err(Refusal::NoFile { path, name });
    }
    let to = folder(request.required("to")?, site)?;
    let path = Line::of(&path.display()).map_err(|why| Refusal::bad("path", &why))?;

    let mut p = Planner::default();
    p.here(CopyFiles {
        folder: Line::of(&site.generations.folder.display()).map_err(|why| Refusal::bad("name", &why))?,
        tree: site.generations.kind,
        guest: guest.clone(),
        name: name.clone(),
        path: path.clone(),
        to: to.clone(),
    })
    .undo(Cleaning);
    p.here(NameFiles { to: to.clone() }).pivot();

    Ok(Planned {
        plan: p.finish(),
        locks: vec![Held::Guest(guest.clone()).shared()],
        title: format!("copy {path} of {guest} from {name} to {to}"),
        not_before: None,
    })
}

/// A folder of the master that is not there yet, in one that is.
fn folder(to: Line, site: &Site) -> Result<Line, Refusal> {
    let path = to.to_string();
    let path = Path::new(&path);
    let why = match path.parent() {
        _ if !path.is_absolute() || path.file_name().is_none() || path.ends_with("..") => {
            "it is no absolute path of a folder"
        }
        _ if path.symlink_metadata().is_ok() => "it is there already, and nothing is overwritten",
        _ if path.starts_with(&site.generations.folder) => "generations are there",
        Some(parent) if parent.is_dir() => return Ok(to),
        _ => "the folder that it would be in is not there",
    };
    Err(Refusal::bad("to", &why))
}
