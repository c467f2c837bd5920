//! Drivers: how one platform does what every platform can do. A driver is a library of shell functions with fixed
//! names (`guest_start`, `volume_snapshot`, …) and a list of what it is able to; an action is written against the
//! functions, and a workflow asks for a capability, never for a driver by name.

use crate::{network, runtime, storage};

/// A kind of shell library that an action needs before its own text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Library {
    /// Starts, stops and describes guests.
    Runtime,
    /// Makes, snapshots and removes the volumes that guests live in.
    Storage,
    /// Links, addresses and quarantine.
    Network,
    /// Copies trees between hosts; the same on each platform.
    Transfer,
}

/// Something that not every driver can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Capability {
    /// A read-only snapshot of a volume while it is written to.
    Snapshot,
    /// A list of the processes of a guest, as its host sees them.
    Processes,
    /// A limit on the space of a volume.
    DiskLimit,
    /// Limits on memory, processors and processes, live and persistent.
    Limits,
    /// Running a command in a guest with its exit code.
    Exec,
    /// A link that passes nothing except from its own host.
    Quarantine,
}

/// One driver.
#[derive(Debug, PartialEq, Eq)]
pub struct Driver {
    /// As written in `slaves.conf`.
    pub name: &'static str,
    /// Shell functions.
    pub library: &'static str,
    /// What it is able to.
    pub can: &'static [Capability],
}

/// The drivers of one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drivers {
    /// Its guests' runtime.
    pub runtime: &'static Driver,
    /// Where its guests' volumes are.
    pub storage: &'static Driver,
    /// How its guests reach the network.
    pub network: &'static Driver,
}

impl Default for Drivers {
    fn default() -> Self {
        Self {
            runtime: &runtime::NSPAWN,
            storage: &storage::BTRFS,
            network: &network::BRIDGE,
        }
    }
}

impl Drivers {
    /// The text of a library on that host.
    #[must_use]
    pub fn library(&self, which: Library) -> &'static str {
        match which {
            Library::Runtime => self.runtime.library,
            Library::Storage => self.storage.library,
            Library::Network => self.network.library,
            Library::Transfer => include_str!("transfer.sh"),
        }
    }

    /// Whether that host is able to do `what`.
    #[must_use]
    pub fn can(&self, what: Capability) -> bool {
        [self.runtime, self.storage, self.network]
            .iter()
            .any(|driver| driver.can.contains(&what))
    }
}
