//! What is in the tree of a generation: one record a file, with a checksum of what is in it. Only what is new is read: a
//! file that is the same one as in the generation before has the checksum that it had there.
//!
//! A record is a line of words and the file's name, which may be any bytes but NUL, and ends with NUL:
//! `TYPE MODE UID GID SIZE MTIME INODE CHECKSUM+ATTRIBUTES NAME`. The checksum is BLAKE3 of a regular file's content or of a
//! link's target, and `-` for anything else; the attributes have one of their own, and `-` stands for none. In manifests that were
//! written before there were attributes in them `+ATTRIBUTES` is missing.

use std::collections::{BTreeMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::attributes;

/// How many files there are, and the bytes of regular ones and links, as rsync counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub files: u64,
    pub size: u64,
}

/// What is not as the manifest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The file, as its name may be shown.
    pub name: String,
    /// What is wrong with it.
    pub what: &'static str,
}

/// The records of a tree, by name: as bytes, which are compared at once, and not part by part as paths are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Manifest {
    records: BTreeMap<OsString, Record>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    /// `TYPE MODE UID GID SIZE MTIME`: what outlives a copy of the whole store.
    words: String,
    inode: u64,
    checksum: String,
    /// Unknown in an old manifest.
    attributes: Option<String>,
}

impl Manifest {
    /// Of the tree at `root`, which is read as far as `known`, the manifest of the generation before, does not tell.
    /// `tell` hears how many bytes were read.
    pub(crate) fn of(root: &Path, known: &Self, tell: &mut dyn FnMut(u64)) -> io::Result<(Self, Count)> {
        let mut manifest = Self::default();
        let mut count = Count::default();
        let mut read = 0;
        walk(root, &mut |path, name, metadata| {
            count.files += 1;
            if metadata.is_file() || metadata.is_symlink() {
                count.size += metadata.len();
            }
            let words = words(metadata);
            let same = known.records.get(name.as_os_str()).filter(|record| {
                record.words == words && record.inode == metadata.ino() && record.checksum != "-"
            });
            let checksum = match same {
                Some(record) => record.checksum.clone(),
                None => {
                    read += if metadata.is_file() { metadata.len() } else { 0 };
                    checksum(path, metadata)?
                }
            };
            tell(read);
            let record = Record {
                words,
                inode: metadata.ino(),
                checksum,
                attributes: Some(attributes::checksum(path)?),
            };
            manifest.records.insert(name.as_os_str().to_owned(), record);
            Ok(())
        })?;
        Ok((manifest, count))
    }

    /// Compares the tree at `root`, every byte of it, with the manifest. `tell` hears how many bytes were read.
    pub(crate) fn verify(
        &self,
        root: &Path,
        most: usize,
        tell: &mut dyn FnMut(u64),
    ) -> io::Result<Vec<Difference>> {
        let (now, _) = Self::of(root, &Self::default(), tell)?;
        let missing = self
            .records
            .keys()
            .filter(|name| !now.records.contains_key(*name));
        let missing = missing.map(|name| (name, "is missing"));
        let others = now.records.iter().filter_map(|(name, found)| {
            let what = match self.records.get(name) {
                None => "is not in the manifest",
                Some(record) if record.checksum != found.checksum => "has another content",
                Some(record) if record.words != found.words => "has another owner, mode, size or time",
                Some(record) if record.attributes.is_some() && record.attributes != found.attributes => {
                    "has other ACLs or attributes"
                }
                Some(_) => return None,
            };
            Some((name, what))
        });
        let all = missing.chain(others).take(most);
        Ok(all
            .map(|(name, what)| Difference {
                name: name.to_string_lossy().escape_debug().to_string(),
                what,
            })
            .collect())
    }

    /// The records of what is at `path` and beneath it, as a manifest of that alone; none if nothing is there.
    pub(crate) fn below(&self, path: &Path) -> Option<Self> {
        let of_it = self.records.iter().filter_map(|(name, record)| {
            let rest = Path::new(name).strip_prefix(path).ok()?.as_os_str();
            let name = if rest.is_empty() { OsStr::new(".") } else { rest };
            Some((name.to_owned(), record.clone()))
        });
        let records: BTreeMap<_, _> = of_it.collect();
        (!records.is_empty()).then_some(Self { records })
    }

