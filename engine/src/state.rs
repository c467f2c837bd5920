//! The one transition table. Live running, recovery and tests all change a job through [`apply`]; what is not in the
//! table cannot happen.

use std::collections::BTreeMap;

use crate::assertion;
use crate::{
    Actor, Direction, Firing, Job, JobEvent, JobId, ScheduleEvent, ScheduleName, Scheduled, Status, StepNo,
    StepRecord, StepState, Timestamp, Why,
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
        if let (JobEvent::Skipped { .. }, Status::Stuck { direction, .. }) = (event, &job.status) {
            job.status = towards(direction);
        }
    } else {
        job.status = next_status(job, event).ok_or_else(|| illegal(job, event))?;
        match event {
            JobEvent::Started => job.started = Some(at),
            JobEvent::Resumed { .. } => forgive(job),
            JobEvent::Abandoned { actor, .. } => strike_debts(job, actor),
            _ => {}
        }
    }
    if job.status.is_over() {
        job.ended.get_or_insert(at);
    }
    job.last = sequence;
    Ok(())
}

/// Changes a schedule by `event`. What happens to one that is not there changes nothing.
pub(crate) fn apply_to_schedule(
    schedules: &mut BTreeMap<ScheduleName, Scheduled>,
    name: &ScheduleName,
    event: &ScheduleEvent,
    at: Timestamp,
) {
    if let ScheduleEvent::Set {
        schedule,
        declared,
        actor,
    } = event
    {
        let before = schedules.remove(name);
        let scheduled = Scheduled {
            schedule: (**schedule).clone(),
            declared: *declared,
            actor: actor.clone(),
            settled: at,
            enabled: before.as_ref().is_none_or(|before| before.enabled),
            job: before.as_ref().and_then(|before| before.job),
            last: before.and_then(|before| before.last),
        };
        schedules.insert(name.clone(), scheduled);
        return;
    }
    let Some(known) = schedules.get_mut(name) else {
        return;
    };
    match event {
        ScheduleEvent::Set { .. } => {}
        ScheduleEvent::Removed { .. } => drop(schedules.remove(name)),
        ScheduleEvent::Enabled { .. } => {
            // What was due meanwhile is not wanted.
            known.settled = at;
            known.enabled = true;
        }
        ScheduleEvent::Disabled { .. } => known.enabled = false,
        ScheduleEvent::Fired { due, job, by } => {
            known.job = Some((*job, *due));
            known.came_to(*due, at, Ok(*job), by.is_none());
        }
        ScheduleEvent::Missed { due, why } => known.came_to(*due, at, Err(why.clone()), true),
    }
}

impl Scheduled {
    fn came_to(&mut self, due: Timestamp, at: Timestamp, came: Result<JobId, crate::Missed>, settles: bool) {
        self.last = Some(Firing { due, at, came });
        if settles {
            self.settled = self.settled.max(due);
        }
    }
}

/// The next status of the job, for events that concern it as a whole.
fn next_status(job: &Job, event: &JobEvent) -> Option<Status> {
    use JobEvent as E;
    use Status as S;
    Some(match (&job.status, event) {
        (S::Queued, E::Started) => S::Running,

        (S::Running, E::Succeeded) if job.current().is_none() => S::Succeeded,
        (
            S::Queued
            | S::Running
            | S::Paused(Direction::Queued | Direction::Forward)
            | S::Stuck {
                direction: Direction::Queued | Direction::Forward,
                ..
            },
            E::Unwinding { why },
        ) if goes_back(job, why) => S::Unwinding(why.clone()),
        (S::Unwinding(why), E::RolledBack) if job.next_undo().is_none() => match why {
            Why::Failed { failure, .. } => S::RolledBack(failure.clone()),
            Why::Cancelled(_) | Why::TurnedBack { .. } => S::Cancelled,
        },

        (S::Queued, E::Paused { .. }) => S::Paused(Direction::Queued),
        (S::Running, E::Paused { .. }) => S::Paused(Direction::Forward),
        (S::Unwinding(why), E::Paused { .. }) => S::Paused(Direction::Backward(why.clone())),

        (S::Queued, E::Stuck { reason }) => stuck(reason, Direction::Queued),
        (S::Running, E::Stuck { reason }) => stuck(reason, Direction::Forward),
        (S::Unwinding(why), E::Stuck { reason }) => stuck(reason, Direction::Backward(why.clone())),
        (S::Paused(direction) | S::Stuck { direction, .. }, E::Stuck { reason }) => {
            stuck(reason, direction.clone())
        }

        (S::Paused(direction) | S::Stuck { direction, .. }, E::Resumed { .. }) => towards(direction),
        (S::Running, E::Resumed { .. }) => S::Running,
        (S::Unwinding(why), E::Resumed { .. }) => S::Unwinding(why.clone()),

        (_, E::Abandoned { assertion, actor }) if assertion::abandon(job, *assertion).is_ok() => {
            S::Abandoned { reason: said(actor) }
        }
        _ => return None,
    })
}

/// Before its pivot a job goes back for any reason, and at it only because somebody turns it back.
fn goes_back(job: &Job, why: &Why) -> bool {
    match why {
        Why::TurnedBack { .. } => assertion::turns_back(job).is_ok(),
        Why::Failed { .. } | Why::Cancelled(_) => !job.is_past_pivot(),
    }
}

/// The status of a job that goes on in its direction.
fn towards(direction: &Direction) -> Status {
    match direction {
        Direction::Queued => Status::Queued,
        Direction::Forward => Status::Running,
        Direction::Backward(why) => Status::Unwinding(why.clone()),
    }
}

fn said(actor: &Actor) -> String {
    actor.reason.clone().unwrap_or_default()
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

/// What is left as it is, is left so everywhere: an undo that came later could take away what somebody still needs.
fn strike_debts(job: &mut Job, actor: &Actor) {
    for step in &mut job.steps {
        if matches!(step.state, StepState::Owed(_)) {
            step.state = StepState::Skipped { reason: said(actor) };
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
        | E::DebtStruck { step, .. }
        | E::Skipped { step, .. } => *step,
        _ => return Ok(None),
    };
    let record = job.step(no).ok_or_else(|| illegal(job, event))?;
    let next = next_step(job, no, record, event).ok_or_else(|| illegal(job, event))?;
    Ok(Some(Change { no, record: next }))
}

fn next_step(job: &Job, no: StepNo, record: &StepRecord, event: &JobEvent) -> Option<StepRecord> {
    use JobEvent as E;
    use StepState as S;
    if job.status.is_over() && !matches!(event, E::DebtPaid { .. } | E::DebtStruck { .. }) {
        return None;
    }
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
        (S::UndoStarted { .. }, E::UndoOwed { failure, .. }) if job.is_cleaning(no) => {
            S::Owed(failure.clone())
        }
        (S::Owed(_), E::DebtPaid { .. } | E::DebtStruck { .. }) => S::Undone,
        (_, E::Skipped { assertion, actor, .. }) if assertion::skip(job, *assertion) == Ok(no) => {
            S::Skipped { reason: said(actor) }
        }
        _ => return None,
    };
    Some(next)
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
