//! Copies a store that a master may be writing at the same time. The journal only grows, so its segments are copied as they
//! are, and the copy ends with the last batch that was whole in it. The index is left out: it is rebuilt.

use std::path::Path;

use super::audit::audit;
use super::directory::{self, Paths};
use super::disk::Disk;
use super::segment;
use crate::store::{Audit, StoreError};

/// Whether there is a store in `directory`.
///
/// # Errors
/// What is there cannot be read, or is none of this version.
pub fn exists(directory: &Path) -> Result<bool, StoreError> {
    directory::read_id(&Disk::faultless(), &Paths::of(directory)).map(|id| id.is_some())
}

/// Copies the store in `from` into the folder `to`, which has none, and checks every byte of the copy, which is durable
/// then. Its id comes last: what a crash leaves half-way is no store yet, and is overwritten by the next copy.
///
/// # Errors
/// There is no store in `from`; there is one in `to`; a file cannot be copied. Damage is a result.
pub fn copy(from: &Path, to: &Path) -> Result<Audit, StoreError> {
    let disk = Disk::faultless();
    let (from, to) = (Paths::of(from), Paths::of(to));
    let id = directory::read_id(&disk, &from)?.ok_or_else(|| StoreError::Foreign {
        path: from.root.clone(),
        what: "there is no store in it".to_owned(),
    })?;
    if directory::read_id(&disk, &to)?.is_some() {
        return Err(StoreError::Foreign {
            path: to.root,
            what: "there is a store in it already".to_owned(),
        });
    }
    disk.remove(&to.journal)?;
    disk.create_directory(&to.journal)?;
    for number in directory::segments(&disk, &from)? {
        let name = segment::name(number);
        disk.copy(&from.journal.join(&name), &to.journal.join(&name))?;
    }
    disk.sync_directory(&to.journal)?;
    directory::write_id(&disk, &to, id)?;
    audit(&to.root)
}
