//! `audit verify`: walks the whole journal and checks every byte of it, while the master runs or without it; and the
//! snapshots, and the archive as far back as it is there.

use std::collections::BTreeMap;
use std::path::Path;

use uuid::Uuid;

use super::cursor::{Journal, Tail};
use super::directory::{self, Paths};
use super::disk::Disk;
use super::frame::{self, Look, Walk};
use super::recover::{self, End};
use super::segment::{self, HEADER, Segment};
use super::snapshot::{self, Snapshot};
use crate::store::{Audit, Damage, Head, StoreError};

/// Audits the journal in `directory` without opening the store: changes nothing, needs no lock. A batch that is being
/// written, or that a crash tore, is beyond the end and no damage.
pub fn audit(directory: &Path) -> Result<Audit, StoreError> {
    let disk = Disk::faultless();
    let paths = Paths::of(directory);
    let id = directory::read_id(&disk, &paths)?.ok_or_else(|| StoreError::Foreign {
        path: paths.root.clone(),
        what: "there is no store in it".to_owned(),
    })?;
    everything(&disk, &paths, id, None)
}

/// Audits a journal that is open, up to what is durable now.
pub(super) fn verify(journal: &Journal) -> Result<Audit, StoreError> {
    everything(&journal.disk, &journal.paths, journal.id, Some(journal))
}

/// How often damage is looked at again because a running master wrote a snapshot meanwhile.
const LOOKS: usize = 10;

/// Audits a store that is closed, or `open`. When a running master writes a snapshot it removes an older one, and archives
/// what that needed: what seems to be missing then counts only if it is missing while nothing of that happens.
pub(super) fn everything(
    disk: &Disk,
    paths: &Paths,
    id: Uuid,
    open: Option<&Journal>,
) -> Result<Audit, StoreError> {
    for _ in 1..LOOKS {
        let before = snapshot::list(disk, paths)?;
        let audit = at_once(disk, paths, id, open)?;
        if audit.damage.is_none() || snapshot::list(disk, paths)? == before {
            return Ok(audit);
        }
    }
    at_once(disk, paths, id, open)
}

fn at_once(disk: &Disk, paths: &Paths, id: Uuid, open: Option<&Journal>) -> Result<Audit, StoreError> {
    // Before the end of the journal is known, which is beyond them.
    let (snapshots, damaged_snapshot) = read_snapshots(disk, paths, id)?;
    let map = open.map(Journal::map);
    let first = match &map {
        Some(map) => map.number,
        None => first_segment(disk, paths, &snapshots)?,
    };
    let found = walk(disk, paths, id, first, &snapshots, map.map(|map| map.tail))?;
    let mut audit = found.audit.clone();
    let mut damage = audit.damage.take().or(damaged_snapshot);
    damage = damage.or_else(|| {
        snapshots
            .iter()
            .find_map(|snapshot| found.disagrees_with(snapshot))
    });
    // A journal that was begun anew does not go on from what was archived before.
    if audit.first > 1 {
        match archived(disk, paths, id, first, found.begin)? {
            Ok(more) => {
                audit.first = more.first;
                audit.frames += more.frames;
            }
            Err(in_archive) => damage = damage.or(Some(in_archive)),
        }
    }
    audit.damage = damage;
    Ok(audit)
}

/// The snapshots that are whole, and what is wrong with one that is not. A running master may remove one meanwhile.
fn read_snapshots(
    disk: &Disk,
    paths: &Paths,
    id: Uuid,
) -> Result<(Vec<Snapshot>, Option<Damage>), StoreError> {
    let (mut whole, mut damaged) = (Vec::new(), None);
    for path in snapshot::list(disk, paths)? {
        match snapshot::check(&path, id) {
            Ok(snapshot) => whole.push(snapshot),
            Err(StoreError::Snapshot(damage)) => damaged = damaged.or(Some(damage)),
            Err(StoreError::Absent { .. }) => {}
            Err(other) => return Err(other),
        }
    }
    Ok((whole, damaged))
}

/// With which segment a journal begins: what is not archived reaches back to the older snapshot. Without snapshots only
/// a journal from its first frame on is whole.
pub(super) fn first_segment(disk: &Disk, paths: &Paths, snapshots: &[Snapshot]) -> Result<u64, StoreError> {
    let there = segment::list(disk, &paths.journal)?.first().copied();
    let needed = snapshots.first().map_or(1, |oldest| oldest.begin.segment);
    Ok(there.map_or(needed, |first| first.min(needed)))
}

