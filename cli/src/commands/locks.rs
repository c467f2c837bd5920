//! `locks`: who holds what, since when, and who waits.

use crate::Exit;
use crate::complaint::Stop;
use crate::message::{At, Locks};
use crate::session::Session;
use crate::words::lasted;

pub(crate) async fn locks(session: &Session) -> Result<Exit, Stop> {
    let at: At<Locks> = session.client.get("/v1/locks").await?;
    let out = session.output;
    if out.json {
        out.document(&at.what)?;
        return Ok(Exit::Done);
    }
    if at.what.locks.is_empty() {
        out.talk("nothing is locked");
    }
    let rows = at.what.locks.iter().map(|lock| {
        [
            lock.key.clone(),
            if lock.shared { "shared" } else { "alone" }.to_owned(),
            lock.job.clone(),
            lasted(Some(lock.since), None, at.now),
            lock.waiting.join(", "),
        ]
    });
    out.table(["lock", "held", "by job", "for", "waiting"], rows.collect())?;
    Ok(Exit::Done)
}
