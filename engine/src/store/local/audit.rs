//! `audit verify`: walks the whole journal and checks every byte of it, while the master runs or without it.

use std::path::Path;

use uuid::Uuid;

use super::cursor::{Journal, Tail};
use super::directory::{self, Paths};
use super::disk::Disk;
use super::frame::{self, Look, Walk};
use super::recover::{self, End};
use super::segment::{self, HEADER, Segment};
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
    Ok(walk(&disk, &paths.journal, id)?.audit)
}

/// Audits a journal that is open, up to what is durable now.
pub(super) fn verify(journal: &Journal) -> Result<Audit, StoreError> {
    let until = journal.map().tail;
    let mut auditor = Auditor::new(&journal.disk, &journal.directory, journal.id);
    auditor.run(Some(until))?;
    Ok(auditor.found.audit)
}

/// Walks the journal of a store that is not open, to its end.
pub(super) fn walk(disk: &Disk, journal: &Path, id: Uuid) -> Result<Found, StoreError> {
    let mut auditor = Auditor::new(disk, journal, id);
    auditor.run(None)?;
    Ok(auditor.found)
}

/// What a walk found, and where the last whole batch ends.
pub(super) struct Found {
    pub(super) audit: Audit,
    pub(super) tail: Tail,
}

struct Auditor<'a> {
    disk: &'a Disk,
    journal: &'a Path,
    id: Uuid,
    found: Found,
}

/// Whether the walk goes on with the next segment.
enum Then {
    Next,
    Stop,
}

impl<'a> Auditor<'a> {
    fn new(disk: &'a Disk, journal: &'a Path, id: Uuid) -> Self {
        let tail = Tail {
            number: 1,
            at: 0,
            head: Head::EMPTY,
        };
        let audit = Audit {
            frames: 0,
            head: Head::EMPTY,
            damage: None,
        };
        let found = Found { audit, tail };
        Self {
            disk,
            journal,
            id,
            found,
        }
    }

    fn open(&self, number: u64) -> Result<Segment, StoreError> {
        let expected = self.found.audit.head.sequence + 1;
        segment::open_to_read(self.disk, self.journal, self.id, number, expected)
    }

    /// Damage is a result, not an error.
    fn run(&mut self, until: Option<Tail>) -> Result<(), StoreError> {
        let damage = match self.segments(until) {
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

    fn segments(&mut self, until: Option<Tail>) -> Result<(), StoreError> {
        for number in 1.. {
            self.found.tail.number = number;
            self.found.tail.at = 0;
            let before = self.found.audit.head;
            let segment = self.open(number)?;
            self.found.tail.at = HEADER;
            recover::check_link(&segment, before)?;
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
        let mut unsealed_before_others = false;
        if segment.seal.is_none() && self.is_used(segment.number + 1)? {
            // A running master may have sealed it since.
            segment = self.open(segment.number)?;
            unsealed_before_others = segment.seal.is_none();
        }
        let Some(seal) = segment.seal else {
            let (end, damage) = match self.quiet_end(&segment)? {
                Ok(end) => (end.tail.at, None),
                Err(damage) => (usize::try_from(damage.offset).unwrap_or(HEADER), Some(damage)),
            };
            self.frames(&segment, end)?;
            let damage = damage.or_else(|| {
                let expected = self.found.audit.head.sequence + 1;
                let what = "frames follow in the next segment, but this one is not sealed";
                unsealed_before_others.then(|| segment.damage(end, expected, what))
            });
            return damage.map_or(Ok(Then::Stop), |damage| Err(StoreError::Damaged(damage)));
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

    /// Whether segment `number` is there and has frames.
    fn is_used(&self, number: u64) -> Result<bool, StoreError> {
        match self.open(number) {
            Ok(segment) => Ok(segment.first.is_some() || segment.seal.is_some()),
            Err(StoreError::Absent { .. }) => Ok(false),
            Err(other) => Err(other),
        }
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
