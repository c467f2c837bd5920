//! The file `index.mark`: whether the index can be trusted at the next opening. sled does not fsync, so an index that was
//! open when the machine itself stopped is not.

use std::fs;

use super::directory::Paths;
use super::disk::Disk;
use crate::store::StoreError;

/// What the file `index.mark` says about the index.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// It was closed, all of it durable.
    Clean,
    /// It was open under this boot of the machine.
    Open(String),
    /// It failed while it was used.
    Broken,
}

impl Mark {
    pub(super) fn read(disk: &Disk, paths: &Paths) -> Result<Self, StoreError> {
        let text = disk.read_text(&paths.index_mark)?;
        Ok(match text.as_deref().map(str::trim_end) {
            Some("clean") => Self::Clean,
            Some("broken") => Self::Broken,
            Some(other) => Self::Open(other.strip_prefix("open ").unwrap_or_default().to_owned()),
            None => Self::Open(String::new()),
        })
    }

    pub(super) fn write(&self, disk: &Disk, paths: &Paths) -> Result<(), StoreError> {
        let text = match self {
            Self::Clean => "clean\n".to_owned(),
            Self::Open(boot) => format!("open {boot}\n"),
            Self::Broken => "broken\n".to_owned(),
        };
        disk.replace(&paths.index_mark, &text)
    }

    pub(super) fn distrust(&self) -> Option<&'static str> {
        match self {
            Self::Clean => None,
            Self::Broken => Some("it failed while it was used"),
            Self::Open(boot) if *boot == this_boot() => None,
            Self::Open(_) => Some("the machine stopped while it was open"),
        }
    }
}

/// Changes with every start of the machine; empty where the kernel does not tell.
pub(super) fn this_boot() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim_end().to_owned()
}
