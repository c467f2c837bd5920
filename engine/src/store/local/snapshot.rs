//! A state snapshot: every record of the index as it was at one frame of the journal, in a file of its own. It gets its
//! name when all of it is durable, and is read to its last byte before anything of it counts: a damaged one is told of,
//! never used. `docs/store.md` has the format.

use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::cursor::Tail;
use super::directory::Paths;
use super::disk::{Disk, Handle};
use super::segment::HEADER;
use crate::codec::{self, CodecError, MAX_PAYLOAD};
use crate::store::{Damage, Head, StoreError};

/// The version in the envelope of every part.
const VERSION: u16 = 1;
const MAGIC: &[u8; 8] = b"VSJSNAP1";
const SUFFIX: &str = ".snap";
/// How many bytes of records are written at once. A longer value is spread over several parts.
const PART: usize = 256 << 10;
/// More than any part has, its envelope included.
const LONGEST_PART: usize = MAX_PAYLOAD + 64;

/// A key of the index and its value.
pub(super) type Entry = (Vec<u8>, Vec<u8>);

/// What a file consists of, each part with its length before it, in an envelope of the codec. Frozen: another shape is
/// another version.
#[derive(Debug, Serialize, Deserialize)]
enum Part {
    /// The first.
    Begin(Begin),
    /// In the order of their keys.
    Records(Vec<Entry>),
    /// How the value of the last record goes on.
    More(Vec<u8>),
    /// The last: how many records there are, and blake3 of all bytes before this part.
    End { records: u64, hash: [u8; 32] },
}

/// What a snapshot is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Begin {
    /// Which store's.
    pub(super) store: Uuid,
    sequence: u64,
    hash: [u8; 32],
    /// In which segment the journal goes on, or the frame ends.
    pub(super) segment: u64,
    /// Where in it.
    pub(super) offset: u64,
}

impl Begin {
    /// The state at `tail`'s frame.
    pub(super) const fn at(store: Uuid, tail: Tail) -> Self {
        Self {
            store,
            sequence: tail.head.sequence,
            hash: tail.head.hash,
            segment: tail.number,
            offset: tail.at as u64,
        }
    }

    /// Whether the journal goes on with segment `number`, and nothing before it counts.
    pub(super) const fn starts(&self, number: u64) -> bool {
        self.segment == number && self.offset == HEADER as u64
    }

    /// The last frame that it includes.
    pub(super) const fn head(&self) -> Head {
        Head {
            sequence: self.sequence,
            hash: self.hash,
        }
    }
}

/// A snapshot that is there.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) path: PathBuf,
    pub(super) begin: Begin,
}

impl Snapshot {
    /// In bytes.
    pub(super) fn length(&self, disk: &Disk) -> Result<u64, StoreError> {
        disk.open_to_read(&self.path)?.size()
    }
}

/// The snapshots that are there under their names, oldest first; whether they are whole is another question.
pub(super) fn list(disk: &Disk, paths: &Paths) -> Result<Vec<PathBuf>, StoreError> {
    if !paths.snapshots.is_dir() {
        return Ok(Vec::new());
    }
    let names = disk.names(&paths.snapshots)?;
    let mut names: Vec<_> = names
        .iter()
        .filter_map(|name| Some((sequence(name)?, paths.snapshots.join(name))))
        .collect();
    names.sort();
    Ok(names.into_iter().map(|(_, path)| path).collect())
}

/// The name of the snapshot at frame `sequence`.
fn name(sequence: u64) -> String {
    format!("{sequence:016}{SUFFIX}")
}

fn sequence(name: &str) -> Option<u64> {
    let sequence = name.strip_suffix(SUFFIX)?.parse().ok()?;
    (name == self::name(sequence)).then_some(sequence)
}

/// Writes a snapshot of `records`, which come in the order of their keys. What a failure leaves is removed.
pub(super) fn write(
    disk: &Disk,
    paths: &Paths,
    begin: Begin,
    records: impl Iterator<Item = Result<Entry, StoreError>>,
) -> Result<Snapshot, StoreError> {
    disk.create_directory(&paths.snapshots)?;
    let path = paths.snapshots.join(name(begin.sequence));
    let partial = path.with_extension("partial");
    let written = fill(disk, &partial, begin, records);
    if written.is_err() {
        // Best effort, as the disk may be full or failing: the next opening removes it as well.
        let _ = disk.remove(&partial);
    }
    written?;
    disk.rename(&partial, &path)?;
    Ok(Snapshot { path, begin })
}

fn fill(
    disk: &Disk,
    partial: &Path,
    begin: Begin,
    records: impl Iterator<Item = Result<Entry, StoreError>>,
) -> Result<(), StoreError> {
    let mut out = Output {
        disk,
        handle: disk.create(partial)?,
        length: 0,
        hasher: blake3::Hasher::new(),
    };
    out.bytes(MAGIC)?;
    out.part(&Part::Begin(begin))?;
    let (mut count, mut gathered, mut size) = (0, Vec::new(), 0);
    for record in records {
        let (key, mut value) = record?;
        let rest = value.split_off(value.len().min(PART));
        count += 1;
        size += key.len() + value.len();
        gathered.push((key, value));
        if size >= PART {
            out.part(&Part::Records(std::mem::take(&mut gathered)))?;
            size = 0;
        }
        for more in rest.chunks(PART) {
            out.part(&Part::More(more.to_vec()))?;
        }
    }
    out.part(&Part::Records(gathered))?;
    let hash = out.hasher.finalize().into();
    out.part(&Part::End { records: count, hash })?;
    disk.sync(&out.handle)
}

