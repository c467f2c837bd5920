//! Finds the end of a journal, when it is opened: reads the first and last bytes of every segment and the frames of
//! the last one. Cuts what a crash tore, and nothing else: see `frame` for how the two are told apart.

use std::collections::VecDeque;
use std::path::Path;

use uuid::Uuid;

use super::cursor::{Kept, Tail};
use super::directory::Paths;
use super::disk::Disk;
use super::frame::{self, Look, Walk};
use super::segment::{self, HEADER, SEAL, Segment};
use super::snapshot::Snapshot;
use crate::store::{Damage, Head, StoreError};

/// The segments of a journal, checked to follow each other.
pub(super) struct Survey {
    /// The number of the first.
    pub(super) number: u64,
    /// The last frame before it.
    pub(super) begin: Head,
    /// All up to the current one.
    pub(super) kept: VecDeque<Kept>,
    /// The one that is being filled.
    pub(super) current: Segment,
    /// The last frame before that one.
    pub(super) before: Head,
    /// Prepared and empty.
    pub(super) spare: Vec<Segment>,
}

/// The last frame before `segment`, with which a journal begins. If it has no frame yet, a snapshot must say so.
pub(super) fn begin(segment: &Segment, snapshots: &[Snapshot]) -> Result<Head, StoreError> {
    if segment.number == 1 {
        return Ok(Head::EMPTY);
    }
    let known = snapshots
        .iter()
        .find(|snapshot| snapshot.begin.starts(segment.number));
    let begin = known
        .map(|snapshot| snapshot.begin.head())
        .or_else(|| segment.claim());
    begin.ok_or_else(|| {
        let what = "nothing says with which frame the journal begins";
        StoreError::Damaged(segment.damage(HEADER, 0, what))
    })
}

/// Opens and checks the segments of a journal from `first` on; `there` are those that are not archived.
pub(super) fn survey(
    disk: &Disk,
    paths: &Paths,
    id: Uuid,
    (first, there): (u64, &[u64]),
    snapshots: &[Snapshot],
) -> Result<Survey, StoreError> {
    let begin = begin(&segment::open_to_read(disk, paths, id, first, 0)?, snapshots)?;
    let mut kept = VecDeque::new();
    let mut before = begin;
    let mut number = first;
    loop {
        let expected = before.sequence + 1;
        let open = |number| segment::open(disk, paths, id, number, expected);
        let segment = open(number)?;
        check_link(&segment, before)?;
        kept.push_back(Kept {
            first: expected,
            size: segment.size as u64,
        });
        let Some(seal) = segment.seal else {
            return Ok(Survey {
                number: first,
                begin,
                kept,
                current: segment,
                before,
                spare: open_spare(paths, (number, there), expected, open)?,
            });
        };
        before = seal.last;
        number += 1;
    }
}

/// A segment begins where the one before it ended.
pub(super) fn check_link(segment: &Segment, before: Head) -> Result<(), StoreError> {
    let expected = before.sequence + 1;
    let linked = match (segment.seal, segment.first) {
        (None, None) => true,
        (None, Some(first)) => first == (expected, before.hash),
        (Some(seal), None) => seal.first == expected && seal.last == before,
        (Some(seal), Some(first)) => seal.first == expected && first == (expected, before.hash),
    };
    if linked {
        return Ok(());
    }
    let what = "the segment does not follow the one before it";
    Err(StoreError::Damaged(segment.damage(HEADER, expected, what)))
}

/// Opens the segments beyond the `current` one, which is not sealed: they are prepared, and nothing is in them.
pub(super) fn open_spare(
    paths: &Paths,
    (current, there): (u64, &[u64]),
    expected: u64,
    open: impl Fn(u64) -> Result<Segment, StoreError>,
) -> Result<Vec<Segment>, StoreError> {
    let beyond = &there[there.partition_point(|&number| number <= current)..];
    let mut spare = Vec::new();
    for (number, &there) in (current + 1..).zip(beyond) {
        if number != there {
            return Err(StoreError::Absent {
                path: paths.journal.join(segment::name(number)),
            });
        }
        let segment = open(number)?;
        if !segment.untouched || segment.seal.is_some() {
            let what = "frames follow, but the segment before is not sealed";
            return Err(StoreError::Damaged(segment.damage(HEADER, expected, what)));
        }
        spare.push(segment);
    }
    Ok(spare)
}

