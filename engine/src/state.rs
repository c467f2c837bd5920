//! The one transition table. Live running, recovery and tests all change a job through [`apply`]; what is not in the
//! table cannot happen.

use crate::{
    Direction, Job, JobEvent, JobId, Status, StepNo, StepRecord, StepState, Timestamp, UndoKind, Why,
};

/// An event that does not fit the state it meets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("job {job} is {state}; `{event}` cannot happen to it")]
pub struct IllegalTransition {
    /// The job.
    pub job: JobId,
    /// Where it, or its step, stands.
    pub state: String,
    /// What was to happen.
    pub event: String,
}

/// Changes `job` by `event`, which has the sequence number `sequence`.
///
/// # Errors
/// The event cannot happen in this state; the job is unchanged.
pub fn apply(job: &mut Job, event: &JobEvent, at: Timestamp, sequence: u64) -> Result<(), IllegalTransition> {
    if let Some(change) = step_change(job, event)? {
        let record = change.record;
        let Some(slot) = job.steps.get_mut(change.no.index()) else {
            return Err(illegal(job, event));
        };
        *slot = record;
        slot.started.get_or_insert(at);
        slot.ended = Some(at);
    } else {
        job.status = next_status(job, event).ok_or_else(|| illegal(job, event))?;
        match event {
            JobEvent::Started => job.started = Some(at),
            JobEvent::Resumed { .. } => forgive(job),
            _ => {}
        }
    }
    if job.status.is_over() && job.ended.is_none() {
        job.ended = Some(at);
    }
    job.last = sequence;
    Ok(())
}

/// The next status of the job, for events that concern it as a whole.
fn next_status(job: &Job, event: &JobEvent) -> Option<Status> {
    use JobEvent as E;
    use Status as S;
    Some(match (&job.status, event) {
        (S::Queued, E::Started) => S::Running,

        (S::Running, E::Succeeded) if job.current().is_none() => S::Succeeded,
        (S::Running, E::Unwinding { why }) if !job.is_past_pivot() => S::Unwinding(why.clone()),
        (S::Queued, E::Unwinding { why }) => S::Unwinding(why.clone()),
        (S::Paused(Direction::Queued | Direction::Forward), E::Unwinding { why })
        | (
            S::Stuck {
                direction: Direction::Queued | Direction::Forward,
                ..
            },
            E::Unwinding { why },
        ) if !job.is_past_pivot() => S::Unwinding(why.clone()),
        (S::Unwinding(why), E::RolledBack) if job.next_undo().is_none() => match why {
            Why::Failed { failure, .. } => S::RolledBack(failure.clone()),
            Why::Cancelled(_) => S::Cancelled,
        },

        (S::Queued, E::Paused { .. }) => S::Paused(Direction::Queued),
        (S::Running, E::Paused { .. }) => S::Paused(Direction::Forward),
        (S::Unwinding(why), E::Paused { .. }) => S::Paused(Direction::Backward(why.clone())),

        (S::Queued, E::Stuck { reason }) => stuck(reason, Direction::Queued),
        (S::Running, E::Stuck { reason }) => stuck(reason, Direction::Forward),
        (S::Unwinding(why), E::Stuck { reason }) => stuck(reason, Direction::Backward(why.clone())),
        (S::Paused(direction), E::Stuck { reason }) => stuck(reason, direction.clone()),

        (S::Paused(direction) | S::Stuck { direction, .. }, E::Resumed { .. }) => match direction {
            Direction::Queued => S::Queued,
            Direction::Forward => S::Running,
            Direction::Backward(why) => S::Unwinding(why.clone()),
        },
        (S::Running, E::Resumed { .. }) => S::Running,
        (S::Unwinding(why), E::Resumed { .. }) => S::Unwinding(why.clone()),
        _ => return None,
    })
}

fn stuck(reason: &str, direction: Direction) -> Status {
    Status::Stuck {
        reason: reason.to_owned(),
        direction,
    }
}

/// `resume` gives a step that waits, or failed for good, all its attempts again.
fn forgive(job: &mut Job) {
    for step in &mut job.steps {
        step.interruptions = 0;
        step.failures = 0;
        match &step.state {
            StepState::Failed(_) | StepState::Waiting { .. } => step.state = StepState::Retrying,
            StepState::UndoFailed(_) | StepState::UndoWaiting { .. } => step.state = StepState::UndoRetrying,
            _ => {}
        }
    }
}

struct Change {
    no: StepNo,
    record: StepRecord,
}