struct Output<'a> {
    disk: &'a Disk,
    handle: Handle,
    length: u64,
    hasher: blake3::Hasher,
}

impl Output<'_> {
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.disk.write(&self.handle, bytes, self.length)?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn part(&mut self, part: &Part) -> Result<(), StoreError> {
        let envelope = codec::encode(VERSION, part).map_err(|error| StoreError::Io {
            doing: "encode",
            path: self.handle.path.clone(),
            source: io::Error::other(error),
        })?;
        let length = u32::try_from(envelope.len()).unwrap_or(u32::MAX);
        self.bytes(&[&length.to_le_bytes(), envelope.as_slice()].concat())
    }
}

/// Opens a snapshot of store `id`: reads its beginning, and nothing more.
pub(super) fn open(path: &Path, id: Uuid) -> Result<Snapshot, StoreError> {
    Ok(Input::open(path, id)?.0)
}

/// The same, and checks every byte of it.
pub(super) fn check(path: &Path, id: Uuid) -> Result<Snapshot, StoreError> {
    read(path, id, |_| Ok(()))
}

/// Hands out the records of a snapshot. What was handed out counts only if all of it can be read.
pub(super) fn read(
    path: &Path,
    id: Uuid,
    mut take: impl FnMut(Entry) -> Result<(), StoreError>,
) -> Result<Snapshot, StoreError> {
    let (snapshot, mut input) = Input::open(path, id)?;
    let (mut count, mut last) = (0, None);
    loop {
        let hash: [u8; 32] = input.hasher.finalize().into();
        match input.part()? {
            Part::Begin(_) => return Err(input.damaged("it begins twice")),
            Part::Records(records) => {
                for record in records {
                    count += 1;
                    last.replace(record).map_or(Ok(()), &mut take)?;
                }
            }
            Part::More(more) => match &mut last {
                Some((_, value)) => value.extend(more),
                None => return Err(input.damaged("a value goes on that has not begun")),
            },
            Part::End {
                records,
                hash: wanted,
            } => {
                if (records, wanted) != (count, hash) {
                    return Err(input.damaged("its end is of another snapshot"));
                }
                if input.file.read(&mut [0]).map_err(|e| input.failed(e))? > 0 {
                    return Err(input.damaged("there are bytes after its end"));
                }
                last.map_or(Ok(()), &mut take)?;
                return Ok(snapshot);
            }
        }
    }
}

struct Input<'a> {
    path: &'a Path,
    file: BufReader<File>,
    offset: u64,
    hasher: blake3::Hasher,
}

impl<'a> Input<'a> {
    fn open(path: &'a Path, id: Uuid) -> Result<(Snapshot, Self), StoreError> {
        let file = File::open(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => StoreError::Absent {
                path: path.to_path_buf(),
            },
            _ => failed(path, source),
        })?;
        let mut input = Self {
            path,
            file: BufReader::with_capacity(PART, file),
            offset: 0,
            hasher: blake3::Hasher::new(),
        };
        if input.bytes(MAGIC.len())? != MAGIC {
            return Err(input.damaged("it does not start like a snapshot"));
        }
        let Part::Begin(begin) = input.part()? else {
            return Err(input.damaged("it does not say what it is of"));
        };
        if begin.store != id {
            return Err(input.damaged("it belongs to another store"));
        }
        if path.file_name() != Some(name(begin.sequence).as_ref()) {
            return Err(input.damaged("it has the name of another one"));
        }
        let path = path.to_path_buf();
        Ok((Snapshot { path, begin }, input))
    }

    fn part(&mut self) -> Result<Part, StoreError> {
        let mut length = [0; 4];
        length.copy_from_slice(&self.bytes(4)?);
        let length = u32::from_le_bytes(length) as usize;
        if length > LONGEST_PART {
            return Err(self.damaged("a part of it is too long"));
        }
        let bytes = self.bytes(length)?;
        let part = codec::decode(&bytes).and_then(|envelope| match envelope.version {
            VERSION => envelope.read(),
            _ => Err(envelope.newer_than(VERSION)),
        });
        part.map_err(|error| match error {
            CodecError::Newer { .. } => StoreError::Foreign {
                path: self.path.to_path_buf(),
                what: error.to_string(),
            },
            _ => self.damaged("a part of it is damaged"),
        })
    }

    fn bytes(&mut self, length: usize) -> Result<Vec<u8>, StoreError> {
        let mut bytes = vec![0; length];
        match self.file.read_exact(&mut bytes) {
            Ok(()) => {
                self.hasher.update(&bytes);
                self.offset += length as u64;
                Ok(bytes)
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.damaged("it has been cut short"))
            }
            Err(source) => Err(self.failed(source)),
        }
    }

    fn failed(&self, source: io::Error) -> StoreError {
        failed(self.path, source)
    }

    fn damaged(&self, what: &'static str) -> StoreError {
        StoreError::Snapshot(Damage {
            file: self.path.to_path_buf(),
            offset: self.offset,
            sequence: 0,
            what,
        })
    }
}

