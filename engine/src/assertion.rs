//! A word in the place of a fact. A job that gets nowhere may be helped by a person who knows what the engine cannot find
//! out: that a host is off and stays off, or that a step was done, or undone, by hand. What may be skipped or abandoned,
//! and what has to be vouched for then, is decided here and nowhere else.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{Command, Direction, HostName, Job, Mode, Status, Step, StepNo, StepRecord, StepState, Value};

/// What a person vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Assertion {
    /// The host where the step acts is off and stays off.
    HostIsOff,
    /// What the step was to do, or its undo, has been done by hand, and nothing that it started still runs.
    DoneByHand,
}

/// Why a step is not skipped, or a job not abandoned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unvouched {
    /// Nothing was intended yet.
    #[error("it stands at no step that was begun")]
    NothingBegun,
    /// It can still be taken back.
    #[error("it has not come to its point of no return, and can be taken back")]
    BeforePivot,
    /// Its pivot has succeeded, or it has none.
    #[error("it is not at its point of no return")]
    NotAtPivot,
    /// Somebody has to vouch for it.
    #[error("step {step} (`{title}`) is one that others rely on, and nobody vouches for it")]
    NothingSaid {
        /// The step.
        step: StepNo,
        /// Its title.
        title: String,
    },
    /// It changes where a guest lives: a host that is off cannot have done that.
    #[error("step {step} (`{title}`) says where a guest lives: that its host is off is not enough")]
    Places {
        /// The step.
        step: StepNo,
        /// Its title.
        title: String,
    },
    /// A later step works with what it would have answered.
    #[error("step {by} needs `{key}` of step {step}, which only that can answer")]
    Needed {
        /// The step.
        step: StepNo,
        /// What it answers.
        key: String,
        /// Who needs it.
        by: StepNo,
    },
}

impl Unvouched {
    /// The stable code, explained in `docs/errors`.
    #[must_use]
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::NothingSaid { .. } | Self::Places { .. } => "VSJ0015",
            Self::NothingBegun | Self::BeforePivot | Self::NotAtPivot | Self::Needed { .. } => "VSJ0016",
        }
    }

    /// What to do about it.
    #[must_use]
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::NothingSaid { .. } => {
                "say --host-is-off if its host is off and stays off, or --done-by-hand if you have seen to it yourself"
            }
            Self::Places { .. } => {
                "look where the guest is; then say --done-by-hand, or take it back with `vsjob abandon JOB --to source`"
            }
            Self::NothingBegun | Self::BeforePivot => "`vsjob cancel JOB` takes it back",
            Self::NotAtPivot => "`vsjob status JOB` shows where it stands",
            Self::Needed { .. } => {
                "mend the cause and `vsjob retry JOB`, or give the job up with `vsjob abandon JOB`"
            }
        }
    }
}

/// Where a job that has begun and is not over stands: at the next step to be done, or to be undone.
#[must_use]
pub(crate) fn stands_at(job: &Job) -> Option<(StepNo, Mode)> {
    let back = || Some((job.next_undo()?, Mode::Undo));
    let forward = || Some((job.current()?, Mode::Do));
    match &job.status {
        Status::Running => forward(),
        Status::Unwinding(_) => back(),
        Status::Paused(direction) | Status::Stuck { direction, .. } => match direction {
            Direction::Queued => None,
            Direction::Forward => forward(),
            Direction::Backward(_) => back(),
        },
        _ => None,
    }
}

/// The hosts that are off and stay off, if `command` says so of a host.
#[must_use]
pub fn said_to_be_off(job: &Job, command: Command) -> BTreeSet<HostName> {
    let hosts = |no| job.plan.step(no).map_or(&[][..], |step| &step.hosts);
    let stands_at = stands_at(job);
    match command {
        Command::Skip(Some(Assertion::HostIsOff))
        | Command::Abandon(Some(Assertion::HostIsOff))
        | Command::TurnBack { host_is_off: true } => match stands_at {
            None => BTreeSet::new(),
            Some((no, Mode::Do)) => hosts(no).iter().cloned().collect(),
            // All that is to be put back in service is on hosts that are off, or it would have to be.
            Some((no, Mode::Undo)) => {
                let due = match command {
                    Command::Abandon(_) => out_of_service(job).collect(),
                    _ => vec![no],
                };
                due.into_iter()
                    .filter_map(|no| hosts(no).first().cloned())
                    .collect()
            }
        },
        _ => BTreeSet::new(),
    }
}

