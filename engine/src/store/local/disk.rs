//! The file operations of the local store. Each names its path when it fails, and each asks [`Faults`] first, so that
//! a test can fail or die at any of them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::store::StoreError;

/// A file operation that changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A file or directory is created.
    Create,
    /// Room is reserved for a file.
    Allocate,
    /// Bytes are written.
    Write,
    /// A file is made durable.
    Sync,
    /// A directory is made durable.
    SyncDirectory,
    /// A file or directory gets another name.
    Rename,
    /// A file or directory is removed.
    Remove,
}

/// Decides which file operations fail.
pub trait Faults: Send + Sync {
    /// Called before each operation; an error is returned as if the system had said it.
    fn before(&self, operation: Operation, path: &Path) -> io::Result<()>;
}

/// Lets every operation through.
pub(super) struct NoFaults;

impl Faults for NoFaults {
    fn before(&self, _: Operation, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

/// Access to the file system.
#[derive(Clone)]
pub(super) struct Disk {
    faults: Arc<dyn Faults>,
}

/// An open file that knows its path.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) path: PathBuf,
    file: File,
}

type Result<T> = std::result::Result<T, StoreError>;

impl Disk {
    pub(super) fn new(faults: Arc<dyn Faults>) -> Self {
        Self { faults }
    }

    /// One that only reads, or that no test wants to fail.
    pub(super) fn faultless() -> Self {
        Self::new(Arc::new(NoFaults))
    }

    fn attempt<T>(
        &self,
        doing: &'static str,
        operation: Operation,
        path: &Path,
        act: impl FnOnce() -> io::Result<T>,
    ) -> Result<T> {
        self.faults
            .before(operation, path)
            .and_then(|()| act())
            .map_err(|source| failed(doing, path, source))
    }

    /// Creates a directory that only its owner may enter, unless it is there already. Its name is durable afterwards.
    pub(super) fn create_directory(&self, path: &Path) -> Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        self.attempt("create", Operation::Create, path, || {
            DirBuilder::new().recursive(true).mode(0o700).create(path)
        })?;
        path.parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .map_or(Ok(()), |parent| self.sync_directory(parent))
    }

    /// Creates an empty file, or empties the one that is there.
    pub(super) fn create(&self, path: &Path) -> Result<Handle> {
        let file = self.attempt("create", Operation::Create, path, || {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(true);
            options.mode(0o600).open(path)
        })?;
        let path = path.to_path_buf();
        Ok(Handle { path, file })
    }

    /// Opens a file to read and write.
    pub(super) fn open(&self, path: &Path) -> Result<Handle> {
        let file = OpenOptions::new().read(true).write(true).open(path);
        handle(path, file)
    }

    /// Opens a file to read.
    pub(super) fn open_to_read(&self, path: &Path) -> Result<Handle> {
        handle(path, File::open(path))
    }

    /// Reserves room for a file. A file system that cannot is no error: writing will show whether there is room.
    pub(super) fn allocate(&self, handle: &Handle, size: u64) -> Result<()> {
        self.attempt("allocate", Operation::Allocate, &handle.path, || {
            let flags = rustix::fs::FallocateFlags::empty();
            match rustix::fs::fallocate(&handle.file, flags, 0, size) {
                Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
                other => other.map_err(io::Error::from),
            }
        })
    }

    pub(super) fn write(&self, handle: &Handle, bytes: &[u8], offset: u64) -> Result<()> {
        self.attempt("write", Operation::Write, &handle.path, || {
            handle.file.write_all_at(bytes, offset)
        })
    }

    /// Cuts a file, or adds zeros to it.
    pub(super) fn resize(&self, handle: &Handle, size: u64) -> Result<()> {
        self.attempt("resize", Operation::Allocate, &handle.path, || {
            handle.file.set_len(size)
        })
    }

    /// Makes the file's content durable. A failure is never retried: the kernel may have dropped what it could not
    /// write, and would then report success.
    pub(super) fn sync(&self, handle: &Handle) -> Result<()> {
        self.faults
            .before(Operation::Sync, &handle.path)
            .and_then(|()| handle.file.sync_data())
            .map_err(|source| StoreError::Unsynced {
                path: handle.path.clone(),
                source,
            })
    }

    /// Makes the names in a directory durable.
    pub(super) fn sync_directory(&self, path: &Path) -> Result<()> {
        self.attempt("sync", Operation::SyncDirectory, path, || {
            File::open(path)?.sync_all()
        })
    }

