//! A segment: one file of the journal, of a fixed size, filled with zeros and durable under its name before its first
//! frame is written. So its length is known, and one that has been cut short is recognised. A header names it, frames
//! follow, and when it is full a seal in its last bytes says where they end and with which frame.

use std::path::Path;

use uuid::Uuid;

use super::directory::Paths;
use super::disk::{Disk, Handle};
use super::frame;
use crate::store::{Damage, Head, StoreError};

/// Of the header; the first frame follows.
pub(super) const HEADER: usize = 64;
/// Of the seal, at the end of the file.
pub(super) const SEAL: usize = 64;
/// A segment that could not take a single small batch is none.
pub(super) const SMALLEST: u64 = 4096;

const MAGIC: &[u8; 8] = b"VSJSEG01";
const SEAL_MAGIC: &[u8; 4] = b"VSJe";
const SUFFIX: &str = ".seg";

/// How a full segment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seal {
    /// Its first frame; one more than the last if it has none.
    pub(super) first: u64,
    /// Its last frame.
    pub(super) last: Head,
    /// Where its frames end.
    pub(super) end: usize,
}

/// An open segment.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) handle: Handle,
    pub(super) size: usize,
    /// `None` while it is not full.
    pub(super) seal: Option<Seal>,
    /// The sequence of its first frame and the hash of the frame before it, as its first bytes tell it.
    pub(super) first: Option<(u64, [u8; 32])>,
    /// Whether anything is where the first frame would be.
    pub(super) untouched: bool,
}

/// The name of segment `number` in the journal's directory.
pub(super) fn name(number: u64) -> String {
    format!("{number:08}{SUFFIX}")
}

/// The number in a segment's name.
pub(super) fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    let number = digits.parse().ok()?;
    (name == self::name(number)).then_some(number)
}

/// The numbers of the segments in `directory`, the journal's or the archive's, in order.
pub(super) fn list(disk: &Disk, directory: &Path) -> Result<Vec<u64>, StoreError> {
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    let names = disk.names(directory)?;
    let mut numbers: Vec<_> = names.iter().filter_map(|name| number(name)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// How many bytes of frames a segment of `size` bytes takes.
pub(super) const fn capacity(size: usize) -> usize {
    (size - HEADER - SEAL) / frame::ALIGN * frame::ALIGN
}

/// The header of segment `number` of store `id`.
pub(super) fn header(id: Uuid, number: u64, size: u64) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..16].copy_from_slice(&size.to_le_bytes());
    bytes[16..24].copy_from_slice(&number.to_le_bytes());
    bytes[24..40].copy_from_slice(id.as_bytes());
    finish(&mut bytes);
    bytes
}

/// The seal of a full segment.
pub(super) fn seal(seal: Seal) -> [u8; SEAL] {
    let mut bytes = [0; SEAL];
    bytes[..4].copy_from_slice(SEAL_MAGIC);
    bytes[4..8].copy_from_slice(&u32::try_from(seal.end).unwrap_or(u32::MAX).to_le_bytes());
    bytes[8..16].copy_from_slice(&seal.first.to_le_bytes());
    bytes[16..24].copy_from_slice(&seal.last.sequence.to_le_bytes());
    bytes[24..56].copy_from_slice(&seal.last.hash);
    finish(&mut bytes);
    bytes
}

fn finish(bytes: &mut [u8; 64]) {
    let crc = crc32fast::hash(&bytes[..60]);
    bytes[60..].copy_from_slice(&crc.to_le_bytes());
}

fn is_whole(bytes: &[u8; 64]) -> bool {
    crc32fast::hash(&bytes[..60]).to_le_bytes() == bytes[60..]
}

fn u64_at(bytes: &[u8; 64], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}

/// What a segment's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Title {
    pub(super) id: Uuid,
    pub(super) number: u64,
    pub(super) size: u64,
}

/// The header in the first bytes of `handle`, if it is whole.
pub(super) fn title(handle: &Handle) -> Result<Option<Title>, StoreError> {
    if handle.size()? < HEADER as u64 {
        return Ok(None);
    }
    let bytes = sixty_four(&handle.read(0, HEADER)?);
    if &bytes[..8] != MAGIC || !is_whole(&bytes) {
        return Ok(None);
    }
    Ok(Some(Title {
        id: Uuid::from_slice(&bytes[24..40]).unwrap_or_default(),
        number: u64_at(&bytes, 16),
        size: u64_at(&bytes, 8),
    }))
}

fn sixty_four(bytes: &[u8]) -> [u8; 64] {
    let mut out = [0; 64];
    out.copy_from_slice(&bytes[..64]);
    out
}