/// The step that is skipped, if `assertion` is enough for that.
pub(crate) fn skip(job: &Job, assertion: Option<Assertion>) -> Result<StepNo, Unvouched> {
    let (no, mode) = stands_at(job).ok_or(Unvouched::NothingBegun)?;
    let relied_upon = match mode {
        Mode::Undo => !job.is_cleaning(no),
        Mode::Do => {
            goes_on_without(job, no, assertion)?;
            true
        }
    };
    if relied_upon && assertion.is_none() {
        let title = title(job, no);
        return Err(Unvouched::NothingSaid { step: no, title });
    }
    Ok(no)
}

/// Whether a job could go on without its step `no`, which then counts as done.
fn goes_on_without(job: &Job, no: StepNo, assertion: Option<Assertion>) -> Result<(), Unvouched> {
    if !job.is_past_pivot() {
        return Err(Unvouched::BeforePivot);
    }
    if job
        .step(no)
        .is_none_or(|record| record.state == StepState::Planned)
    {
        return Err(Unvouched::NothingBegun);
    }
    let places = |step: &Step| step.pivot || !step.places.is_empty();
    if assertion == Some(Assertion::HostIsOff) && job.plan.step(no).is_some_and(places) {
        let title = title(job, no);
        return Err(Unvouched::Places { step: no, title });
    }
    for (by, step) in job.plan.numbered() {
        for arg in &step.args {
            if let Value::Output { step: from, key } = &arg.value
                && *from == no
            {
                let key = key.clone();
                return Err(Unvouched::Needed { step: no, key, by });
            }
        }
    }
    Ok(())
}

/// Whether `assertion` is enough to give the job up as it stands: needed as soon as something may be out of service.
pub(crate) fn abandon(job: &Job, assertion: Option<Assertion>) -> Result<(), Unvouched> {
    let (at, _) = stands_at(job).ok_or(Unvouched::NothingBegun)?;
    if assertion.is_none()
        && let Some(step) = out_of_service(job).next()
    {
        let title = title(job, step);
        return Err(Unvouched::NothingSaid { step, title });
    }
    // A step that changed where a guest lives, or may have: only somebody who has looked knows where it is.
    let pivot = job.plan.pivot().filter(|pivot| *pivot == at);
    match (assertion, pivot) {
        (Some(Assertion::HostIsOff), Some(step)) => {
            let title = title(job, step);
            Err(Unvouched::Places { step, title })
        }
        _ => Ok(()),
    }
}

/// The steps that have put something out of service, the last one first: a pivot, or one whose undo gates and is due.
fn out_of_service(job: &Job) -> impl Iterator<Item = StepNo> {
    let is_due = |step: &Step, record: &StepRecord| match record.state {
        StepState::Planned | StepState::Undone | StepState::Skipped { .. } => false,
        StepState::Succeeded => step.pivot || step.undo.is_some(),
        _ => true,
    };
    job.plan
        .numbered()
        .rev()
        .filter(|(no, step)| step.pivot || !job.is_cleaning(*no))
        .filter(move |(no, step)| job.step(*no).is_some_and(|record| is_due(step, record)))
        .map(|(no, _)| no)
}

/// Whether a job at its pivot may be taken back after all: its pivot is not known to have succeeded.
pub(crate) fn turns_back(job: &Job) -> Result<StepNo, Unvouched> {
    let at = stands_at(job).filter(|(_, mode)| *mode == Mode::Do);
    let pivot = job.plan.pivot().filter(|pivot| at == Some((*pivot, Mode::Do)));
    match pivot {
        Some(pivot) if job.is_past_pivot() => Ok(pivot),
        _ => Err(Unvouched::NotAtPivot),
    }
}

fn title(job: &Job, no: StepNo) -> String {
    job.plan
        .step(no)
        .map_or_else(String::new, |step| step.title.clone())
}
