//! Brings the world, and the index, up to the journal when a store is opened. After a crash that is a moment's work; after
//! the index was rebuilt it is the whole journal, which may tell of more jobs than fit in memory. So what changed is
//! handed to the index every so often, with the head that it leads to: memory stays bounded, and whoever is killed
//! meanwhile goes on from there.

use crate::store::{Head, Store};
use crate::world::World;
use crate::{EngineError, Entry, records};

/// How many jobs and guests may have changed before the index is told.
const BATCH: usize = 512;

/// The world at the end of the journal. The index is at `indexed`.
pub(super) fn replay(store: &mut dyn Store, indexed: Head) -> Result<World, EngineError> {
    let reader = store.reader();
    let mut world = records::load(&*reader, indexed.sequence)?;
    for frame in reader.frames_after(indexed.sequence) {
        let frame = frame?;
        let entry = Entry::decode(&frame.payload)?;
        if let Err(illegal) = world.apply(&entry) {
            tracing::error!(%illegal, "an entry of the journal does not fit; its job is stuck");
        }
        // Locks that are freed meanwhile wake nobody yet: the core looks at every job once.
        world.woken.clear();
        if world.dirty.len() >= BATCH {
            store.index(frame.head, records::take_changes(&mut world)?);
        }
    }
    Ok(world)
}
