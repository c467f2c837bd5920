//! `host list`: the hosts of slaves.conf, and whether they answer.

use crate::Exit;
use crate::complaint::Stop;
use crate::message::Hosts;
use crate::session::Session;

pub(crate) async fn list(session: &Session) -> Result<Exit, Stop> {
    let hosts: Hosts = session.client.get("/v1/hosts").await?;
    let out = session.output;
    if out.json {
        out.document(&hosts)?;
        return Ok(Exit::Done);
    }
    if hosts.hosts.is_empty() {
        out.talk("no hosts; they go into slaves.conf, one a line");
    }
    let rows = hosts.hosts.into_iter().map(|host| {
        let answers = host.trouble.map_or_else(
            || "yes".to_owned(),
            |trouble| format!("no: {} {}", trouble.message, trouble.code),
        );
        let picked = if host.selectable { "" } else { "noselect" };
        [
            host.host,
            host.drivers.join(" "),
            host.guests.to_string(),
            picked.to_owned(),
            answers,
        ]
    });
    out.table(["host", "drivers", "guests", "", "answers"], rows.collect())?;
    Ok(Exit::Done)
}