    /// How many records there are.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// Writes it into a file, which is on the disk then; its checksum.
    pub(crate) fn write(&self, path: &Path) -> io::Result<String> {
        let mut hasher = blake3::Hasher::new();
        let mut file = BufWriter::new(File::create(path)?);
        for (name, record) in &self.records {
            let Record {
                words,
                inode,
                checksum,
                attributes,
            } = record;
            let attributes = attributes.iter().map(|checksum| format!("+{checksum}"));
            let attributes: String = attributes.collect();
            let mut line = format!("{words} {inode} {checksum}{attributes} ").into_bytes();
            line.extend(name.as_bytes());
            line.push(0);
            hasher.update(&line);
            file.write_all(&line)?;
        }
        file.into_inner()
            .map_err(io::IntoInnerError::into_error)?
            .sync_all()?;
        Ok(hasher.finalize().to_hex().to_string())
    }

    /// Reads what [`Manifest::write`] wrote, if its checksum is this.
    pub(crate) fn read(path: &Path, checksum: &str) -> io::Result<Self> {
        let bytes = fs::read(path)?;
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the manifest is damaged");
        if blake3::hash(&bytes).to_hex().as_str() != checksum {
            return Err(damaged());
        }
        let lines = bytes.split(|byte| *byte == 0).filter(|line| !line.is_empty());
        let records = lines.map(|line| record(line).ok_or_else(damaged));
        Ok(Self {
            records: records.collect::<io::Result<_>>()?,
        })
    }
}

fn record(line: &[u8]) -> Option<(OsString, Record)> {
    let mut words = line.splitn(9, |byte| *byte == b' ');
    let mut next = || std::str::from_utf8(words.next()?).ok();
    let facts: Vec<&str> = std::iter::from_fn(&mut next).take(6).collect();
    let (inode, checksums) = (next()?.parse().ok()?, next()?);
    let name = words.next()?.to_owned();
    let (checksum, attributes) = match checksums.split_once('+') {
        None => (checksums, None),
        Some((checksum, attributes)) => (checksum, Some(attributes.to_owned())),
    };
    let record = Record {
        words: facts.join(" "),
        inode,
        checksum: checksum.to_owned(),
        attributes,
    };
    Some((OsString::from_vec(name), record))
}

fn words(metadata: &Metadata) -> String {
    let kind = metadata.file_type();
    let letter = match () {
        () if kind.is_file() => 'f',
        () if kind.is_dir() => 'd',
        () if kind.is_symlink() => 'l',
        () if kind.is_fifo() => 'p',
        () if kind.is_socket() => 's',
        () if kind.is_char_device() => 'c',
        () => 'b',
    };
    // The size of anything else is the file system's own affair.
    let size = match letter {
        'f' | 'l' => metadata.len(),
        'c' | 'b' => metadata.rdev(),
        _ => 0,
    };
    format!(
        "{letter} {:o} {} {} {size} {}.{:09}",
        metadata.mode() & 0o7777,
        metadata.uid(),
        metadata.gid(),
        metadata.mtime(),
        metadata.mtime_nsec()
    )
}

