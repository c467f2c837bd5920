//! Orders to one job: `resume`, `pause`, `cancel`, `answer`. And how people name jobs.

use serde::Serialize;

use crate::Exit;
use crate::args::OneJob;
use crate::complaint::Stop;
use crate::message::{Accepted, Reply, Who};
use crate::session::Session;

/// The whole id of the job that somebody names by it, or by the end of it.
pub(crate) async fn find(session: &Session, name: &str) -> Result<String, Stop> {
    let name: String = name
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .take(40)
        .collect();
    let accepted: Accepted = session.client.get(&format!("/v1/find?job={name}")).await?;
    Ok(accepted.job)
}

/// Gives `order` to a job. Accepted means durable.
pub(crate) async fn order(session: &Session, order: &str, which: &OneJob) -> Result<Exit, Stop> {
    tell(session, order, which, |who| who).await
}

/// Answers what a job asks. Accepted means durable.
pub(crate) async fn answer(session: &Session, which: &OneJob, yes: bool) -> Result<Exit, Stop> {
    tell(session, "answer", which, |who| Reply { yes, who }).await
}

async fn tell<T: Serialize>(
    session: &Session,
    what: &str,
    which: &OneJob,
    body: impl FnOnce(Who) -> T,
) -> Result<Exit, Stop> {
    let id = find(session, &which.job).await?;
    let body = body(session.who(which.reason.as_ref()));
    let accepted: Accepted = session
        .client
        .post(&format!("/v1/jobs/{id}/{what}"), &body)
        .await?;
    match session.output.json {
        true => session.output.document(&accepted)?,
        false => session.output.talk(format!("{what}: job {}", accepted.short)),
    }
    Ok(Exit::Done)
}
