//! `scan`: looks at every host, and reports where it differs from what the master knows. After a take-over it shows what the
//! master holds back too, and is what lets it go.

use crate::Exit;
use crate::complaint::Stop;
use crate::message::{AcceptScan, Held, Jobs, Scanned};
use crate::session::Session;

pub(crate) async fn scan(session: &Session) -> Result<Exit, Stop> {
    let scanned: Scanned = session.client.get("/v1/scan").await?;
    let out = session.output;
    let differs = !scanned.silent.is_empty() || scanned.guests.iter().any(|guest| guest.differs.is_some());
    if out.json {
        out.document(&scanned)?;
    } else {
        if scanned.guests.is_empty() && scanned.silent.is_empty() {
            out.talk("no guests");
        }
        let rows = scanned.guests.into_iter().map(|line| {
            [
                line.guest,
                line.host.unwrap_or_default(),
                line.state,
                line.differs.unwrap_or_default(),
            ]
        });
        out.table(["guest", "on", "is", "but"], rows.collect())?;
        let rows = scanned.silent.into_iter().map(|silent| {
            [
                silent.host,
                format!("{} {}", silent.trouble.message, silent.trouble.code),
            ]
        });
        out.table(["silent host", "because"], rows.collect())?;
        if let Some(held) = scanned.held {
            show(session, held)?;
        }
    }
    Ok(if differs { Exit::Differs } else { Exit::Done })
}

fn show(session: &Session, held: Held) -> Result<(), Stop> {
    let out = session.output;
    let rows = held.jobs.into_iter().map(|job| {
        let then = match (job.doubt, job.state.as_str()) {
            (Some(doubt), "stuck") => format!("stays stuck: {doubt}"),
            (Some(doubt), _) => format!("will be stuck: {doubt}"),
            (None, "stuck" | "paused") => "stays as it is".to_owned(),
            (None, _) => "goes on".to_owned(),
        };
        [job.job, job.title, job.state, then]
    });
    out.table(["held job", "about", "was", "when accepted it"], rows.collect())?;
    out.talk(format!(
        "this master has taken over and holds every job; if the above is as it should be: vsjob scan --accept {} --reason …",
        held.seal
    ));
    Ok(())
}

pub(crate) async fn accept(session: &Session, seal: &str, reason: Option<&String>) -> Result<Exit, Stop> {
    let accept = AcceptScan {
        seal: seal.to_owned(),
        who: session.who(reason),
    };
    let jobs: Jobs = session.client.post("/v1/scan/accept", &accept).await?;
    let out = session.output;
    if out.json {
        out.document(&jobs)?;
    } else {
        out.line(format!(
            "accepted; {} open jobs, see `vsjob status`",
            jobs.jobs.len()
        ))?;
    }
    Ok(Exit::Done)
}
