//! Jobs, plans and histories as the API tells them.

use chrono::DateTime;
use vsjob_engine::store::Audit;
use vsjob_engine::{
    ActionRef, Actor, Assertion, Debt, Entry, Event, Failure, HistoryLine, Job, JobEvent, JobView as Known,
    Priority as Class, Progress, Status, Step, StepNo, StepRecord, StepState, Timestamp, UndoKind, Value,
    Why,
};
use vsjob_workers::{Action, Pool, Side};
use vsjob_workflows::{Planned, Tally, stood_still, tally};

use crate::message::{
    Argument, DebtLine, EventView, FailureView, JobLine, JobView, Moment, PlanView, PlannedStep, Priority,
    ProgressView, ScriptView, StepView, Verified,
};

/// A moment as the API tells it.
pub(crate) fn moment(at: Timestamp) -> Moment {
    DateTime::from_timestamp_millis(at.as_millis()).unwrap_or_default()
}

/// How something failed.
pub(crate) fn failure(failure: &Failure) -> FailureView {
    FailureView {
        code: failure.code.clone(),
        message: failure.message.clone(),
        detail: failure.detail.clone(),
    }
}

/// An undo that is owed.
pub(crate) fn debt(debt: Debt) -> DebtLine {
    DebtLine {
        job: debt.job.short(),
        step: number(debt.step),
        host: debt.hosts.first().map(ToString::to_string),
        title: debt.title,
        failure: failure(&debt.failure),
    }
}

fn action(action: &ActionRef) -> String {
    format!("{} {}", action.name, action.version)
}

fn number(step: StepNo) -> u32 {
    u32::from(step.0) + 1
}

/// A class as the engine knows it.
pub(crate) fn class(priority: Priority) -> Class {
    match priority {
        Priority::High => Class::High,
        Priority::Normal => Class::Normal,
        Priority::Low => Class::Low,
    }
}

pub(crate) fn priority(class: Class) -> Priority {
    match class {
        Class::High => Priority::High,
        Class::Normal => Priority::Normal,
        Class::Low => Priority::Low,
    }
}

/// A job in one line.
pub(crate) fn line(job: &Job) -> JobLine {
    let done = job
        .steps
        .iter()
        .filter(|step| matches!(step.state, StepState::Succeeded | StepState::Skipped { .. }));
    let turn = match job.status {
        Status::Unwinding(_) => job.next_undo(),
        _ if job.status.is_over() => None,
        _ => job.current(),
    };
    JobLine {
        job: job.id.to_string(),
        short: job.id.short(),
        operation: job.request.operation.clone(),
        title: job.title.clone(),
        state: word(job).to_owned(),
        over: job.status.is_over(),
        why: why(job),
        user: job.request.actor.user.clone(),
        schedule: schedule(job),
        done: u32::try_from(done.count()).unwrap_or(u32::MAX),
        steps: u32::try_from(job.steps.len()).unwrap_or(u32::MAX),
        at: turn
            .and_then(|no| job.plan.step(no))
            .map(|step| step.title.clone()),
        submitted: moment(job.submitted),
        started: job.started.map(moment),
        ended: job.ended.map(moment),
    }
}

fn schedule(job: &Job) -> Option<String> {
    let key = job.request.key.as_deref()?;
    vsjob_engine::schedule_of(key).map(str::to_owned)
}

/// How it stands. Of a batch that is over, how its guests do.
fn word(job: &Job) -> &'static str {
    match tally(job) {
        Some(tally) if tally.not_done.len() == tally.guests => "not done",
        Some(tally) if !tally.not_done.is_empty() => "partly done",
        _ => job.status.word(),
    }
}

fn why(job: &Job) -> Option<FailureView> {
    match &job.status {
        Status::Succeeded => tally(job).and_then(not_done),
        Status::Unwinding(Why::Failed { failure: why, .. }) | Status::RolledBack(why) => Some(failure(why)),
        Status::Abandoned { reason } => Some(FailureView {
            code: String::new(),
            message: reason.clone(),
            detail: String::new(),
        }),
        Status::Stuck { reason, .. } => Some(FailureView {
            code: stuck_step(job).map_or_else(String::new, |failure| failure.code.clone()),
            message: reason.clone(),
            detail: stuck_step(job).map_or_else(String::new, |failure| failure.detail.clone()),
        }),
        _ => None,
    }
}

fn not_done(Tally { guests, not_done }: Tally) -> Option<FailureView> {
    let each: Vec<_> = not_done
        .iter()
        .map(|(guest, how)| format!("{guest} {how}"))
        .collect();
    (!each.is_empty()).then(|| FailureView {
        code: "VSJ0417".to_owned(),
        message: format!(
            "not done for {} of {guests} guests: {}",
            each.len(),
            each.join(", ")
        ),
        detail: String::new(),
    })
}

fn stuck_step(job: &Job) -> Option<&Failure> {
    job.steps.iter().find_map(|step| match &step.state {
        StepState::Failed(failure) | StepState::UndoFailed(failure) => Some(failure),
        _ => None,
    })
}