/// Walks the archived segments before segment `end`, whose first frame follows `head`, as far back as they are there.
fn archived(
    disk: &Disk,
    paths: &Paths,
    id: Uuid,
    end: u64,
    head: Head,
) -> Result<Result<Audit, Damage>, StoreError> {
    let at = HEADER;
    let until = Some(Tail {
        number: end,
        at,
        head,
    });
    loop {
        let mut numbers = segment::list(disk, &paths.archive)?;
        numbers.retain(|&number| number < end);
        let run = (1..).zip(numbers.iter().rev());
        let run = run.take_while(|(back, number)| end - back == **number);
        let found = match run.last() {
            Some((_, &first)) => walk(disk, paths, id, first, &[], until)?.audit,
            None => Audit {
                first: head.sequence + 1,
                frames: 0,
                head,
                damage: None,
            },
        };
        match found.damage {
            // A running master has removed it meanwhile.
            Some(gone) if !gone.file.exists() => {}
            Some(damage) => return Ok(Err(damage)),
            None => return Ok(Ok(found)),
        }
    }
}

/// Walks the journal from segment `first` on, `until` there or to its end.
pub(super) fn walk(
    disk: &Disk,
    paths: &Paths,
    id: Uuid,
    first: u64,
    snapshots: &[Snapshot],
    until: Option<Tail>,
) -> Result<Found, StoreError> {
    let mut auditor = Auditor {
        disk,
        paths,
        id,
        found: Found::nothing(first, snapshots),
    };
    auditor.run(first, snapshots, until)?;
    Ok(auditor.found)
}

/// What a walk found, and where the last whole batch ends.
pub(super) struct Found {
    pub(super) audit: Audit,
    /// The last frame before the first that was looked for.
    pub(super) begin: Head,
    pub(super) tail: Tail,
    /// The hashes of the frames that snapshots are of.
    seen: BTreeMap<u64, Option<[u8; 32]>>,
}

impl Found {
    fn nothing(first: u64, snapshots: &[Snapshot]) -> Self {
        let wanted = snapshots
            .iter()
            .map(|snapshot| (snapshot.begin.head().sequence, None));
        Self {
            audit: Audit {
                first: 1,
                frames: 0,
                head: Head::EMPTY,
                damage: None,
            },
            begin: Head::EMPTY,
            tail: Tail {
                number: first,
                at: 0,
                head: Head::EMPTY,
            },
            seen: wanted.collect(),
        }
    }

    fn saw(&mut self, head: Head) {
        if let Some(seen) = self.seen.get_mut(&head.sequence) {
            *seen = Some(head.hash);
        }
    }

    /// Whether the snapshot's frame was found as the snapshot says.
    pub(super) fn has(&self, snapshot: &Snapshot) -> bool {
        let head = snapshot.begin.head();
        self.seen.get(&head.sequence) == Some(&Some(head.hash))
    }

    fn disagrees_with(&self, snapshot: &Snapshot) -> Option<Damage> {
        (!self.has(snapshot)).then(|| Damage {
            file: snapshot.path.clone(),
            offset: 0,
            sequence: 0,
            what: "the journal does not have the frame that it is of",
        })
    }
}

struct Auditor<'a> {
    disk: &'a Disk,
    paths: &'a Paths,
    id: Uuid,
    found: Found,
}

/// Whether the walk goes on with the next segment.
enum Then {
    Next,
    Stop,
}

