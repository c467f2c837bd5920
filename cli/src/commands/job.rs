//! Orders to one job: `resume`, `pause`, `cancel`, `retry`, `skip`, `abandon`, `answer`. And how people name jobs.

use serde::Serialize;

use crate::Exit;
use crate::args::{OneJob, Vouched};
use crate::complaint::Stop;
use crate::message::{Abandon, Accepted, Reply, Said, Skip, Who};
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
    tell(session, order, &which.job, which.reason.as_ref(), |who| who).await
}

/// Answers what a job asks. Accepted means durable.
pub(crate) async fn answer(session: &Session, which: &OneJob, yes: bool) -> Result<Exit, Stop> {
    let reply = |who| Reply { yes, who };
    tell(session, "answer", &which.job, which.reason.as_ref(), reply).await
}

/// Lets a job go on without the step at which it gets nowhere.
pub(crate) async fn skip(session: &Session, which: &Vouched) -> Result<Exit, Stop> {
    let said = which.said();
    let skip = |who| Skip { said, who };
    tell(session, "skip", &which.job, which.reason.as_ref(), skip).await
}

/// Gives a job up, or turns it back.
pub(crate) async fn abandon(session: &Session, which: &Vouched, to_source: bool) -> Result<Exit, Stop> {
    let said = which.said();
    let abandon = |who| Abandon { said, to_source, who };
    tell(session, "abandon", &which.job, which.reason.as_ref(), abandon).await
}

impl Vouched {
    fn said(&self) -> Option<Said> {
        match (self.host_is_off, self.done_by_hand) {
            (true, _) => Some(Said::HostIsOff),
            (false, true) => Some(Said::DoneByHand),
            (false, false) => None,
        }
    }
}

async fn tell<T: Serialize>(
    session: &Session,
    what: &str,
    job: &str,
    reason: Option<&String>,
    body: impl FnOnce(Who) -> T,
) -> Result<Exit, Stop> {
    let id = find(session, job).await?;
    let body = body(session.who(reason));
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