/// A job with its steps, and what it asks.
pub(crate) fn job(known: &Known, question: Option<String>) -> JobView {
    let job = &known.job;
    let request = &job.request;
    JobView {
        line: line(job),
        parameters: request.args.iter().cloned().collect(),
        from: request.actor.from.clone(),
        reason: request.actor.reason.clone(),
        key: request.key.clone(),
        priority: priority(request.priority),
        locks: job.locks.iter().map(|lock| lock.key.clone()).collect(),
        waits_for: known.waits_for.clone(),
        progress: known
            .progress
            .as_ref()
            .filter(|progress| **progress != Progress::default())
            .map(progress),
        hint: question
            .as_ref()
            .map(|_| how_to_answer(job))
            .or_else(|| hint(job)),
        question,
        stood_still: stood_still(job).map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
        plan: job
            .plan
            .numbered()
            .zip(&job.steps)
            .map(|((no, step), record)| step_view(no, step, record))
            .collect(),
    }
}

fn progress(progress: &Progress) -> ProgressView {
    ProgressView {
        bytes: progress.bytes,
        total: progress.total,
        note: progress.note.clone(),
    }
}

fn how_to_answer(job: &Job) -> String {
    let short = job.id.short();
    format!("`vsjob answer {short} yes` lets it go on, `vsjob answer {short} no` takes it back")
}

fn hint(job: &Job) -> Option<String> {
    let short = job.id.short();
    match &job.status {
        Status::Stuck { .. } => {
            let explained = stuck_step(job).filter(|failure| !failure.code.is_empty());
            let explain = explained.map_or_else(String::new, |f| format!("`vsjob explain {}`; ", f.code));
            Some(format!(
                "{explain}remove the cause, then `vsjob retry {short}` tries it again; if that cannot be: {}",
                last_resorts(job)
            ))
        }
        Status::Paused(_) => Some(format!("`vsjob resume {short}` lets it go on")),
        Status::RolledBack(_) if job.debts().next().is_some() => Some(
            "an undo is owed to a host that was away; it is paid when the host is back (`vsjob gc`)"
                .to_owned(),
        ),
        Status::Abandoned { .. } => {
            Some("`vsjob gc` shows what it may have left on hosts; `vsjob scan` how guests are".to_owned())
        }
        Status::Succeeded if tally(job).and_then(not_done).is_some() => {
            Some(format!("`vsjob status {short}` shows the job of each guest"))
        }
        Status::RolledBack(why) if !why.code.is_empty() => {
            Some(format!("`vsjob explain {}` says what to do about it", why.code))
        }
        _ => None,
    }
}

/// What can be said of a job that is stuck, and what is at stake then.
fn last_resorts(job: &Job) -> String {
    let short = job.id.short();
    let pivot = job.plan.pivot().filter(|pivot| job.current() == Some(*pivot));
    let begun = pivot
        .filter(|_| job.is_past_pivot())
        .and_then(|no| job.step(no)?.started);
    match begun {
        Some(begun) => format!(
            "`vsjob abandon {short} --to source` takes it back, and what was entrusted to where it was to go since {} is lost",
            moment(begun).format("%Y-%m-%d %H:%M:%S")
        ),
        None => format!(
            "`vsjob skip {short}` goes on without this step, `vsjob abandon {short}` leaves all as it is"
        ),
    }
}

fn step_view(no: StepNo, step: &Step, record: &StepRecord) -> StepView {
    let (failed, retry_at) = match &record.state {
        StepState::Waiting { failure, until, .. } | StepState::UndoWaiting { failure, until, .. } => {
            (Some(failure), Some(*until))
        }
        StepState::Failed(failure) | StepState::UndoFailed(failure) | StepState::Owed(failure) => {
            (Some(failure), None)
        }
        _ => (None, None),
    };
    StepView {
        step: number(no),
        title: step.title.clone(),
        action: action(&step.action),
        hosts: step.hosts.iter().map(ToString::to_string).collect(),
        state: record.state.word().to_owned(),
        pivot: step.pivot,
        attempts: record.attempts,
        started: record.started.map(moment),
        ended: record.ended.map(moment),
        retry_at: retry_at.map(moment),
        outputs: record.outputs.clone().unwrap_or_default(),
        failure: failed.map(failure),
    }
}

/// A plan, with the scripts that its steps will run: the pool's own, which is what a run sends.
pub(crate) fn plan(planned: &Planned, pool: &Pool) -> PlanView {
    PlanView {
        title: planned.title.clone(),
        not_before: planned.not_before.map(moment),
        locks: planned.locks.iter().map(|lock| lock.key.clone()).collect(),
        steps: planned
            .plan
            .numbered()
            .map(|(no, step)| planned_step(no, step, pool))
            .collect(),
    }
}

fn planned_step(no: StepNo, step: &Step, pool: &Pool) -> PlannedStep {
    let undo = step.undo.map(|kind| match kind {
        UndoKind::Gating => "gating".to_owned(),
        UndoKind::Cleaning => "cleaning".to_owned(),
    });
    PlannedStep {
        step: number(no),
        title: step.title.clone(),
        action: action(&step.action),
        hosts: step.hosts.iter().map(ToString::to_string).collect(),
        args: step
            .args
            .iter()
            .map(|arg| Argument {
                name: arg.name.clone(),
                value: value(&arg.value),
            })
            .collect(),
        undo,
        pivot: step.pivot,
        scripts: scripts(step, pool),
    }
}