/// The next state of a step, for events that concern one; `None` for the others.
fn step_change(job: &Job, event: &JobEvent) -> Result<Option<Change>, IllegalTransition> {
    use JobEvent as E;
    let no = match event {
        E::StepStarted { step, .. }
        | E::StepSucceeded { step, .. }
        | E::StepFailed { step, .. }
        | E::Interrupted { step }
        | E::UndoStarted { step, .. }
        | E::Undone { step }
        | E::UndoFailed { step, .. }
        | E::UndoOwed { step, .. }
        | E::DebtPaid { step }
        | E::DebtStruck { step, .. } => *step,
        _ => return Ok(None),
    };
    let record = job.step(no).ok_or_else(|| illegal(job, event))?;
    let next = next_step(job, no, record, event).ok_or_else(|| illegal(job, event))?;
    Ok(Some(Change { no, record: next }))
}

fn next_step(job: &Job, no: StepNo, record: &StepRecord, event: &JobEvent) -> Option<StepRecord> {
    use JobEvent as E;
    use StepState as S;
    let mut next = record.clone();
    next.state = match (&record.state, event) {
        (
            S::Planned | S::Started { .. } | S::Waiting { .. } | S::Retrying,
            E::StepStarted { attempt, epoch, .. },
        ) if job.status == Status::Running
            && job.current() == Some(no)
            && *attempt == record.attempts + 1 =>
        {
            next.attempts = *attempt;
            S::Started {
                attempt: *attempt,
                epoch: *epoch,
            }
        }
        (S::Started { .. }, E::StepSucceeded { outputs, .. }) => {
            next.outputs = Some(outputs.clone());
            next.interruptions = 0;
            S::Succeeded
        }
        (
            S::Started { attempt, .. },
            E::StepFailed {
                failure,
                retry_at: Some(until),
                ..
            },
        ) => {
            next.interruptions = 0;
            next.failures += 1;
            S::Waiting {
                attempt: *attempt,
                failure: failure.clone(),
                until: *until,
            }
        }
        (
            S::Started { .. },
            E::StepFailed {
                failure,
                retry_at: None,
                ..
            },
        ) => S::Failed(failure.clone()),
        (S::Started { .. } | S::UndoStarted { .. }, E::Interrupted { .. }) => {
            next.interruptions += 1;
            record.state.clone()
        }

        (from, E::UndoStarted { attempt, epoch, .. })
            if matches!(job.status, Status::Unwinding(_))
                && job.next_undo() == Some(no)
                && *attempt == record.undo_attempts + 1
                && !matches!(from, S::UndoFailed(_)) =>
        {
            next.undo_attempts = *attempt;
            if !matches!(
                from,
                S::UndoStarted { .. } | S::UndoWaiting { .. } | S::UndoRetrying
            ) {
                next.failures = 0;
                next.interruptions = 0;
            }
            S::UndoStarted {
                attempt: *attempt,
                epoch: *epoch,
            }
        }
        (S::UndoStarted { .. }, E::Undone { .. }) => {
            next.interruptions = 0;
            S::Undone
        }
        (
            S::UndoStarted { attempt, .. },
            E::UndoFailed {
                failure,
                retry_at: Some(until),
                ..
            },
        ) => {
            next.interruptions = 0;
            next.failures += 1;
            S::UndoWaiting {
                attempt: *attempt,
                failure: failure.clone(),
                until: *until,
            }
        }
        (
            S::UndoStarted { .. },
            E::UndoFailed {
                failure,
                retry_at: None,
                ..
            },
        ) => S::UndoFailed(failure.clone()),
        (S::UndoStarted { .. }, E::UndoOwed { failure, .. }) if is_cleaning(job, no) => {
            S::Owed(failure.clone())
        }
        (S::Owed(_), E::DebtPaid { .. } | E::DebtStruck { .. }) => S::Undone,
        _ => return None,
    };
    Some(next)
}

/// A step without an undo of its own has nothing that gates: it only has to be stopped.
pub(crate) fn is_cleaning(job: &Job, no: StepNo) -> bool {
    job.plan
        .step(no)
        .is_some_and(|step| step.undo != Some(UndoKind::Gating))
}

fn illegal(job: &Job, event: &JobEvent) -> IllegalTransition {
    let steps: Vec<String> = job
        .numbered()
        .filter(|(_, step)| !matches!(step.state, StepState::Planned | StepState::Succeeded))
        .map(|(no, step)| format!("step {no} {}", step.state.word()))
        .collect();
    let state = if steps.is_empty() {
        job.status.word().to_owned()
    } else {
        format!("{} ({})", job.status.word(), steps.join(", "))
    };
    IllegalTransition {
        job: job.id,
        state,
        event: event.word().to_owned(),
    }
}
