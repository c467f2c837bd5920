//! What may never be seen, whatever happens. Each law says what was broken in its own words.

use std::collections::BTreeSet;

use vsjob_engine::{
    Entry, Event, Job, JobEvent, JobId, Lock, Mode, Order, Status, StepNo, StepState, UndoKind, Value, World,
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
    if matches!(record.state, StepState::Owed(_)) {
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
            must(!has_begun_its_pivot(job), || {
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

/// A command of the job may run only where an undo is owed, or at the step that is being undone, to be stopped by that.
fn nothing_else_runs(job: &Job, but: Option<StepNo>, pool: &Pool) -> Law {
    let owed: BTreeSet<StepNo> = job.debts().map(|(no, _)| no).collect();
    let may_run = |run: &RunName| owed.contains(&run.step) || Some(run.step) == but && run.mode == Mode::Do;
    let other = pool.running(job.id).find(|run| !may_run(run));
    other.map_or(Ok(()), |run| {
        Err(format!("{:?} of step {} still runs", run.mode, run.step))
    })
}

fn earlier_steps_are_done(job: &Job, step: StepNo, pool: &Pool) -> Law {
    let undone = job
        .numbered()
        .find(|(no, _)| *no < step && pool.trace(job.id, *no) != Some(Trace::Whole));
    undone.map_or(Ok(()), |(no, _)| Err(format!("step {no} is not done")))
}

fn later_steps_are_undone(job: &Job, step: StepNo, pool: &Pool) -> Law {
    let left = job.plan.numbered().find(|(no, later)| {
        let owed = matches!(
            job.step(*no).map(|record| &record.state),
            Some(StepState::Owed(_))
        );
        let may_be_owed = later.undo != Some(UndoKind::Gating);
        *no > step && later.undo.is_some() && pool.trace(job.id, *no).is_some() && !(owed && may_be_owed)
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
        JobEvent::Unwinding { .. } => must(!has_begun_its_pivot(job), || {
            format!("{id} unwinds, and is past its pivot")
        })?,
        JobEvent::Succeeded | JobEvent::RolledBack => {
            is_as_it_says(job, &BTreeSet::new(), pool)?;
            nothing_else_runs(job, None, pool).map_err(|why| format!("{id} is over: {why}"))?;
        }
        _ => {}
    }
    Ok(())
}

/// Done or as before; what is owed, or was `struck` with its host, excepted.
fn is_as_it_says(job: &Job, struck: &BTreeSet<(JobId, StepNo)>, pool: &Pool) -> Law {
    for (no, step) in job.plan.numbered() {
        let trace = pool.trace(job.id, no);
        let owed = matches!(job.step(no).map(|record| &record.state), Some(StepState::Owed(_)));
        let right = match job.status {
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
