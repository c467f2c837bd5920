//! The templates of the master: archives that guests are made from, in its folder `templates`. A file there is one if its
//! name is that of a template and ends as an archive does; what is being made has another ending. Which jobs name one is
//! told by their locks.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use vsjob_engine::{Engine, EngineError, Filter};

use crate::{Held, TemplateName};

/// The endings of archives.
const ENDINGS: [&str; 5] = [".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.zst"];

/// What the name of the file with an archive's checksum ends with.
const CHECKSUM: &str = ".blake3";

/// An archive that guests are made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// A `tar`, perhaps compressed by gzip, xz or zstd.
    pub archive: PathBuf,
    /// Its size.
    pub bytes: u64,
}

impl Template {
    /// What was written down of it when it was made here.
    #[must_use]
    pub fn checksum(&self) -> Option<String> {
        let said = fs::read_to_string(checksum_file(&self.archive)).ok()?;
        said.split_whitespace().next().map(str::to_owned)
    }
}

/// The template that a file of that name belongs to: its archive, or the checksum of that.
pub(crate) fn belongs_to(file: &str) -> Option<TemplateName> {
    template_of(file.strip_suffix(CHECKSUM).unwrap_or(file))
}

/// The template that a file of that name is an archive of.
fn template_of(file: &str) -> Option<TemplateName> {
    let stem = ENDINGS.iter().find_map(|ending| file.strip_suffix(ending))?;
    stem.parse().ok()
}

/// Those in the folder `templates` of a master. A folder that cannot be read has none.
#[must_use]
pub fn templates(state: &Path) -> BTreeMap<TemplateName, Template> {
    let entries = fs::read_dir(state.join("templates"));
    let files = entries.into_iter().flatten().flatten();
    files
        .filter_map(|file| {
            let template = Template {
                archive: file.path(),
                // Through links: a template may be kept elsewhere.
                bytes: fs::metadata(file.path()).ok()?.len(),
            };
            Some((template_of(file.file_name().to_str()?)?, template))
        })
        .collect()
}

/// The file beside an archive that has its checksum, as `b3sum` writes it. One that people have put there has none.
pub(crate) fn checksum_file(archive: &Path) -> PathBuf {
    let mut name = OsString::from(archive);
    name.push(CHECKSUM);
    name.into()
}

/// The checksum of a file, and its bytes. It is read whole.
pub(crate) fn checksum(archive: &Path) -> io::Result<(String, u64)> {
    let mut hasher = blake3::Hasher::new();
    let bytes = io::copy(&mut File::open(archive)?, &mut hasher)?;
    Ok((hasher.finalize().to_hex().to_string(), bytes))
}

/// Whether an archive is what was packed, as far as can be told.
pub(crate) fn is_whole(archive: &Path) -> io::Result<bool> {
    match fs::read_to_string(checksum_file(archive)) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(true),
        said => Ok(said?.split_whitespace().next() == Some(&checksum(archive)?.0)),
    }
}

/// The jobs that are not over and name a template, by their short ids.
///
/// # Errors
/// The engine does not answer.
pub async fn jobs_of_template(engine: &Engine, template: &TemplateName) -> Result<Vec<String>, EngineError> {
    let key = Held::Template(template.clone()).to_string();
    let jobs = engine.jobs(Filter::OPEN).await?.into_iter();
    let naming = jobs.filter(|job| !job.status.is_over() && job.locks.iter().any(|lock| lock.key == key));
    Ok(naming.map(|job| job.id.short()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_whose_checksum_cannot_be_read_is_not_taken_for_one_without() {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("debian.tar.zst");
        fs::write(&archive, "packed").unwrap();
        assert!(is_whole(&archive).unwrap());
        let file = checksum_file(&archive);
        fs::write(
            &file,
            format!("{}  debian.tar.zst\n", checksum(&archive).unwrap().0),
        )
        .unwrap();
        assert!(is_whole(&archive).unwrap());
        fs::write(&archive, "packet").unwrap();
        assert!(!is_whole(&archive).unwrap());
        fs::write(&file, [0xff]).unwrap();
        is_whole(&archive).unwrap_err();
    }
}
