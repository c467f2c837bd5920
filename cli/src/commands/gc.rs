//! `gc`: what jobs have left on hosts. Debts are paid by the master itself as soon as their host is back.

use super::Session;
use crate::Exit;
use crate::complaint::Stop;
use crate::message::Leftovers;

pub(crate) async fn gc(session: &Session) -> Result<Exit, Stop> {
    let left: Leftovers = session.client.get("/v1/leftovers").await?;
    let out = session.output;
    if out.json {
        out.document(&left)?;
        return Ok(Exit::Done);
    }
    if left.debts.is_empty() && left.objects.is_empty() {
        out.line("nothing is left: no debts, no objects of jobs")?;
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
    Ok(Exit::Done)
}