fn failed(path: &Path, source: io::Error) -> StoreError {
    StoreError::Io {
        doing: "read",
        path: path.to_path_buf(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the first version wrote it: what a newer one writes beside it must be another version.
    const STORED: &str = include_str!("../../../tests/fixtures/snapshot-v1.hex");

    fn begin() -> Begin {
        let head = Head {
            sequence: 42,
            hash: [7; 32],
        };
        let tail = Tail {
            number: 3,
            at: 4711,
            head,
        };
        Begin::at(Uuid::from_u128(0x0123_4567_89ab_cdef), tail)
    }

    /// The last of them is spread over three parts.
    fn records() -> Vec<Entry> {
        let long = (0_u8..=250).cycle().take(2 * PART + 1).collect();
        vec![
            (b"clock".to_vec(), vec![1, 2, 3]),
            (b"held".to_vec(), Vec::new()),
            (b"job/1".to_vec(), long),
        ]
    }

    fn few_records() -> Vec<Entry> {
        let mut few = records();
        few[2].1.truncate(5);
        few
    }

    fn written(records: Vec<Entry>) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::of(folder.path());
        let records = records.into_iter().map(Ok);
        write(&Disk::faultless(), &paths, begin(), records).unwrap();
        let path = paths.snapshots.join("0000000000000042.snap");
        (folder, path)
    }

    fn read_all(path: &Path) -> Result<Vec<Entry>, StoreError> {
        let mut found = Vec::new();
        let snapshot = read(path, begin().store, |record| {
            found.push(record);
            Ok(())
        })?;
        assert_eq!(snapshot.begin, begin());
        Ok(found)
    }

    #[test]
    fn a_snapshot_that_is_gone_or_cannot_be_read_is_not_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name(42));
        let gone = open(&path, begin().store).unwrap_err();
        assert!(matches!(gone, StoreError::Absent { .. }), "{gone}");
        std::fs::create_dir(&path).unwrap();
        let unread = open(&path, begin().store).unwrap_err();
        assert!(matches!(unread, StoreError::Io { .. }), "{unread}");
    }

    #[test]
    fn what_was_written_is_read() {
        let (_folder, path) = written(records());
        assert_eq!(read_all(&path).unwrap(), records());
    }

    #[test]
    fn a_snapshot_of_the_first_version_is_read_and_written_as_it_was() {
        let (_folder, path) = written(few_records());
        let bytes = std::fs::read(&path).unwrap();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, STORED.trim_end());
        assert_eq!(read_all(&path).unwrap(), few_records());
    }

    #[test]
    fn a_snapshot_without_one_of_its_parts_is_none() {
        let (_folder, path) = written(records());
        let whole = std::fs::read(&path).unwrap();
        let (mut at, mut parts) = (MAGIC.len(), 0);
        while at < whole.len() {
            let length = u32::from_le_bytes(whole[at..at + 4].try_into().unwrap()) as usize;
            let end = at + 4 + length;
            std::fs::write(&path, [&whole[..at], &whole[end..]].concat()).unwrap();
            assert!(
                matches!(read_all(&path), Err(StoreError::Snapshot(_))),
                "part {parts}"
            );
            (at, parts) = (end, parts + 1);
        }
        assert!(parts >= 5, "{parts} parts");
    }

    #[test]
    fn one_of_a_newer_version_is_refused_and_not_taken_for_a_damaged_one() {
        let (_folder, path) = written(few_records());
        let begin = codec::encode(VERSION + 1, &Part::Begin(begin())).unwrap();
        let length = u32::try_from(begin.len()).unwrap().to_le_bytes();
        std::fs::write(&path, [&MAGIC[..], &length, &begin].concat()).unwrap();
        let refusal = read_all(&path).unwrap_err();
        assert!(matches!(refusal, StoreError::Foreign { .. }), "{refusal}");
    }

    #[test]
    fn one_that_has_been_cut_is_told_of_with_the_place() {
        let (_folder, path) = written(few_records());
        std::fs::write(&path, &MAGIC[..]).unwrap();
        match read_all(&path) {
            Err(StoreError::Snapshot(damage)) => assert_eq!(damage.offset, MAGIC.len() as u64),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn no_changed_byte_and_no_length_is_taken_for_a_snapshot() {
        let (_folder, path) = written(few_records());
        let whole = std::fs::read(&path).unwrap();
        let is_refused = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            matches!(
                read_all(&path),
                Err(StoreError::Snapshot(_) | StoreError::Foreign { .. })
            )
        };
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 4;
            assert!(is_refused(&flipped), "byte {at} was flipped");
            assert!(is_refused(&whole[..at]), "it was cut to {at} bytes");
        }
        assert!(is_refused(&[&whole[..], &[0]].concat()), "it has grown");
    }
}
