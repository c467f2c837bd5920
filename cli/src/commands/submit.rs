//! `submit`: answers with the id of the job as soon as it is durable. Each invocation has an idempotency key, its own if
//! none is given, so a request that was cut off is sent again without making a second job.

use uuid::Uuid;
use vsjob_workflows::{Parameters, operation};

use crate::args::Submission;
use crate::complaint::Stop;
use crate::message::{Accepted, PlanView, PlannedStep, Submit};
use crate::output::dim;
use crate::session::Session;
use crate::{Exit, ask, follow};

pub(crate) async fn submit(session: &Session, submission: &Submission) -> Result<Exit, Stop> {
    let options = &submission.options;
    let request = Submit {
        operation: submission.operation.clone(),
        parameters: parameters(submission),
        key: options
            .idempotency_key
            .clone()
            .or_else(|| Some(Uuid::new_v4().to_string())),
        priority: options.priority,
        who: session.who(options.reason.as_ref()),
    };
    if options.plan {
        let plan: PlanView = session.client.post("/v1/plan", &request).await?;
        return show_plan(session, &plan, options.verbose);
    }
    let accepted: Accepted = session.client.post_until_answered("/v1/jobs", &request).await?;
    if options.wait {
        return follow::to_the_end(session, &accepted).await;
    }
    match session.output.json {
        true => session.output.document(&accepted)?,
        false => session.output.line(&accepted.job)?,
    }
    if !accepted.new {
        session
            .output
            .talk("the key was known: this is the job that it made before");
    }
    Ok(Exit::Done)
}

/// Who waits at a terminal can be asked, and is, unless told otherwise.
fn parameters(submission: &Submission) -> Parameters {
    let mut given = submission.parameters.clone();
    let asks = operation(&submission.operation)
        .is_ok_and(|operation| operation.parameters.iter().any(|known| known.name == "on-budget"));
    // The jobs of a batch ask nobody: who waits, waits for the batch.
    if asks && given.contains_key("name") && submission.options.wait && ask::is_possible() {
        given
            .entry("on-budget".to_owned())
            .or_insert_with(|| "ask".to_owned());
    }
    given
}

fn show_plan(session: &Session, plan: &PlanView, verbose: bool) -> Result<Exit, Stop> {
    let out = session.output;
    if out.json {
        out.document(plan)?;
        return Ok(Exit::Done);
    }
    out.line(&plan.title)?;
    if !plan.locks.is_empty() {
        out.line(format!("holds {}", plan.locks.join(", ")))?;
    }
    if let Some(opens) = plan.not_before {
        let opens = opens.format("%Y-%m-%d %H:%M UTC");
        out.line(format!(
            "begins at {opens}: window= in slaves.conf; --any-hour begins now"
        ))?;
    }
    for step in &plan.steps {
        out.line(format!("{:>3}  {}", step.step, heading(step)))?;
        let args: Vec<_> = step
            .args
            .iter()
            .map(|arg| format!("{}={}", arg.name, arg.value))
            .collect();
        out.line(dim(&format!("     {} {}", step.action, args.join(" "))))?;
        for script in &step.scripts {
            out.line(dim(&format!("     {} {}", script.hash, script.name)))?;
            if verbose {
                out.raw(&indented(&script.text))?;
            }
        }
    }
    Ok(Exit::Done)
}

fn heading(step: &PlannedStep) -> String {
    let mut text = step.title.clone();
    if !step.hosts.is_empty() {
        text = format!("{text} · on {}", step.hosts.join(", "));
    }
    if step.pivot {
        text.push_str(" · from here on only forward");
    }
    if let Some(undo) = &step.undo {
        text = format!("{text} · undo: {undo}");
    }
    text
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("     | {line}\n")).collect()
}
