//! Guests of systemd-nspawn: roots in /var/lib/machines, settings in /etc/systemd/nspawn.

use crate::{Capability, Driver};

/// systemd-nspawn, as in Debian's package systemd-container.
pub static NSPAWN: Driver = Driver {
    name: "nspawn",
    library: include_str!("nspawn.sh"),
    can: &[Capability::Limits, Capability::Exec, Capability::Processes],
};
