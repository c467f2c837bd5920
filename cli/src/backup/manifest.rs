//! What a backup says about itself. Field names are stable; new ones may be added.

use serde::{Deserialize, Serialize};

use crate::message::Moment;

/// The name of its entry, which comes first.
pub(super) const NAME: &str = "manifest.json";
/// The format that this program writes.
pub(super) const FORMAT: u32 = 1;

/// What a backup says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// Of the archive.
    pub format: u32,
    /// When it was made.
    pub made: Moment,
    /// On which machine.
    pub machine: String,
    /// By which version of vsjob.
    pub version: String,
    /// The number of the last journal record in it.
    pub records: u64,
    /// The begin of that record's hash, as `audit verify` shows it.
    pub head: String,
    /// The templates that the master had. They are not in the backup.
    pub templates: Vec<String>,
}
