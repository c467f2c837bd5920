//! Generations: the consolidated copies of guests that the master keeps. Each is a folder of its guest's, made under the
//! name `incoming-JOB` and sealed by one rename; from then on nothing in its tree is written any more. What is in it is told by
//! `generation.json` and, file by file, by `manifest`.
//!
//! ```text
//! FOLDER/ldap/incoming-1f2e3d4c/            while it is received
//! FOLDER/ldap/20261128T023000000Z-1f2e3d4c/    sealed
//!     generation.json   what it is
//!     manifest          what is in its tree, with a checksum of each file
//!     folders           the folders of its source, by which a later one notices renamed ones
//!     tree/             the guest's root; on LVM a link to where its volume is mounted
//!     pinned            if it is there: never pruned
//!     damaged           if it is there: it was read, and is not what its manifest says
//! ```

mod attributes;
mod keep;
mod manifest;
mod name;
mod rsync;
mod sealed;
mod tree;
mod volume;

/// What the folder of a generation is called while it is received, before its job's id.
pub(crate) const INCOMING: &str = "incoming-";

pub use keep::Keep;
pub use manifest::Difference;
pub(crate) use manifest::{Count, Manifest, room};
pub use name::{GenerationName, SnapshotMode};
pub(crate) use rsync::{Counted, Rsync};
pub use sealed::{Facts, Generation, Generations};
pub use tree::TreeKind;
pub(crate) use tree::{Removed, end_orphans, gone_is_fine, is_gone};
