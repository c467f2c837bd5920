//! `scan`: looks at every host, and reports where it differs from what the master knows.

use crate::Exit;
use crate::complaint::Stop;
use crate::message::Scanned;
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
    }
    Ok(if differs { Exit::Differs } else { Exit::Done })
}
