//! `guest`: the guests of the pool. What changes one is a job like any other, waited for.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::Session;
use crate::args::{Guest, OneGuest};
use crate::complaint::Stop;
use crate::message::{Accepted, Adopt, Guests, Priority, Submit};
use crate::{Exit, follow};

pub(crate) async fn guest(session: &Session, guest: &Guest) -> Result<Exit, Stop> {
    match guest {
        Guest::List => list(session).await,
        Guest::Start(one) => order(session, "start", one).await,
        Guest::Stop(one) => order(session, "stop", one).await,
        Guest::Enable(one) => order(session, "enable", one).await,
        Guest::Disable(one) => order(session, "disable", one).await,
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
    follow::to_the_end(session, &accepted).await
}