    /// Gives `from` the name `to`, in place of whatever file has it, and makes that durable.
    pub(super) fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.attempt("rename", Operation::Rename, from, || fs::rename(from, to))?;
        let (old, new) = (from.parent(), to.parent());
        for parent in new.into_iter().chain(old.filter(|_| old != new)) {
            self.sync_directory(parent)?;
        }
        Ok(())
    }

    /// Replaces a small file as a whole, durably.
    pub(super) fn replace(&self, path: &Path, content: &str) -> Result<()> {
        let partial = path.with_extension("partial");
        let handle = self.create(&partial)?;
        self.write(&handle, content.as_bytes(), 0)?;
        self.sync(&handle)?;
        self.rename(&partial, path)
    }

    /// Copies a file, durably. One that is not there is absent.
    pub(super) fn copy(&self, from: &Path, to: &Path) -> Result<()> {
        let copied = self.attempt("copy", Operation::Create, from, || fs::copy(from, to));
        match copied {
            Err(StoreError::Io { path, source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Err(StoreError::Absent { path })
            }
            other => other.map(drop),
        }?;
        self.sync(&self.open(to)?)
    }

    /// Removes a file, or a directory with all that is in it; none there is no error.
    pub(super) fn remove(&self, path: &Path) -> Result<()> {
        let removed = self.attempt("remove", Operation::Remove, path, || {
            if path.is_dir() {
                fs::remove_dir_all(path)
            } else {
                fs::remove_file(path)
            }
        });
        match removed {
            Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// The small text file at `path`, or `None` if there is none.
    pub(super) fn read_text(&self, path: &Path) -> Result<Option<String>> {
        match fs::read(path) {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(failed("read", path, source)),
        }
    }

    /// The names in a directory, sorted; names that are not UTF-8 are none of ours and left out.
    pub(super) fn names(&self, path: &Path) -> Result<Vec<String>> {
        let entries = fs::read_dir(path).map_err(|source| failed("list", path, source))?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|source| failed("list", path, source))?;
            names.extend(entry.file_name().into_string());
        }
        names.sort();
        Ok(names)
    }

    /// How many bytes the file system of `path` has for us.
    pub(super) fn free(&self, path: &Path) -> Result<u64> {
        let stat = rustix::fs::statvfs(path).map_err(|errno| failed("examine", path, errno.into()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

impl Handle {
    pub(super) fn size(&self) -> Result<u64> {
        let metadata = self.file.metadata();
        metadata
            .map(|metadata| metadata.len())
            .map_err(|source| failed("examine", &self.path, source))
    }

    /// Exactly `length` bytes from `offset` on.
    pub(super) fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.file
            .read_exact_at(&mut bytes, offset)
            .map_err(|source| failed("read", &self.path, source))?;
        Ok(bytes)
    }
}

fn handle(path: &Path, file: io::Result<File>) -> Result<Handle> {
    let path = path.to_path_buf();
    match file {
        Ok(file) => Ok(Handle { path, file }),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Err(StoreError::Absent { path }),
        Err(source) => Err(failed("open", &path, source)),
    }
}

fn failed(doing: &'static str, path: &Path, source: io::Error) -> StoreError {
    let path = path.to_path_buf();
    StoreError::Io { doing, path, source }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Remembers which directories were made durable.
    #[derive(Default)]
    struct Synced(Mutex<Vec<PathBuf>>);

    impl Faults for Synced {
        fn before(&self, operation: Operation, path: &Path) -> io::Result<()> {
            if operation == Operation::SyncDirectory {
                self.0.lock().unwrap().push(path.to_owned());
            }
            Ok(())
        }
    }

    #[test]
    fn what_gets_a_name_has_it_after_a_power_cut() {
        let folder = tempfile::tempdir().unwrap();
        let (root, synced) = (folder.path(), Arc::new(Synced::default()));
        let disk = Disk::new(synced.clone());
        let all = || std::mem::take(&mut *synced.0.lock().unwrap());
        let (one, other) = (root.join("one"), root.join("other"));
        disk.create_directory(&one).unwrap();
        disk.create_directory(&other).unwrap();
        assert_eq!(all(), [root, root]);
        disk.create_directory(&one).unwrap();
        assert_eq!(all(), [] as [&Path; 0]);
        disk.replace(&one.join("file"), "text").unwrap();
        assert_eq!(all(), [&*one]);
        disk.rename(&one.join("file"), &other.join("file")).unwrap();
        assert_eq!(all(), [&*other, &*one]);
    }

    #[test]
    fn what_cannot_be_copied_or_removed_is_not_taken_for_absent() {
        let folder = tempfile::tempdir().unwrap();
        let (disk, none) = (Disk::faultless(), folder.path().join("none"));
        let (file, to) = (folder.path().join("file"), folder.path().join("to"));
        fs::write(&file, "").unwrap();
        let absent = disk.copy(&none, &to).unwrap_err();
        assert!(matches!(absent, StoreError::Absent { .. }), "{absent}");
        let failed = disk.copy(folder.path(), &to).unwrap_err();
        assert!(matches!(failed, StoreError::Io { .. }), "{failed}");
        disk.remove(&none).unwrap();
        disk.remove(&file.join("below")).unwrap_err();
    }
}