/// Of what is in it. Links are never followed.
fn checksum(path: &Path, metadata: &Metadata) -> io::Result<String> {
    if metadata.is_symlink() {
        let target = fs::read_link(path)?;
        return Ok(blake3::hash(target.as_os_str().as_bytes()).to_hex().to_string());
    }
    if !metadata.is_file() {
        return Ok("-".to_owned());
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// The bytes that the files of a tree take on a disk: those of holes are none, and those of hard links count once.
pub(crate) fn room(root: &Path) -> io::Result<u64> {
    let (mut bytes, mut seen) = (0, HashSet::new());
    walk(root, &mut |_, _, metadata| {
        if metadata.is_dir() || seen.insert(metadata.ino()) {
            bytes += metadata.blocks() * 512;
        }
        Ok(())
    })?;
    Ok(bytes)
}

type Visit<'a> = dyn FnMut(&Path, &Path, &Metadata) -> io::Result<()> + 'a;

/// Visits the tree at `root`, which may be a single file, itself included, with each file's path and its name in the tree.
fn walk(root: &Path, visit: &mut Visit<'_>) -> io::Result<()> {
    let metadata = fs::symlink_metadata(root)?;
    visit(root, Path::new("."), &metadata)?;
    let mut folders: Vec<PathBuf> = metadata.is_dir().then(PathBuf::new).into_iter().collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let (path, name) = (entry.path(), folder.join(entry.file_name()));
            let metadata = fs::symlink_metadata(&path)?;
            visit(&path, &name, &metadata)?;
            if metadata.is_dir() {
                folders.push(name);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("etc")).unwrap();
        fs::write(folder.path().join("etc/a b\nc"), "text").unwrap();
        fs::write(folder.path().join(OsStr::from_bytes(b"not-utf8-\xff")), "").unwrap();
        std::os::unix::fs::symlink("/etc/shadow", folder.path().join("link")).unwrap();
        folder
    }

    fn of(root: &Path, known: &Manifest) -> (Manifest, Count, u64) {
        let mut read = 0;
        let (manifest, count) = Manifest::of(root, known, &mut |bytes| read = bytes).unwrap();
        (manifest, count, read)
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written_and_a_damaged_one_is_refused() {
        let (tree, at) = (tree(), tempfile::tempdir().unwrap());
        let (manifest, count, read) = of(tree.path(), &Manifest::default());
        assert_eq!(count, Count { files: 5, size: 15 });
        assert!(read > 0);
        let path = at.path().join("manifest");
        let checksum = manifest.write(&path).unwrap();
        assert_eq!(Manifest::read(&path, &checksum).unwrap(), manifest);
        let mut bytes = fs::read(&path).unwrap();
        bytes[3] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(Manifest::read(&path, &checksum).is_err());
    }

    #[test]
    fn a_record_tells_kinds_and_devices_apart() {
        use rustix::fs::{CWD, FileType, makedev, mknodat};
        let folder = tempfile::tempdir().unwrap();
        let device = makedev(1, 3);
        for (kind, name) in [
            (FileType::Fifo, "p"),
            (FileType::Socket, "s"),
            (FileType::CharacterDevice, "c"),
            (FileType::BlockDevice, "b"),
        ] {
            let made = mknodat(CWD, folder.path().join(name), kind, 0o600.into(), device);
            let is_device = matches!(kind, FileType::CharacterDevice | FileType::BlockDevice);
            match made {
                // Nobody but root makes devices.
                Err(rustix::io::Errno::PERM) if is_device => continue,
                made => made.unwrap(),
            }
            let told = words(&fs::symlink_metadata(folder.path().join(name)).unwrap());
            let told: Vec<&str> = told.split(' ').collect();
            assert_eq!(told[0], name);
            assert_eq!(
                told[4],
                if is_device {
                    device.to_string()
                } else {
                    "0".to_owned()
                }
            );
        }
        fs::write(folder.path().join("f"), "text").unwrap();
        std::os::unix::fs::symlink("text", folder.path().join("l")).unwrap();
        fs::create_dir(folder.path().join("d")).unwrap();
        for (name, size) in [("f", "4"), ("l", "4"), ("d", "0")] {
            let told = words(&fs::symlink_metadata(folder.path().join(name)).unwrap());
            let told: Vec<&str> = told.split(' ').collect();
            assert_eq!((told[0], told[4]), (name, size));
        }
    }

    #[test]
    fn holes_take_no_room_and_hard_links_take_it_once() {
        let folder = tempfile::tempdir().unwrap();
        let empty = room(folder.path()).unwrap();
        let file = File::create(folder.path().join("hole")).unwrap();
        file.set_len(1 << 30).unwrap();
        assert!(room(folder.path()).unwrap() < empty + (1 << 20));
        fs::write(folder.path().join("file"), vec![1; 1 << 20]).unwrap();
        File::open(folder.path().join("file"))
            .unwrap()
            .sync_all()
            .unwrap();
        let once = room(folder.path()).unwrap();
        assert!((empty + (1 << 20)..empty + (2 << 20)).contains(&once), "{once}");
        fs::hard_link(folder.path().join("file"), folder.path().join("link")).unwrap();
        assert!(room(folder.path()).unwrap() < empty + (2 << 20));
        fs::create_dir(folder.path().join("folder")).unwrap();
        assert!(room(folder.path()).unwrap() >= once);
    }

    #[test]
    fn other_attributes_are_a_difference_and_an_old_manifest_knows_of_none() {
        let (tree, at) = (tree(), tempfile::tempdir().unwrap());
        let (file, path) = (tree.path().join("etc/a b\nc"), at.path().join("manifest"));
        let set =
            |value: &[u8]| rustix::fs::lsetxattr(&file, "user.kind", value, rustix::fs::XattrFlags::empty());
        if set(b"one") == Err(rustix::io::Errno::OPNOTSUPP) {
            return;
        }
        let (manifest, ..) = of(tree.path(), &Manifest::default());
        let checksum = manifest.write(&path).unwrap();
        let manifest = Manifest::read(&path, &checksum).unwrap();
        assert_eq!(manifest.verify(tree.path(), 9, &mut |_| {}).unwrap(), []);
        set(&[2; 4000]).unwrap();
        let told = manifest.verify(tree.path(), 9, &mut |_| {}).unwrap();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].what, "has other ACLs or attributes");
        let (large, ..) = of(tree.path(), &Manifest::default());
        set(&[3; 4000]).unwrap();
        assert_eq!(large.verify(tree.path(), 9, &mut |_| {}).unwrap(), told);
        rustix::fs::lremovexattr(&file, "user.kind").unwrap();
        assert_eq!(manifest.verify(tree.path(), 9, &mut |_| {}).unwrap().len(), 1);

        let bytes = fs::read(&path).unwrap();
        let lines = bytes.split(|byte| *byte == 0).filter(|line| !line.is_empty());
        let mut old = Vec::new();
        for line in lines {
            let plus = line.iter().position(|byte| *byte == b'+').unwrap();
            let space = plus + line[plus..].iter().position(|byte| *byte == b' ').unwrap();
            old.extend([&line[..plus], &line[space..], b"\0"].concat());
        }
        fs::write(&path, &old).unwrap();
        let old = Manifest::read(&path, blake3::hash(&old).to_hex().as_str()).unwrap();
        assert_eq!(old.verify(tree.path(), 9, &mut |_| {}).unwrap(), []);
    }

    #[test]
    fn what_is_the_same_file_as_before_is_not_read_again() {
        let tree = tree();
        let (before, ..) = of(tree.path(), &Manifest::default());
        let (again, _, read) = of(tree.path(), &before);
        assert_eq!((again, read), (before, 0));
    }

    #[test]
    fn what_is_another_file_or_was_written_since_is_read_again() {
        let tree = tree();
        let at = |name: &str| tree.path().join(name);
        let file = at("etc/a b\nc");
        let (before, ..) = of(tree.path(), &Manifest::default());
        // The same file.
        fs::write(&file, "other text").unwrap();
        let (whole, ..) = of(tree.path(), &Manifest::default());
        let (again, ..) = of(tree.path(), &before);
        assert!(again == whole && again != before);
        // Another one that looks the same.
        let time = fs::metadata(&file).unwrap().modified().unwrap();
        fs::write(at("new"), "OTHER TEXT").unwrap();
        let new = File::options().write(true).open(at("new")).unwrap();
        new.set_modified(time).unwrap();
        let folder = fs::metadata(at("etc")).unwrap().modified().unwrap();
        fs::rename(at("new"), &file).unwrap();
        File::open(at("etc")).unwrap().set_modified(folder).unwrap();
        let told = whole.verify(tree.path(), 9, &mut |_| {}).unwrap();
        assert!(
            told.iter().any(|one| one.what == "has another content"),
            "{told:?}"
        );
        let (again, ..) = of(tree.path(), &whole);
        assert_eq!(again, of(tree.path(), &Manifest::default()).0);
    }

    #[test]
    fn another_mode_is_a_difference() {
        use std::os::unix::fs::PermissionsExt;
        let tree = tree();
        let (manifest, ..) = of(tree.path(), &Manifest::default());
        assert_eq!(manifest.len(), 5);
        let mode = fs::Permissions::from_mode(0o4711);
        fs::set_permissions(tree.path().join("etc/a b\nc"), mode).unwrap();
        let told = manifest.verify(tree.path(), 9, &mut |_| {}).unwrap();
        let told: Vec<_> = told.iter().map(|one| (&*one.name, one.what)).collect();
        assert_eq!(told, [("etc/a b\\nc", "has another owner, mode, size or time")]);
    }

    #[test]
    fn every_change_is_a_difference() {
        let tree = tree();
        let at = |name: &str| tree.path().join(name);
        let (manifest, ..) = of(tree.path(), &Manifest::default());
        assert_eq!(manifest.verify(tree.path(), 9, &mut |_| {}).unwrap(), []);
        let time = fs::metadata(at("etc/a b\nc")).unwrap().modified().unwrap();
        fs::write(at("etc/a b\nc"), "texT").unwrap();
        File::options()
            .write(true)
            .open(at("etc/a b\nc"))
            .unwrap()
            .set_modified(time)
            .unwrap();
        fs::remove_file(at("link")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", at("link")).unwrap();
        let told = manifest.verify(tree.path(), 9, &mut |_| {}).unwrap();
        let content = told.iter().filter(|one| one.what == "has another content");
        let names: Vec<&str> = content.map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["etc/a b\\nc", "link"]);
        fs::remove_file(at("link")).unwrap();
        fs::write(at("new"), "").unwrap();
        let told = manifest.verify(tree.path(), 9, &mut |_| {}).unwrap();
        assert!(told.iter().any(|one| one.what == "is missing"), "{told:?}");
        assert!(told.iter().any(|one| one.what == "is not in the manifest"));
        assert_eq!(manifest.verify(tree.path(), 1, &mut |_| {}).unwrap().len(), 1);
    }
}
