//! How a guest that is whole comes to life on a host, whichever operation has brought it there: it starts in quarantine, which
//! no packet leaves, shows its health, and is admitted. That is the pivot: from there on it is the guest.

use vsjob_engine::HostName;
use vsjob_engine::UndoKind::Cleaning;

use crate::actions::admit_guest::AdmitGuest;
use crate::actions::check_health::CheckHealth;
use crate::actions::start_quarantined::StartQuarantined;
use crate::{Given, GuestName, Line, Placed, Planner, Ref, ShortId, YesNo};

/// Who is admitted, and where.
pub(crate) struct Admission<'a> {
    pub guest: &'a GuestName,
    pub host: &'a HostName,
    /// Whether it is to run; else all of this finds nothing to do but the pivot.
    pub running: Given<YesNo>,
    pub address: Given<Line>,
    /// A command that must succeed in it; empty: none.
    pub health: &'a Line,
    pub job: Ref<ShortId>,
}

impl Admission<'_> {
    /// The pivot, which the caller tells where guests live then.
    pub(crate) fn plan(self, p: &mut Planner) -> Placed<'_, AdmitGuest> {
        let Self { guest, host, .. } = self;
        let quarantine = p
            .on(
                host,
                StartQuarantined {
                    guest: guest.clone(),
                    running: self.running.clone(),
                },
            )
            .undo(Cleaning)
            .creates("quarantine", format!("vsjob_q_{guest}"))
            .no();
        p.on(
            host,
            CheckHealth {
                guest: guest.clone(),
                running: self.running.clone(),
                address: self.address.clone(),
                command: self.health.clone(),
            },
        );
        p.on(
            host,
            AdmitGuest {
                guest: guest.clone(),
                running: self.running,
                address: self.address,
                job: self.job,
            },
        )
        .pivot()
        .strikes(&[quarantine])
    }
}
