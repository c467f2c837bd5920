//! What may never be seen, whatever happens. Each law says what was broken in its own words.

use std::collections::BTreeSet;

use vsjob_engine::{
    Direction, Entry, Event, Job, JobEvent, JobId, Lock, Mode, Order, Status, StepNo, StepState, UndoKind,
    Value, Why, World,
};

use crate::jobs;
use crate::pool::{Pool, RunName, Trace};

pub(crate) type Law = Result<(), String>;

fn must(holds: bool, otherwise: impl FnOnce() -> String) -> Law {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// A command is about to be launched; `durable` is what the journal says by now.
pub(crate) fn at_launch(order: &Order, pool: &Pool, durable: &World) -> Law {
    let ticket = order.ticket;
    let what = format!("{:?} of step {} of {}", ticket.mode, ticket.step, ticket.job);
    let Some(job) = durable.jobs.get(&ticket.job) else {
        return Err(format!("{what}: no such job is durable"));
    };
    let record = job.step(ticket.step).ok_or("no such step")?;
    let abandoned = matches!(job.status, Status::Abandoned { .. });
    if abandoned || matches!(record.state, StepState::Owed(_) | StepState::Skipped { .. }) {
        return Ok(());
    }
    match ticket.mode {
        Mode::Do => {
            must(!job.status.is_over(), || format!("{what}: the job is over"))?;
            must(record.attempts >= ticket.attempt, || {
                format!("{what}: its intent is not durable")
            })?;
            must(record.state != StepState::Undone, || {
                format!("{what}: it was undone")
            })?;
            earlier_steps_are_done(job, ticket.step, pool).map_err(|why| format!("{what}: {why}"))?;
            args_are_resolved(order, job).map_err(|why| format!("{what}: {why}"))?;
            nothing_else_runs(job, None, pool).map_err(|why| format!("{what}: {why}"))?;
        }
        Mode::Undo => {
            // The debt was paid by an order that overtook this one.
            if job.status.is_over() {
                return must(record.state == StepState::Undone, || {
                    format!("{what}: the job is over")
                });
            }
            must(!has_begun_its_pivot(job) || is_turned_back(job), || {
                format!("{what}: the job is past its pivot")
            })?;
            must(record.undo_attempts >= ticket.attempt, || {
                format!("{what}: its intent is not durable")
            })?;
            later_steps_are_undone(job, ticket.step, pool).map_err(|why| format!("{what}: {why}"))?;
            nothing_else_runs(job, Some(ticket.step), pool).map_err(|why| format!("{what}: {why}"))?;
        }
    }
    nobody_holds_the_same(job, durable).map_err(|why| format!("{what}: {why}"))
}

/// Counted from what was intended, and not asked of the engine, which could be wrong about it.
fn has_begun_its_pivot(job: &Job) -> bool {
    let pivot = job.plan.pivot().and_then(|no| job.step(no));
    pivot.is_some_and(|step| step.attempts > 0)
}

/// It goes back because somebody vouched for it: the host of its pivot is off and stays off.
fn is_turned_back(job: &Job) -> bool {
    turned_back(job).is_some()
}

/// Whether it was said then that the host of its pivot is off.
fn turned_back(job: &Job) -> Option<bool> {
    match &job.status {
        Status::Unwinding(why)
        | Status::Paused(Direction::Backward(why))
        | Status::Stuck {
            direction: Direction::Backward(why),
            ..
        } => match why {
            Why::TurnedBack { host_is_off, .. } => Some(*host_is_off),
            _ => None,
        },
        _ => None,
    }
}

fn is_skipped(job: &Job, no: StepNo) -> bool {
    let record = job.step(no);
    record.is_some_and(|record| matches!(record.state, StepState::Skipped { .. }))
}

/// A command of the job may run only where an undo is owed, or was skipped, or at the step that is being undone, to be
/// stopped by that.
fn nothing_else_runs(job: &Job, but: Option<StepNo>, pool: &Pool) -> Law {
    let mut owed: BTreeSet<StepNo> = job.debts().map(|(no, _)| no).collect();
    owed.extend(job.numbered().map(|(no, _)| no).filter(|no| is_skipped(job, *no)));
    let may_run = |run: &RunName| owed.contains(&run.step) || Some(run.step) == but && run.mode == Mode::Do;
    let other = pool.running(job.id).find(|run| !may_run(run));
    other.map_or(Ok(()), |run| {
        Err(format!("{:?} of step {} still runs", run.mode, run.step))
    })
}

fn earlier_steps_are_done(job: &Job, step: StepNo, pool: &Pool) -> Law {
    let undone = job
        .numbered()
        .find(|(no, _)| *no < step && !is_skipped(job, *no) && pool.trace(job.id, *no) != Some(Trace::Whole));
    undone.map_or(Ok(()), |(no, _)| Err(format!("step {no} is not done")))
}

fn later_steps_are_undone(job: &Job, step: StepNo, pool: &Pool) -> Law {
    let left = job.plan.numbered().find(|(no, later)| {
        let owed = matches!(
            job.step(*no).map(|record| &record.state),
            Some(StepState::Owed(_))
        );
        let may_be_owed = later.undo != Some(UndoKind::Gating);
        *no > step
            && later.undo.is_some()
            && !is_skipped(job, *no)
            && pool.trace(job.id, *no).is_some()
            && !(owed && may_be_owed)
    });
    left.map_or(Ok(()), |(no, _)| {
        Err(format!("step {no} is not undone before it"))
    })
}

fn args_are_resolved(order: &Order, job: &Job) -> Law {
    let step = job.plan.step(order.ticket.step).ok_or("no such step")?;
    let wanted: Vec<(String, String)> = step
        .args
        .iter()
        .map(|arg| match &arg.value {
            Value::Text(text) => (arg.name.clone(), text.clone()),
            Value::Output { step, .. } => (arg.name.clone(), jobs::said(job.id, *step)),
        })
        .collect();
    must(order.args == wanted, || {
        format!("its arguments are {:?}", order.args)
    })
}

fn nobody_holds_the_same(job: &Job, durable: &World) -> Law {
    let rival = durable.jobs.values().find(|other| {
        let holds = other.started.is_some() && !other.status.is_over();
        other.id != job.id && holds && conflict(&job.locks, &other.locks)
    });
    rival.map_or(Ok(()), |other| Err(format!("{} holds the same lock", other.id)))
}

fn conflict(some: &[Lock], others: &[Lock]) -> bool {
    let clash = |a: &Lock, b: &Lock| a.key == b.key && !(a.shared && b.shared);
    some.iter().any(|a| others.iter().any(|b| clash(a, b)))
}

/// After a take-over no job moves until somebody has accepted how the hosts are.
pub(crate) fn while_held(held: bool, event: &JobEvent) -> Law {
    let moves = matches!(
        event,
        JobEvent::Started
            | JobEvent::StepStarted { .. }
            | JobEvent::UndoStarted { .. }
            | JobEvent::Unwinding { .. }
    );
    must(!(held && moves), || {
        format!("all is held, and yet: {}", event.word())
    })
}

/// An entry has become durable, and `durable` has taken it in. `was_over` says whether its job was over before.
pub(crate) fn at_entry(entry: &Entry, was_over: bool, pool: &Pool, durable: &World) -> Law {
    let Event::Job { job: id, event } = &entry.event else {
        return Ok(());
    };
    let job = durable
        .jobs
        .get(id)
        .ok_or("an entry for a job that nobody knows")?;
    let debt = matches!(event, JobEvent::DebtPaid { .. } | JobEvent::DebtStruck { .. });
    must(!was_over || debt, || {
        format!("{id} is over, and yet: {}", event.word())
    })?;
    match event {
        JobEvent::Stuck { reason } => must(!reason.contains("does not fit"), || format!("{id}: {reason}"))?,
        JobEvent::Unwinding {
            why: Why::TurnedBack { .. },
        } => must(!pivot_is_done(job), || {
            format!("{id} is turned back, and its pivot is done")
        })?,
        JobEvent::Unwinding { .. } => must(!has_begun_its_pivot(job), || {
            format!("{id} unwinds, and is past its pivot")
        })?,
        JobEvent::Skipped { step, assertion, .. } => {
            let planned = job
                .plan
                .step(*step)
                .ok_or("a step that nobody planned is skipped")?;
            let backward = matches!(
                job.status,
                Status::Unwinding(_) | Status::Paused(Direction::Backward(_))
            );
            let relied_upon =
                !backward || planned.undo == Some(UndoKind::Gating) || turned_back(job) == Some(false);
            must(assertion.is_some() || !relied_upon, || {
                format!("step {step} of {id} is skipped, and nobody vouches for it")
            })?;
            must(backward || has_begun_its_pivot(job), || {
                format!("step {step} of {id} is skipped, and could be taken back")
            })?;
        }
        JobEvent::UndoOwed { .. } => must(turned_back(job) != Some(false), || {
            format!("{id} may live on where it was to go, and yet an undo is only owed")
        })?,
        JobEvent::Abandoned { assertion: None, .. } => is_in_service(job)?,
        JobEvent::Succeeded | JobEvent::RolledBack => {
            is_as_it_says(job, &BTreeSet::new(), pool)?;
            nothing_else_runs(job, None, pool).map_err(|why| format!("{id} is over: {why}"))?;
        }
        _ => {}
    }
    Ok(())
}

fn pivot_is_done(job: &Job) -> bool {
    let pivot = job.plan.pivot().and_then(|no| job.step(no));
    pivot.is_some_and(|step| matches!(step.state, StepState::Succeeded | StepState::Skipped { .. }))
}

/// Nothing of the job has put anything out of service that was not put back.
fn is_in_service(job: &Job) -> Law {
    let out = job.plan.numbered().find(|(no, step)| {
        let begun = job.step(*no).is_some_and(|record| record.attempts > 0);
        let back = job
            .step(*no)
            .is_some_and(|record| record.state == StepState::Undone);
        (step.pivot || step.undo == Some(UndoKind::Gating)) && begun && !back && !is_skipped(job, *no)
    });
    out.map_or(Ok(()), |(no, _)| {
        Err(format!(
            "{} is abandoned after step {no}, and nobody vouches for it",
            job.id
        ))
    })
}

/// Done or as before; what is owed, or was `struck` with its host, excepted.
fn is_as_it_says(job: &Job, struck: &BTreeSet<(JobId, StepNo)>, pool: &Pool) -> Law {
    for (no, step) in job.plan.numbered() {
        let trace = pool.trace(job.id, no);
        let owed = matches!(job.step(no).map(|record| &record.state), Some(StepState::Owed(_)));
        let right = match job.status {
            _ if is_skipped(job, no) => true,
            Status::Abandoned { .. } => true,
            Status::Succeeded => trace == Some(Trace::Whole),
            _ => step.undo.is_none() || trace.is_none() || owed || struck.contains(&(job.id, no)),
        };
        must(right, || {
            format!(
                "{} is {}, but of step {no} there is {trace:?}",
                job.id,
                job.status.word()
            )
        })?;
    }
    Ok(())
}

/// All has healed, and nothing happens any more.
pub(crate) fn at_end(
    acknowledged: &BTreeSet<JobId>,
    struck: &BTreeSet<(JobId, StepNo)>,
    pool: &Pool,
    world: &World,
) -> Law {
    for id in acknowledged {
        must(world.jobs.contains_key(id), || {
            format!("{id} was acknowledged, and is gone")
        })?;
    }
    for job in world.jobs.values() {
        must(job.status.is_over(), || {
            format!("{} ends as {}", job.id, job.status.word())
        })?;
        must(job.debts().next().is_none(), || {
            format!("{} still owes an undo", job.id)
        })?;
        is_as_it_says(job, struck, pool)?;
    }
    Ok(())
}