impl Auditor<'_> {
    fn open(&self, number: u64) -> Result<Segment, StoreError> {
        let expected = self.found.audit.head.sequence + 1;
        segment::open_to_read(self.disk, self.paths, self.id, number, expected)
    }

    /// Damage is a result, not an error.
    fn run(&mut self, first: u64, snapshots: &[Snapshot], until: Option<Tail>) -> Result<(), StoreError> {
        let damage = match self.segments(first, snapshots, until) {
            Ok(()) => return Ok(()),
            Err(StoreError::Damaged(damage)) => damage,
            Err(StoreError::Absent { path }) => Damage {
                file: path,
                offset: 0,
                sequence: self.found.audit.head.sequence + 1,
                what: "the file is missing",
            },
            Err(other) => return Err(other),
        };
        self.found.audit.damage = Some(damage);
        Ok(())
    }

    fn begin(&mut self, segment: &Segment, snapshots: &[Snapshot]) -> Result<(), StoreError> {
        let begin = recover::begin(segment, snapshots)?;
        self.found.begin = begin;
        self.found.tail.head = begin;
        self.found.audit.head = begin;
        self.found.audit.first = begin.sequence + 1;
        self.found.saw(begin);
        Ok(())
    }

    fn segments(
        &mut self,
        first: u64,
        snapshots: &[Snapshot],
        until: Option<Tail>,
    ) -> Result<(), StoreError> {
        for number in first.. {
            self.found.tail.number = number;
            self.found.tail.at = 0;
            let segment = self.open(number)?;
            self.found.tail.at = HEADER;
            if number == first {
                self.begin(&segment, snapshots)?;
            }
            recover::check_link(&segment, self.found.audit.head)?;
            let then = match until {
                Some(tail) if tail.number == number => {
                    self.frames(&segment, tail.at)?;
                    Then::Stop
                }
                _ => self.segment(segment)?,
            };
            if matches!(then, Then::Stop) {
                break;
            }
        }
        Ok(())
    }

    fn segment(&mut self, mut segment: Segment) -> Result<Then, StoreError> {
        let mut beyond = Ok(());
        if segment.seal.is_none() {
            beyond = self.check_spare(segment.number);
            if beyond.is_err() {
                // A running master may have sealed it since.
                segment = self.open(segment.number)?;
            }
        }
        let Some(seal) = segment.seal else {
            let (end, damage) = match self.quiet_end(&segment)? {
                Ok(end) => (end.tail.at, None),
                Err(damage) => (usize::try_from(damage.offset).unwrap_or(HEADER), Some(damage)),
            };
            self.frames(&segment, end)?;
            return match damage {
                Some(damage) => Err(StoreError::Damaged(damage)),
                None => beyond.map(|()| Then::Stop),
            };
        };
        self.frames(&segment, seal.end)?;
        let gap = segment.bytes()?.split_off(seal.end);
        if seal.last != self.found.audit.head || !frame::is_zero(&gap) {
            let what = "the segment does not end as its seal says";
            let expected = self.found.audit.head.sequence + 1;
            return Err(StoreError::Damaged(segment.damage(seal.end, expected, what)));
        }
        Ok(Then::Next)
    }

    /// Beyond an unsealed segment nothing is written.
    fn check_spare(&self, number: u64) -> Result<(), StoreError> {
        let there = segment::list(self.disk, &self.paths.journal)?;
        let expected = self.found.audit.head.sequence + 1;
        recover::open_spare(self.paths, (number, &there), expected, |number| self.open(number)).map(drop)
    }

    /// The end of an unsealed segment. A master may be writing into it: what looks like damage counts only if it looks
    /// the same twice.
    fn quiet_end(&self, segment: &Segment) -> Result<Result<End, Damage>, StoreError> {
        let before = self.found.audit.head;
        let mut bytes = segment.bytes()?;
        loop {
            let end = recover::find_end(segment, &bytes, before);
            if end.is_ok() {
                return Ok(end);
            }
            let again = segment.bytes()?;
            if again == bytes {
                return Ok(end);
            }
            bytes = again;
        }
    }

    fn frames(&mut self, segment: &Segment, end: usize) -> Result<(), StoreError> {
        let bytes = segment.handle.read(0, end)?;
        let mut walk = Walk::new(HEADER, self.found.audit.head);
        while walk.at < bytes.len() {
            let what = match walk.step(&bytes) {
                Look::Frame { head, .. } => {
                    self.found.audit.frames += 1;
                    self.found.audit.head = head;
                    self.found.saw(head);
                    if walk.between_batches() {
                        self.found.tail.at = walk.at;
                        self.found.tail.head = head;
                    }
                    continue;
                }
                Look::End | Look::Torn => "a frame is missing",
                Look::Damaged(what) => what,
            };
            let damage = segment.damage(walk.at, walk.head.sequence + 1, what);
            return Err(StoreError::Damaged(damage));
        }
        Ok(())
    }
}
