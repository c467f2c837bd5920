//! Generations, as the API tells them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Generations, by guest, the oldest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct GenerationList {
    /// They.
    pub generations: Vec<GenerationLine>,
}

/// A sealed generation.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct GenerationLine {
    /// The guest.
    pub guest: String,
    /// Its name: when it was begun, in UTC, and the job that made it.
    pub generation: String,
    /// Kept, whatever a rule says.
    pub pinned: bool,
    /// What it says of itself; none, if that cannot be read.
    pub facts: Option<GenerationFacts>,
    /// Why it cannot be read, if so.
    pub trouble: Option<String>,
}

/// What a generation says of itself.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct GenerationFacts {
    /// Where the guest lived.
    pub host: String,
    /// `hot` or `cold`.
    pub mode: String,
    /// It is its guest at one moment; and not as it was read while it went on writing.
    pub crash_consistent: bool,
    /// When it was begun.
    pub taken: String,
    /// How many files it has.
    pub files: u64,
    /// Their bytes.
    pub size: u64,
    /// The bytes that came over the line for it.
    pub received: u64,
    /// What its tree is: `dir` or `btrfs`.
    pub tree: String,
    /// The generation that it was begun from.
    pub base: Option<String>,
    /// What was left out.
    pub excludes: Vec<String>,
    /// The guest's address.
    pub address: String,
    /// It ran.
    pub running: bool,
    /// It started with its host.
    pub enabled: bool,
}

/// What became of reading every byte of a generation.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct GenerationVerified {
    /// The guest.
    pub guest: String,
    /// The generation.
    pub generation: String,
    /// What is not as it was sealed; the first twenty.
    pub differences: Vec<GenerationDifference>,
}

/// A file that is not as it was sealed.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct GenerationDifference {
    /// Its name.
    pub name: String,
    /// What is wrong.
    pub what: String,
}