/// Where the frames of an unsealed segment end.
#[derive(Debug)]
pub(super) struct End {
    pub(super) tail: Tail,
    /// How many bytes beyond it a crash left, to be cut. They end with the last that is not zero.
    pub(super) torn: usize,
}

/// Finds the end of the frames in `bytes`, those of the unsealed `segment`, whose first frame follows `before`.
pub(super) fn find_end(segment: &Segment, bytes: &[u8], before: Head) -> Result<End, Damage> {
    let mut walk = Walk::new(HEADER, before);
    let mut whole = walk;
    loop {
        match walk.step(bytes) {
            Look::Frame { .. } if walk.between_batches() => whole = walk,
            Look::Frame { .. } => {}
            Look::End | Look::Torn => break,
            Look::Damaged(what) => return Err(segment.damage(walk.at, walk.head.sequence + 1, what)),
        }
    }
    let rest = &bytes[whole.at..];
    let torn = rest
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |last| last + 1);
    let sequence = whole.head.sequence + 1;
    if frame::a_later_batch_follows(&rest[..torn], sequence) {
        let what = "the frame is damaged, and later ones follow";
        return Err(segment.damage(walk.at, walk.head.sequence + 1, what));
    }
    let tail = Tail {
        number: segment.number,
        at: whole.at,
        head: whole.head,
    };
    Ok(End { tail, torn })
}

/// Removes what a crash left beyond the end, durably: a later frame must not be taken for one of the torn batch.
pub(super) fn cut(disk: &Disk, segment: &Segment, end: &End) -> Result<(), StoreError> {
    disk.write(&segment.handle, &vec![0; end.torn], end.tail.at as u64)?;
    disk.sync(&segment.handle)
}

/// Gives segments that lost it their size back, and removes seals that cannot be read, so that the frames that are
/// still good can be. The segments are copied first.
pub(super) fn mend(disk: &Disk, journal: &Path, numbers: &[u64]) -> Result<(), StoreError> {
    for &number in numbers {
        let path = journal.join(segment::name(number));
        let handle = disk.open(&path)?;
        let Some(title) = segment::title(&handle)? else {
            continue;
        };
        if handle.size()? == title.size && segment::read_seal(&handle)?.is_ok() {
            continue;
        }
        disk.copy(&path, &path.with_extension("lost"))?;
        disk.resize(&handle, title.size)?;
        if segment::read_seal(&handle)?.is_err() {
            disk.write(&handle, &[0; SEAL], title.size - SEAL as u64)?;
        }
        disk.sync(&handle)?;
    }
    Ok(())
}

/// Ends the journal at `tail`. The segments beyond it, and a copy of the one that it ends in, are set aside.
pub(super) fn set_aside(disk: &Disk, journal: &Path, numbers: &[u64], tail: Tail) -> Result<(), StoreError> {
    for &number in numbers.iter().filter(|&&number| number >= tail.number) {
        let path = journal.join(segment::name(number));
        let aside = path.with_extension("lost");
        if number > tail.number || tail.at < HEADER {
            disk.rename(&path, &aside)?;
            continue;
        }
        if !aside.exists() {
            disk.copy(&path, &aside)?;
        }
        let handle = disk.open(&path)?;
        let rest = usize::try_from(handle.size()?).unwrap_or(usize::MAX) - tail.at;
        disk.write(&handle, &vec![0; rest], tail.at as u64)?;
        disk.sync(&handle)?;
    }
    disk.sync_directory(journal)
}
