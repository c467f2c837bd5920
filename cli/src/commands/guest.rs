//! `guest`: the guests of the pool. What changes one is a job like any other, waited for.

use uuid::Uuid;

use crate::args::{self, Guest};
use crate::complaint::Stop;
use crate::message::{Accepted, Adopt, At, Guests, JobView, Priority, Submit};
use crate::session::Session;
use crate::{Exit, follow};

pub(crate) async fn guest(session: &Session, guest: &Guest) -> Result<Exit, Stop> {
    match guest {
        Guest::List => list(session).await,
        Guest::Start(which) => order(session, "guest-start", which).await,
        Guest::Stop(which) => order(session, "guest-stop", which).await,
        Guest::Enable(which) => order(session, "guest-enable", which).await,
        Guest::Disable(which) => order(session, "guest-disable", which).await,
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

async fn order(session: &Session, operation: &str, which: &args::Guests) -> Result<Exit, Stop> {
    let all = which.all.then(|| "true".to_owned());
    let given = [
        ("name", which.name.clone()),
        ("all", all),
        ("host", which.host.clone()),
    ];
    let given = given
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let request = Submit {
        operation: operation.to_owned(),
        parameters: given.collect(),
        key: Some(Uuid::new_v4().to_string()),
        priority: Priority::High,
        who: session.who(which.reason.as_ref()),
    };
    let accepted: Accepted = session.client.post_until_answered("/v1/jobs", &request).await?;
    let exit = follow::quietly_to_the_end(session, &accepted).await?;
    if session.output.json {
        return Ok(exit);
    }
    let known = job(session, &accepted.job).await?;
    match which.all {
        false if exit == Exit::Done => session.output.line(state(&known))?,
        false => {}
        true => {
            for part in parts(&known) {
                let part = job(session, part).await?;
                if part.line.state == "succeeded" {
                    session.output.line(state(&part))?;
                }
            }
        }
    }
    Ok(exit)
}

async fn job(session: &Session, id: &str) -> Result<JobView, Stop> {
    let known: At<JobView> = session.client.get(&format!("/v1/jobs/{id}")).await?;
    Ok(known.what)
}

/// The jobs that a batch has made.
fn parts(batch: &JobView) -> impl Iterator<Item = &str> {
    let told = batch.plan.iter().filter_map(|step| step.outputs.get("job"));
    told.map(String::as_str).filter(|job| !job.is_empty())
}

/// `<host>:<guest>:<enabled|disabled>:<running|stopped>`, as VS-Tools told it: the last step has looked.
fn state(job: &JobView) -> String {
    let last = job.plan.last();
    let host = last
        .and_then(|step| step.hosts.first())
        .map_or("", String::as_str);
    let told = |key| {
        last.and_then(|step| step.outputs.get(key))
            .map_or("", String::as_str)
    };
    let guest = job.parameters.get("name").map_or("", String::as_str);
    format!("{host}:{guest}:{}:{}", told("enabled"), told("running"))
}