fn value(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Output { step, key } => format!("<step {step}: {key}>"),
    }
}

fn scripts(step: &Step, pool: &Pool) -> Vec<ScriptView> {
    let host = step.hosts.first().and_then(|name| pool.host(name).ok());
    let (Some(Action::Host(action)), Some(host)) = (pool.registry().find(&step.action), host) else {
        return Vec::new();
    };
    [Side::Probe, Side::Do, Side::Undo]
        .into_iter()
        .filter_map(|side| action.script(side, host.drivers()))
        .map(|script| ScriptView {
            name: script.name,
            hash: script.hash,
            text: script.text.to_string(),
        })
        .collect()
}

/// The result of a walk over the journal.
pub(crate) fn verified(audit: &Audit) -> Verified {
    let head: String = audit.head.hash[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Verified {
        first: audit.first,
        records: audit.frames,
        head,
        damage: audit.damage.as_ref().map(ToString::to_string),
    }
}

/// A line of a job's history.
pub(crate) fn event(job: &Job, line: &HistoryLine) -> EventView {
    let Entry { at, event } = &line.entry;
    EventView {
        sequence: line.sequence,
        at: moment(*at),
        text: match event {
            Event::Submitted { new, .. } => format!("submitted {}", by(&new.request.actor)),
            Event::Job { event, .. } => told(job, event),
            _ => String::new(),
        },
    }
}

fn by(actor: &Actor) -> String {
    let reason = actor
        .reason
        .as_deref()
        .map(|reason| format!(": {reason}"))
        .unwrap_or_default();
    format!("by {} from {}{reason}", actor.user, actor.from)
}

/// What somebody vouched for.
fn vouched(assertion: Option<Assertion>) -> &'static str {
    match assertion {
        Some(Assertion::HostIsOff) => ", as its host is off and stays off,",
        Some(Assertion::DoneByHand) => ", as it was seen to by hand,",
        None => "",
    }
}

fn told(job: &Job, event: &JobEvent) -> String {
    let word = event.word();
    let titled = |step: StepNo| {
        let title = job.plan.step(step).map_or("", |step| step.title.as_str());
        format!("{word}: {step} {title}")
    };
    let failed = |step: StepNo, failure: &Failure, again: &str| {
        let detail = failure.detail.trim();
        let detail = if detail.is_empty() {
            String::new()
        } else {
            format!("\n{detail}")
        };
        format!(
            "{}: {} {}{again}{detail}",
            titled(step),
            failure.code,
            failure.message
        )
    };
    let again = |at: &Option<Timestamp>| at.map_or_else(String::new, |at| format!(", again at {at}"));
    match event {
        JobEvent::StepStarted { step, attempt, .. } | JobEvent::UndoStarted { step, attempt, .. }
            if *attempt > 1 =>
        {
            format!("{}, attempt {attempt}", titled(*step))
        }
        JobEvent::StepStarted { step, .. }
        | JobEvent::UndoStarted { step, .. }
        | JobEvent::Interrupted { step }
        | JobEvent::Undone { step }
        | JobEvent::DebtPaid { step } => titled(*step),
        JobEvent::StepSucceeded { step, outputs } => {
            let outputs: String = outputs
                .iter()
                .map(|(key, value)| format!(" {key}={value}"))
                .collect();
            format!("{}{outputs}", titled(*step))
        }
        JobEvent::StepFailed {
            step,
            failure,
            retry_at,
        }
        | JobEvent::UndoFailed {
            step,
            failure,
            retry_at,
        } => failed(*step, failure, &again(retry_at)),
        JobEvent::UndoOwed { step, failure } => failed(*step, failure, ""),
        JobEvent::Unwinding {
            why: Why::Failed { failure, .. },
        } => format!("{word}: {}", failure.message),
        JobEvent::Unwinding {
            why: Why::Cancelled(actor),
        } => format!("cancelled {}", by(actor)),
        JobEvent::Paused { actor } | JobEvent::Resumed { actor } => format!("{word} {}", by(actor)),
        JobEvent::Unwinding {
            why: Why::TurnedBack { host_is_off, actor },
        } => format!(
            "turned back{} {}",
            vouched(host_is_off.then_some(Assertion::HostIsOff)),
            by(actor)
        ),
        JobEvent::Skipped {
            step,
            assertion,
            actor,
        } => format!("{}{} {}", titled(*step), vouched(*assertion), by(actor)),
        JobEvent::Abandoned { assertion, actor } => format!("{word}{} {}", vouched(*assertion), by(actor)),
        JobEvent::DebtStruck { step, actor } => format!("{} {}", titled(*step), by(actor)),
        JobEvent::Stuck { reason } => format!("{word}: {reason}"),
        JobEvent::Started | JobEvent::Succeeded | JobEvent::RolledBack => word.to_owned(),
    }
}
