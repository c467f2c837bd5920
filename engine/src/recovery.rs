//! What to do with the jobs that a master left behind: a pure function of the world, executed elsewhere.

use crate::world::World;
use crate::{Job, JobId, Mode, StepNo, StepState};

/// A step that was under way when the last master ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnderWay {
    /// The job.
    pub job: JobId,
    /// Its step.
    pub step: StepNo,
    /// Which side of it.
    pub mode: Mode,
    /// The master did not leave in good order, so the step may be what brought it down.
    pub suspicious: bool,
}

/// The steps that were under way, each to be resumed: probed, re-attached or performed anew.
#[must_use]
pub(crate) fn plan(world: &World) -> Vec<UnderWay> {
    let suspicious = !world.closed;
    world
        .jobs
        .values()
        .filter_map(|job| {
            under_way(job).map(|(step, mode)| UnderWay {
                job: job.id,
                step,
                mode,
                suspicious,
            })
        })
        .collect()
}

/// The step of the job whose outcome is open. Of one that was abandoned nobody asks any more.
#[must_use]
pub fn under_way(job: &Job) -> Option<(StepNo, Mode)> {
    if job.status.is_over() {
        return None;
    }
    job.numbered().find_map(|(no, record)| match record.state {
        StepState::Started { .. } => Some((no, Mode::Do)),
        StepState::UndoStarted { .. } => Some((no, Mode::Undo)),
        _ => None,
    })
}
