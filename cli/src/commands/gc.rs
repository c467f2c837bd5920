//! `gc`: what jobs have left on hosts. Debts are paid by the master itself as soon as their host is back.

use crate::Exit;
use crate::complaint::Stop;
use crate::message::Leftovers;
use crate::session::Session;

pub(crate) async fn gc(session: &Session) -> Result<Exit, Stop> {
    let left: Leftovers = session.client.get("/v1/leftovers").await?;
    let out = session.output;
    if out.json {
        out.document(&left)?;
        return Ok(Exit::Done);
    }
    for host in &left.silent {
        out.talk(format!(
            "{} did not say what it has: {} {}",
            host.host, host.trouble.message, host.trouble.code
        ));
    }
    if left.debts.is_empty() && left.objects.is_empty() && left.strays.is_empty() {
        out.line("nothing is left: no debts, no objects of jobs, and nothing of ours without an owner")?;
        return Ok(Exit::Done);
    }
    let debts = left.debts.into_iter().map(|debt| {
        let host = debt.host.unwrap_or_else(|| "master".to_owned());
        [
            host,
            debt.job,
            debt.title,
            format!("{} {}", debt.failure.message, debt.failure.code),
        ]
    });
    out.table(["owed to", "by job", "undo of", "because"], debts.collect())?;
    let objects = left.objects.into_iter().map(|object| {
        let host = object.host.unwrap_or_else(|| "master".to_owned());
        [host, object.kind, object.name, object.job]
    });
    out.table(["on", "object", "name", "of job"], objects.collect())?;
    let strays = left
        .strays
        .into_iter()
        .map(|stray| [stray.host, stray.kind, stray.name]);
    out.table(["on", "without an owner", "name"], strays.collect())?;
    Ok(Exit::Done)
}
