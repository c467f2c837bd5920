//! What people say of a job that gets nowhere: try it again, go on without a step, take it back after all, give it up.

use super::Core;
use crate::assertion::{self, Assertion};
use crate::{Actor, EngineError, Job, JobEvent, JobId, Status, StepState, Why};

impl Core {
    /// Tries the step again at once at which a job is stuck, or whose next try it waits for.
    ///
    /// # Errors
    /// The job is unknown, over, or gets on; or jobs are held.
    pub fn retry(&mut self, id: JobId, actor: Actor) -> Result<(), EngineError> {
        match self.idle_job(id)?.status {
            Status::Paused(_) => Err(EngineError::GetsOn {
                job: id,
                state: "paused",
            }),
            _ => self.resume(id, actor),
        }
    }

    /// The step at which the job stands counts as done, or as undone, and the job goes on.
    ///
    /// # Errors
    /// The job is unknown, over, or gets on; `assertion` is not enough, or no reason is given; or jobs are held.
    pub fn skip(&mut self, id: JobId, assertion: Option<Assertion>, actor: Actor) -> Result<(), EngineError> {
        let step = assertion::skip(self.idle_job(id)?, assertion);
        let step = step.map_err(|why| EngineError::Unvouched { job: id, why })?;
        has_reason(&actor)?;
        self.leave_alone(id);
        self.happen(
            id,
            JobEvent::Skipped {
                step,
                assertion,
                actor,
            },
        );
        self.advance(id);
        Ok(())
    }

    /// The job is over, as it stands: nothing more is done for it, not even what it owes.
    ///
    /// # Errors
    /// As for [`Core::skip`].
    pub fn abandon(
        &mut self,
        id: JobId,
        assertion: Option<Assertion>,
        actor: Actor,
    ) -> Result<(), EngineError> {
        let enough = assertion::abandon(self.idle_job(id)?, assertion);
        enough.map_err(|why| EngineError::Unvouched { job: id, why })?;
        has_reason(&actor)?;
        self.leave_alone(id);
        self.happen(id, JobEvent::Abandoned { assertion, actor });
        self.advance(id);
        Ok(())
    }

    /// Takes a job back that has intended its pivot and does not know that it succeeded. What has been entrusted to the
    /// new copy meanwhile is lost. If the host where the pivot acts is not off for good, nothing comes back to life
    /// before it has answered that the new copy is gone.
    ///
    /// # Errors
    /// The job is unknown, over, gets on, or is not at its pivot; no reason is given; or jobs are held.
    pub fn turn_back(&mut self, id: JobId, host_is_off: bool, actor: Actor) -> Result<(), EngineError> {
        let at = assertion::turns_back(self.idle_job(id)?);
        at.map_err(|why| EngineError::Unvouched { job: id, why })?;
        has_reason(&actor)?;
        self.unwind(id, Why::TurnedBack { host_is_off, actor });
        self.advance(id);
        Ok(())
    }

    /// A job that may be moved and gets nowhere by itself.
    fn idle_job(&self, id: JobId) -> Result<&Job, EngineError> {
        let job = self.movable_job(id)?;
        let state = job.status.word();
        match self.gets_nowhere(job) {
            true => Ok(job),
            false => Err(EngineError::GetsOn { job: id, state }),
        }
    }

    /// Whether it stands still, or was asked for in vain. What is performed right now may still end well.
    fn gets_nowhere(&self, job: &Job) -> bool {
        let waits =
            |state: &StepState| matches!(state, StepState::Waiting { .. } | StepState::UndoWaiting { .. });
        let stands_still = match &job.status {
            Status::Stuck { .. } | Status::Paused(_) => true,
            _ => job.steps.iter().any(|step| waits(&step.state)),
        };
        self.unanswered.contains_key(&job.id) || stands_still && !self.performing.contains_key(&job.id)
    }
}

fn has_reason(actor: &Actor) -> Result<(), EngineError> {
    let said = actor.reason.as_deref().unwrap_or_default();
    match said.trim().is_empty() {
        true => Err(EngineError::NoReason),
        false => Ok(()),
    }
}
