//! Guests on a bridge of their host.

use crate::{Capability, Driver};

/// A veth pair a guest, one end in a bridge.
pub static BRIDGE: Driver = Driver {
    name: "bridge",
    library: include_str!("bridge.sh"),
    can: &[Capability::Quarantine],
};
