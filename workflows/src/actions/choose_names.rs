//! Chooses the names of what a job makes. They carry its short id, so a step that is repeated finds its own work, and
//! whoever finds something knows whose it is.

use vsjob_engine::{Outcome, Outputs, Performing, Work};
use vsjob_workers::Context;

use super::argument;
use crate::planner::master_action;
use crate::{GuestName, ShortId, VolumeName};

master_action! {
    /// Chooses the names of what the job makes for this guest.
    ChooseNames { guest: GuestName } -> Names {
        /// The job's short id.
        job: ShortId,
        /// The volume while it is not whole.
        partial: VolumeName,
        /// What the guest leaves behind where it was.
        moved: VolumeName,
        /// What of it waits to be deleted once it is removed.
        removed: VolumeName,
        /// What the guest was before it was put back.
        replaced: VolumeName,
        /// A read-only picture of it.
        snapshot: VolumeName,
    }
    "choose-names" version 1, "choose names", choose
}

fn choose(_: Context, work: Work) -> Performing {
    Box::pin(async move {
        let guest = argument(&work, "guest");
        let job = work.job.short();
        Outcome::Done(Outputs::from([
            ("partial".to_owned(), format!("{guest}.partial-{job}")),
            ("moved".to_owned(), format!("{guest}.moved-{job}")),
            ("removed".to_owned(), format!("{guest}.removed-{job}")),
            ("replaced".to_owned(), format!("{guest}.replaced-{job}")),
            ("snapshot".to_owned(), format!(".vsjob-{job}-1")),
            ("job".to_owned(), job),
        ]))
    })
}
