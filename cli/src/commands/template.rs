//! `template list`.

use crate::Exit;
use crate::complaint::Stop;
use crate::message::Templates;
use crate::session::Session;

pub(crate) async fn list(session: &Session) -> Result<Exit, Stop> {
    let templates: Templates = session.client.get("/v1/templates").await?;
    let out = session.output;
    if out.json {
        out.document(&templates)?;
        return Ok(Exit::Done);
    }
    if templates.templates.is_empty() {
        out.talk("no templates; they are files NAME.tar, .tar.gz or .tar.zst in the folder `templates` of the master's");
    }
    let rows = templates
        .templates
        .into_iter()
        .map(|line| [line.template, line.archive]);
    out.table(["template", "archive"], rows.collect())?;
    Ok(Exit::Done)
}
