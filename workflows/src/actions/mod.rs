//! The actions that plans are made of, one file each.

pub mod demo;

use vsjob_workers::Registry;

use crate::Call;

/// Every action of every operation.
#[must_use]
pub fn registry() -> Registry {
    Registry::new([
        demo::Prepare::action(),
        demo::Borrow::action(),
        demo::AwaitGo::action(),
        demo::Publish::action(),
        demo::Tidy::action(),
    ])
}
