//! Orders to one job: `resume`, `pause`, `cancel`. And how people name jobs.

use super::Session;
use crate::Exit;
use crate::args::OneJob;
use crate::complaint::Stop;
use crate::message::Accepted;

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
    let id = find(session, &which.job).await?;
    let who = session.who(which.reason.as_ref());
    let accepted: Accepted = session
        .client
        .post(&format!("/v1/jobs/{id}/{order}"), &who)
        .await?;
    match session.output.json {
        true => session.output.document(&accepted)?,
        false => session.output.talk(format!("{order}: job {}", accepted.short)),
    }
    Ok(Exit::Done)
}
