//! Stays with a job until it has ended, through a restart of the master too. On a terminal there is a progress bar; else
//! one line a step.

use indicatif::{ProgressBar, ProgressStyle};
use uuid::Uuid;

use crate::ask::{self, Asker};
use crate::complaint::Stop;
use crate::message::{Accepted, At, JobView, Moment, Priority, Reply, Submit};
use crate::session::Session;
use crate::{Complaint, Exit, words};

/// How long the master may wait for a change before it answers all the same, in milliseconds: progress is no change.
const LOOK_EVERY: u32 = 250;

/// Shows the job until its end, says how it ended, and ends as it does.
pub(crate) async fn to_the_end(session: &Session, accepted: &Accepted) -> Result<Exit, Stop> {
    let (job, now) = watch(session, accepted).await?;
    tell_end(session, &job, now)?;
    Ok(exit(&job))
}

/// The same, but says how it ended only if it did not end well.
pub(crate) async fn quietly_to_the_end(session: &Session, accepted: &Accepted) -> Result<Exit, Stop> {
    let (job, now) = watch(session, accepted).await?;
    if session.output.json || exit(&job) != Exit::Done {
        tell_end(session, &job, now)?;
    }
    Ok(exit(&job))
}

/// Submits what a command of a word of its own stands for, and stays with it as [`quietly_to_the_end`] does.
pub(crate) async fn order(
    session: &Session,
    operation: &str,
    given: impl IntoIterator<Item = (&'static str, String)>,
    reason: Option<&String>,
) -> Result<Exit, Stop> {
    let given = given.into_iter().map(|(key, value)| (key.to_owned(), value));
    let request = Submit {
        operation: operation.to_owned(),
        parameters: given.collect(),
        key: Some(Uuid::new_v4().to_string()),
        priority: Priority::Normal,
        who: session.who(reason),
    };
    let accepted: Accepted = session.client.post_until_answered("/v1/jobs", &request).await?;
    quietly_to_the_end(session, &accepted).await
}

async fn watch(session: &Session, accepted: &Accepted) -> Result<(JobView, Moment), Stop> {
    session.output.talk(format!("job {}", accepted.short));
    let shown = Shown::new();
    let mut asker = Asker::default();
    let mut after = 0;
    let mut last_line = String::new();
    loop {
        let path = format!("/v1/jobs/{}?after={after}&wait={LOOK_EVERY}", accepted.job);
        let away = || {
            shown
                .bar
                .println("the master is away; waiting for it, the job goes on by itself")
        };
        let at: At<JobView> = session.client.get_patiently(&path, away).await?;
        after = at.change;
        let job = at.what;
        if is_at_rest(&job) {
            shown.bar.finish_and_clear();
            return Ok((job, at.now));
        }
        if let Some(yes) = asker.ask(job.question.as_deref(), |text| shown.bar.println(text)) {
            let who = session.who(None);
            let path = format!("/v1/jobs/{}/answer", accepted.job);
            let answered: Result<Accepted, Complaint> = session.client.post(&path, &Reply { yes, who }).await;
            // Somebody else may have been faster, or the master be away: then it is asked again.
            if let Err(why) = answered {
                shown.bar.println(why.message);
                asker = Asker::default();
            }
            continue;
        }
        let line = shown.show(&job);
        if shown.bar.is_hidden() && line != last_line {
            session.output.talk(&line);
            last_line = line;
        }
    }
}

/// Nothing will happen without somebody's doing.
fn is_at_rest(job: &JobView) -> bool {
    job.line.over || job.line.state == "stuck"
}

struct Shown {
    bar: ProgressBar,
}

impl Shown {
    fn new() -> Self {
        Self {
            bar: ProgressBar::new_spinner(),
        }
    }

    /// Shows where the job is, and says it in a line.
    fn show(&self, job: &JobView) -> String {
        let line = sentence(job);
        let progress = job.progress.as_ref();
        self.bar.set_style(style(progress.map(|p| (p.bytes, p.total))));
        if let Some(progress) = progress {
            match progress.total {
                Some(total) => self.bar.set_length(total),
                None => self.bar.unset_length(),
            }
            self.bar.set_position(progress.bytes);
        }
        let note = progress.map(|p| p.note.as_str()).filter(|note| !note.is_empty());
        self.bar
            .set_message(note.map_or_else(|| line.clone(), |note| format!("{line}: {note}")));
        self.bar.tick();
        line
    }
}

/// A bar where the end is known, a count of bytes where it is not, else only the words.
fn style(progress: Option<(u64, Option<u64>)>) -> ProgressStyle {
    let template = match progress {
        Some((1.., Some(_))) => {
            "{spinner} {msg}\n  {bar:40} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left"
        }
        Some((1.., None)) => "{spinner} {msg}, {bytes}, {bytes_per_sec}",
        _ => "{spinner} {msg} ({elapsed})",
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn sentence(job: &JobView) -> String {
    let line = &job.line;
    let step = line.at.as_deref().unwrap_or("");
    match line.state.as_str() {
        "queued" => match &job.waits_for {
            Some(what) => format!("waiting for {what}"),
            None => "queued".to_owned(),
        },
        "running" if let Some(question) = job.question.as_ref().filter(|_| !ask::is_possible()) => {
            format!("asks: {question}; {}", job.hint.as_deref().unwrap_or(""))
        }
        "running" => format!(
            "step {} of {}: {step}{}",
            (line.done + 1).min(line.steps),
            line.steps,
            trouble(job)
        ),
        state => format!("{state}: {step}{}", trouble(job)),
    }
}

fn trouble(job: &JobView) -> String {
    let waiting = job.plan.iter().find(|step| step.retry_at.is_some());
    let failure = waiting.and_then(|step| step.failure.as_ref());
    failure.map_or_else(String::new, |failure| {
        format!(" (tried again soon: {})", failure.message)
    })
}

fn tell_end(session: &Session, job: &JobView, now: Moment) -> Result<(), Stop> {
    let out = session.output;
    let line = &job.line;
    if out.json {
        out.document(job)?;
    } else {
        let took = words::lasted(Some(line.submitted), line.ended, now);
        let still = job
            .stood_still
            .map(|time| format!("; its guest stood still for {}", words::millis(time)));
        out.line(format!(
            "{}: {} after {took}{}",
            line.title,
            line.state,
            still.unwrap_or_default()
        ))?;
        if let Some(why) = &line.why {
            out.talk(format!("  because: {} {}", why.message, why.code).trim_end());
        }
        if let Some(hint) = &job.hint {
            out.talk(format!("  hint: {hint}"));
        }
    }
    Ok(())
}

fn exit(job: &JobView) -> Exit {
    let needs_somebody = |state: &str| matches!(state, "stuck" | "abandoned");
    let one_does = job
        .plan
        .iter()
        .filter_map(|step| step.outputs.get("ended"))
        .any(|ended| needs_somebody(ended));
    match job.line.state.as_str() {
        "succeeded" => Exit::Done,
        state if needs_somebody(state) || one_does => Exit::Stuck,
        "partly done" => Exit::Partly,
        _ => Exit::AsBefore,
    }
}
