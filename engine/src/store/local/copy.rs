//! Copies a store that a master may be writing at the same time. The journal only grows, so its segments are copied as they
//! are, and the copy ends with the last batch that was whole in it. The index is left out: it is rebuilt. So is the
//! archive, whose files never change, but for what the master archives while the copy is made.

use std::path::Path;

use uuid::Uuid;

use super::audit;
use super::directory::{self, Paths};
use super::disk::Disk;
use super::segment;
use super::snapshot::{self, Snapshot};
use crate::store::{Audit, StoreError};

/// A segment that is written or sealed in the moment in which it is copied may come out as damaged.
const TRIES: u32 = 3;

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
    let mut audit = copy_once(&disk, &from, &to, id)?;
    for _ in 1..TRIES {
        if audit.damage.is_some() {
            audit = copy_once(&disk, &from, &to, id)?;
        }
    }
    directory::write_id(&disk, &to, id)?;
    Ok(audit)
}

fn copy_once(disk: &Disk, from: &Paths, to: &Paths, id: Uuid) -> Result<Audit, StoreError> {
    for directory in [&to.snapshots, &to.journal] {
        disk.remove(directory)?;
        disk.create_directory(directory)?;
    }
    // Snapshots first: the journal that is copied after them goes beyond them. Of that the last segment first: one that
    // is not sealed yet when it is copied has none after it that is used.
    let snapshots = copy_snapshots(disk, from, to, id)?;
    let first = audit::first_segment(disk, from, &snapshots)?;
    let last = segment::list(disk, &from.journal)?.pop().unwrap_or(first);
    for number in (first..=last).rev() {
        let target = to.journal.join(segment::name(number));
        segment::find(from, number, |path| disk.copy(path, &target))?;
    }
    disk.sync_directory(&to.journal)?;
    audit::everything(disk, to, id, None)
}

/// A running master may remove one meanwhile, after it has written another.
fn copy_snapshots(disk: &Disk, from: &Paths, to: &Paths, id: Uuid) -> Result<Vec<Snapshot>, StoreError> {
    let mut copied = Vec::new();
    for path in snapshot::list(disk, from)? {
        let target = to.snapshots.join(path.file_name().unwrap_or_default());
        match disk.copy(&path, &target) {
            // One that is damaged is told of when the copy is checked.
            Ok(()) => copied.extend(snapshot::open(&target, id)),
            Err(StoreError::Absent { .. }) => {}
            Err(other) => return Err(other),
        }
    }
    disk.sync_directory(&to.snapshots)?;
    Ok(copied)
}
