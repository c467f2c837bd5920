//! `template`: what guests are made from.

use crate::args::Template;
use crate::complaint::Stop;
use crate::message::Templates;
use crate::session::Session;
use crate::{Exit, follow};

pub(crate) async fn template(session: &Session, which: &Template) -> Result<Exit, Stop> {
    match which {
        Template::List => list(session).await,
        Template::Remove { template, reason } => {
            let given = [("name", template.to_string())];
            follow::order(session, "template-remove", given, reason.as_ref()).await
        }
    }
}

async fn list(session: &Session) -> Result<Exit, Stop> {
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
