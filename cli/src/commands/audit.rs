//! `audit verify`: walks the whole journal, through the archive where that is there. With a running master, through it; without one, on its folder.

use crate::Exit;
use crate::complaint::Stop;
use crate::master;
use crate::message::Verified;
use crate::place::Files;
use crate::session::Session;

pub(crate) async fn verify(session: &Session) -> Result<Exit, Stop> {
    let verified: Verified = match session.client.get("/v1/audit").await {
        Ok(verified) => verified,
        Err(complaint) if complaint.exit == Exit::NoMaster => {
            let settings = Files::read(&session.global)?.settings(&session.global)?;
            master::audit(&settings.state)?
        }
        Err(complaint) => return Err(complaint.into()),
    };
    let out = session.output;
    match (out.json, &verified.damage) {
        (true, _) => out.document(&verified)?,
        (false, None) => {
            let Verified { first, head, .. } = &verified;
            let last = (first + verified.records).saturating_sub(1);
            let earlier = if *first > 1 { "; earlier archived" } else { "" };
            out.line(format!(
                "verified from {first} to {last}: every record is whole and linked, head {head}{earlier}"
            ))?;
        }
        (false, Some(damage)) => {
            out.line(format!(
                "damaged after {} whole records: {damage}",
                verified.records
            ))?;
            out.talk("  hint: `vsjob explain VSJ0108`");
        }
    }
    Ok(if verified.damage.is_none() {
        Exit::Done
    } else {
        Exit::Store
    })
}
