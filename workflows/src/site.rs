//! What a request is resolved against: the pool as the master knows it at the moment of submit. Nothing here is asked
//! of a host; what may have changed meanwhile is checked again by the first steps of a plan.

use std::collections::BTreeMap;
use std::path::PathBuf;

use vsjob_engine::HostName;
use vsjob_workers::Drivers;

use crate::{GuestName, Refusal, TemplateName};

/// The pool, as known.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// The master's own folder.
    pub state: PathBuf,
    /// Where each guest lives.
    pub placement: BTreeMap<GuestName, HostName>,
    /// The hosts of slaves.conf.
    pub hosts: BTreeMap<HostName, SiteHost>,
    /// The templates that the master has, with their archives.
    pub templates: BTreeMap<TemplateName, PathBuf>,
}

/// A host, as known.
#[derive(Clone, Copy, Debug, Default)]
pub struct SiteHost {
    /// Its drivers.
    pub drivers: Drivers,
    /// It may be chosen for a guest when the request names no host.
    pub selectable: bool,
}

impl Site {
    /// Where the guest lives.
    ///
    /// # Errors
    /// Placement does not know it.
    pub fn place_of(&self, guest: &GuestName) -> Result<&HostName, Refusal> {
        self.placement
            .get(guest)
            .ok_or_else(|| Refusal::UnknownGuest(guest.clone()))
    }

    /// The host of that name.
    ///
    /// # Errors
    /// slaves.conf does not have it.
    pub fn host(&self, host: &HostName) -> Result<&SiteHost, Refusal> {
        self.hosts
            .get(host)
            .ok_or_else(|| Refusal::UnknownHost(host.clone()))
    }
}
