//! `template`: what guests are made from.

use vsjob_workflows::TemplateName;

use crate::args::Template;
use crate::complaint::Stop;
use crate::message::{TemplateView, Templates};
use crate::session::Session;
use crate::words::size;
use crate::{Exit, follow};

pub(crate) async fn template(session: &Session, which: &Template) -> Result<Exit, Stop> {
    match which {
        Template::List => list(session).await,
        Template::Show { template } => show(session, template).await,
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
        .map(|line| [line.template, size(line.bytes), line.archive]);
    out.table(["template", "size", "archive"], rows.collect())?;
    Ok(Exit::Done)
}

async fn show(session: &Session, name: &TemplateName) -> Result<Exit, Stop> {
    let view: TemplateView = session.client.get(&format!("/v1/templates/{name}")).await?;
    let out = session.output;
    if out.json {
        out.document(&view)?;
        return Ok(Exit::Done);
    }
    let none = || "none: nobody made it here".to_owned();
    let rows = vec![
        ["archive".to_owned(), view.template.archive],
        ["size".to_owned(), size(view.template.bytes)],
        ["checksum".to_owned(), view.checksum.unwrap_or_else(none)],
        ["named by".to_owned(), view.jobs.join(", ")],
    ];
    out.table(["template", name.as_str()], rows)?;
    Ok(Exit::Done)
}
