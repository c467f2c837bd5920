//! `status`: jobs in a table, or one job with its steps.

use crate::Exit;
use crate::complaint::Stop;
use crate::message::{At, JobLine, JobView, Jobs, Moment, StepView};
use crate::output::{dim, state};
use crate::session::Session;
use crate::words::{lasted, millis, moment};

/// How long the master may wait for a change, in milliseconds.
const WAIT: u32 = 1000;

pub(crate) async fn all(session: &Session, watch: bool, over_too: bool, limit: usize) -> Result<Exit, Stop> {
    let mut after = None;
    let mut shown = String::new();
    loop {
        let path = match after {
            None => format!("/v1/jobs?open={}&limit={limit}", !over_too),
            Some(after) => format!(
                "/v1/jobs?open={}&limit={limit}&after={after}&wait={WAIT}",
                !over_too
            ),
        };
        let at: At<Jobs> = match watch {
            true => session.client.get_patiently(&path, || {}).await?,
            false => session.client.get(&path).await?,
        };
        let known = format!("{:?}", at.what);
        if after.is_none() || known != shown {
            redraw(session, watch)?;
            show_jobs(session, &at, over_too)?;
            shown = known;
        }
        if !watch {
            return Ok(Exit::Done);
        }
        after = Some(at.change);
    }
}

fn show_jobs(session: &Session, at: &At<Jobs>, over_too: bool) -> Result<(), Stop> {
    let out = session.output;
    if out.json {
        return out.document(&at.what);
    }
    if at.what.jobs.is_empty() {
        out.talk(if over_too {
            "no jobs"
        } else {
            "no open jobs; `vsjob status --all` shows those that are over"
        });
    }
    let rows = at.what.jobs.iter().map(|job| row(job, at.now)).collect();
    out.table(
        ["job", "operation", "what", "state", "step", "since", "for", "by"],
        rows,
    )
}

fn row(job: &JobLine, now: Moment) -> [String; 8] {
    [
        job.short.clone(),
        job.operation.clone(),
        job.title.clone(),
        state(&job.state),
        format!("{}/{}", job.done, job.steps),
        moment(job.submitted, now),
        lasted(Some(job.submitted), job.ended, now),
        match &job.schedule {
            Some(schedule) => format!("schedule {schedule}"),
            None => job.user.clone(),
        },
    ]
}

pub(crate) async fn one(session: &Session, job: &str, watch: bool) -> Result<Exit, Stop> {
    let id = super::job::find(session, job).await?;
    let mut after = 0;
    let mut shown = String::new();
    loop {
        let wait = if watch && after > 0 { WAIT / 2 } else { 0 };
        let path = format!("/v1/jobs/{id}?after={after}&wait={wait}");
        let at: At<JobView> = match watch {
            true => session.client.get_patiently(&path, || {}).await?,
            false => session.client.get(&path).await?,
        };
        let known = format!("{:?}", at.what);
        if known != shown {
            redraw(session, watch)?;
            show_job(session, &at.what, at.now)?;
            shown = known;
        }
        if !watch || at.what.line.over {
            return Ok(Exit::Done);
        }
        after = at.change;
    }
}

/// A watched table takes the place of the one before, on a terminal.
fn redraw(session: &Session, watch: bool) -> Result<(), Stop> {
    match watch && session.output.is_terminal() && !session.output.json {
        true => session.output.raw("\x1b[H\x1b[2J"),
        false => Ok(()),
    }
}

fn show_job(session: &Session, job: &JobView, now: Moment) -> Result<(), Stop> {
    let out = session.output;
    if out.json {
        return out.document(job);
    }
    let line = &job.line;
    out.line(format!("{}  {}", line.title, state(&line.state)))?;
    let mut about = format!("{}, {} by {}, {}", line.job, line.operation, line.user, job.from);
    if let Some(reason) = &job.reason {
        about = format!("{about}: {reason}");
    }
    out.line(dim(&about))?;
    if let Some(why) = &line.why {
        out.line(format!("because: {} {}", why.message, why.code).trim_end())?;
    }
    if let Some(what) = &job.waits_for {
        out.line(format!("waits for {what}"))?;
    }
    if let Some(question) = &job.question {
        out.line(format!("asks: {question}"))?;
    }
    if let Some(time) = job.stood_still {
        out.line(format!("its guest stood still for {}", millis(time)))?;
    }
    if let Some(progress) = &job.progress {
        out.line(format!("now: {}", in_words(progress)))?;
    }
    if let Some(hint) = &job.hint {
        out.line(format!("hint: {hint}"))?;
    }
    out.line("")?;
    let rows = job.plan.iter().map(|step| step_row(step, now)).collect();
    out.table(["", "step", "on", "state", "took", ""], rows)
}

fn in_words(progress: &crate::message::ProgressView) -> String {
    let bytes = bytesize::ByteSize(progress.bytes);
    let done = match progress.total {
        Some(total) => format!("{bytes} of {}", bytesize::ByteSize(total)),
        None if progress.bytes > 0 => bytes.to_string(),
        None => String::new(),
    };
    let parts: Vec<_> = [done, progress.note.clone()]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    parts.join(", ")
}

/// What became of a guest of a batch: its job, and how that ended.
fn part(step: &StepView) -> Option<String> {
    let told = |key| step.outputs.get(key).filter(|told| !told.is_empty());
    match step.action.split(' ').next()? {
        "begin-part" | "refuse-part" => told("job")
            .and_then(|job| job.rsplit('-').next())
            .map(|end| format!("job {}", &end[end.len().saturating_sub(8)..]))
            .or_else(|| told("refused").cloned()),
        "await-part" => told("ended").map(|ended| state(ended)),
        _ => None,
    }
}

fn step_row(step: &StepView, now: Moment) -> [String; 6] {
    let ended = step
        .ended
        .filter(|_| !["started", "undoing"].contains(&step.state.as_str()));
    let failure = step
        .failure
        .as_ref()
        .map(|failure| format!("{} {}", failure.message, failure.code));
    let again = step.retry_at.map(|at| format!("again at {}", moment(at, now)));
    let attempts = (step.attempts > 1).then(|| format!("attempt {}", step.attempts));
    let pivot = step.pivot.then(|| "from here on only forward".to_owned());
    let part = part(step);
    let notes: Vec<_> = [failure, again, attempts, pivot, part]
        .into_iter()
        .flatten()
        .collect();
    let on = if step.hosts.is_empty() {
        "master".to_owned()
    } else {
        step.hosts.join(", ")
    };
    [
        step.step.to_string(),
        step.title.clone(),
        on,
        state(&step.state),
        lasted(step.started, ended, now),
        notes.join(", ").trim_end().to_owned(),
    ]
}
