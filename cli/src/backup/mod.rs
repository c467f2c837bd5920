//! A backup of the master: one tar archive of its store and its configuration files, made while it runs or after it died,
//! and restored on whatever machine is to be the master then.
//!
//! ```text
//! manifest.json  what is in it, when and where it was made, and the store's head
//! config/…       vsjob.toml, slaves.conf and the other files of the configuration folder
//! store/…        the journal, what is archived not, and the snapshots; the index is rebuilt from them
//! ```
//! Not in it: SSH keys and known hosts, which are the system's, templates, whose names the manifest lists, and the archive
//! of the journal, which no master needs to start.

mod manifest;
mod restore;
mod write;

pub(crate) use restore::restore;
pub(crate) use write::{Source, write};