/// Opens segment `number` of store `id` and checks all of it but its frames. `expected` is the frame that should be its
/// first, or the one that should be found in it. It may have been archived.
pub(super) fn open(
    disk: &Disk,
    paths: &Paths,
    id: Uuid,
    number: u64,
    expected: u64,
) -> Result<Segment, StoreError> {
    check(find(paths, number, |path| disk.open(path))?, id, number, expected)
}

/// The same, to read only.
pub(super) fn open_to_read(
    disk: &Disk,
    paths: &Paths,
    id: Uuid,
    number: u64,
    expected: u64,
) -> Result<Segment, StoreError> {
    let handle = find(paths, number, |path| disk.open_to_read(path))?;
    check(handle, id, number, expected)
}

/// Opens the file of segment `number` in the journal or, if it is not there, or not there any more, in the archive.
pub(super) fn find<T>(
    paths: &Paths,
    number: u64,
    open: impl Fn(&Path) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let absent = match open(&paths.journal.join(name(number))) {
        Err(absent @ StoreError::Absent { .. }) => absent,
        other => return other,
    };
    match open(&paths.archive.join(name(number))) {
        Err(StoreError::Absent { .. }) => Err(absent),
        other => other,
    }
}

fn check(handle: Handle, id: Uuid, number: u64, expected: u64) -> Result<Segment, StoreError> {
    let damaged = |offset: u64, what| {
        StoreError::Damaged(Damage {
            file: handle.path.clone(),
            offset,
            sequence: expected,
            what,
        })
    };
    let Some(title) = title(&handle)? else {
        return Err(damaged(0, "the segment's header is damaged"));
    };
    if title.id != id || title.number != number {
        return Err(damaged(0, "the segment belongs to another journal or place"));
    }
    let found = handle.size()?;
    if found < title.size || title.size < SMALLEST {
        return Err(damaged(found, "the file has been cut short"));
    }
    if found > title.size {
        return Err(damaged(title.size, "the file has grown"));
    }
    let size = usize::try_from(found).map_err(|_| damaged(0, "the file is too large"))?;
    let start = handle.read(HEADER as u64, frame::HEADER)?;
    let seal = read_seal(&handle)?.map_err(|what| damaged(found - SEAL as u64, what))?;
    Ok(Segment {
        number,
        size,
        seal,
        first: frame::first(&start),
        untouched: frame::is_zero(&start),
        handle,
    })
}

/// The seal in the last bytes of a segment; `Err` inside says that what is there is neither one nor zero.
pub(super) fn read_seal(handle: &Handle) -> Result<Result<Option<Seal>, &'static str>, StoreError> {
    let size = handle.size()?;
    let raw = sixty_four(&handle.read(size - SEAL as u64, SEAL)?);
    Ok(parse_seal(&raw, usize::try_from(size).unwrap_or(usize::MAX)))
}

fn parse_seal(raw: &[u8; SEAL], size: usize) -> Result<Option<Seal>, &'static str> {
    if frame::is_zero(raw) {
        return Ok(None);
    }
    if &raw[..4] != SEAL_MAGIC || !is_whole(raw) {
        return Err("the segment's seal is damaged");
    }
    let end = u32::from_le_bytes([raw[4], raw[5], raw[6], raw[7]]) as usize;
    if !(HEADER..=size - SEAL).contains(&end) {
        return Err("the segment's seal is damaged");
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(&raw[24..56]);
    let last = Head {
        sequence: u64_at(raw, 16),
        hash,
    };
    let first = u64_at(raw, 8);
    Ok(Some(Seal { first, last, end }))
}

impl Segment {
    /// The last frame before it, as its own first frame says.
    pub(super) fn claim(&self) -> Option<Head> {
        let (first, hash) = self.first?;
        let sequence = first.checked_sub(1)?;
        Some(Head { sequence, hash })
    }

    /// Its bytes up to the seal.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, StoreError> {
        self.handle.read(0, self.size - SEAL)
    }

    /// Its seal, which it must have; `expected` is the frame that is looked for.
    pub(super) fn sealed(&self, expected: u64) -> Result<Seal, StoreError> {
        let at = self.size - SEAL;
        self.seal
            .ok_or_else(|| StoreError::Damaged(self.damage(at, expected, "the segment's seal is gone")))
    }

    /// How many bytes of frames it takes in all.
    pub(super) const fn capacity(&self) -> usize {
        capacity(self.size)
    }

    /// Damage at `offset` of this segment.
    pub(super) fn damage(&self, offset: usize, sequence: u64, what: &'static str) -> Damage {
        Damage {
            file: self.handle.path.clone(),
            offset: offset as u64,
            sequence,
            what,
        }
    }
}
