//! `guest`: the guests of the pool. What changes one is a job like any other, waited for.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::args::{Guest, OneGuest};
use crate::complaint::Stop;
use crate::message::{Accepted, Adopt, At, Guests, JobView, Priority, Submit};
use crate::session::Session;
use crate::{Exit, follow};

pub(crate) async fn guest(session: &Session, guest: &Guest) -> Result<Exit, Stop> {
    match guest {
        Guest::List => list(session).await,
        Guest::Start(one) => order(session, "guest-start", one).await,
        Guest::Stop(one) => order(session, "guest-stop", one).await,
        Guest::Enable(one) => order(session, "guest-enable", one).await,
        Guest::Disable(one) => order(session, "guest-disable", one).await,
        Guest::Adopt { host, reason } => {
            let who = session.who(reason.as_ref());
            let host = host.clone();
            let adopted: Guests = session
                .client
                .post("/v1/guests/adopt", &Adopt { host, who })
                .await?;
            show(
                session,
                adopted,
                "no guest was found that placement does not know",
            )
        }
    }
}

async fn list(session: &Session) -> Result<Exit, Stop> {
    let guests: Guests = session.client.get("/v1/guests").await?;
    show(
        session,
        guests,
        "no guests; `vsjob guest adopt` takes in those that are on the hosts",
    )
}

fn show(session: &Session, guests: Guests, none: &str) -> Result<Exit, Stop> {
    let out = session.output;
    if out.json {
        out.document(&guests)?;
        return Ok(Exit::Done);
    }
    if guests.guests.is_empty() {
        out.talk(none);
    }
    let rows = guests.guests.into_iter().map(|line| [line.guest, line.host]);
    out.table(["guest", "on"], rows.collect())?;
    Ok(Exit::Done)
}

async fn order(session: &Session, operation: &str, one: &OneGuest) -> Result<Exit, Stop> {
    let request = Submit {
        operation: operation.to_owned(),
        parameters: BTreeMap::from([("name".to_owned(), one.name.clone())]),
        key: Some(Uuid::new_v4().to_string()),
        priority: Priority::High,
        who: session.who(one.reason.as_ref()),
    };
    let accepted: Accepted = session.client.post_until_answered("/v1/jobs", &request).await?;
    let exit = follow::quietly_to_the_end(session, &accepted).await?;
    if exit == Exit::Done && !session.output.json {
        let known: At<JobView> = session.client.get(&format!("/v1/jobs/{}", accepted.job)).await?;
        session.output.line(state(&known.what, &one.name))?;
    }
    Ok(exit)
}

/// `<host>:<guest>:<enabled|disabled>:<running|stopped>`, as VS-Tools told it: the last step has looked.
fn state(job: &JobView, guest: &str) -> String {
    let last = job.plan.last();
    let host = last
        .and_then(|step| step.hosts.first())
        .map_or("", String::as_str);
    let told = |key| {
        last.and_then(|step| step.outputs.get(key))
            .map_or("", String::as_str)
    };
    format!("{host}:{guest}:{}:{}", told("enabled"), told("running"))
}
