//! `logs`: what has happened in a job, from the journal.

use crate::Exit;
use crate::complaint::Stop;
use crate::message::{At, History};
use crate::output::dim;
use crate::session::Session;

/// How long the master may wait for a change, in milliseconds.
const WAIT: u32 = 1000;

pub(crate) async fn logs(session: &Session, job: &str, follow: bool) -> Result<Exit, Stop> {
    let id = super::job::find(session, job).await?;
    let mut last = 0;
    let mut after = 0;
    loop {
        let wait = if after > 0 { WAIT } else { 0 };
        let path = format!("/v1/jobs/{id}/history?after={after}&wait={wait}");
        let at: At<History> = match follow {
            true => session.client.get_patiently(&path, || {}).await?,
            false => session.client.get(&path).await?,
        };
        for event in at.what.events.iter().filter(|event| event.sequence > last) {
            match session.output.json {
                true => session.output.document(event)?,
                false => {
                    let time = event.at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
                    session.output.line(format!("{}  {}", dim(&time), event.text))?;
                }
            }
        }
        last = at.what.events.last().map_or(last, |event| event.sequence);
        if !follow || at.what.over {
            return Ok(Exit::Done);
        }
        after = at.change;
    }
}
