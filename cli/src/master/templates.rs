//! The API's part about templates.

use axum::extract::State;
use vsjob_workflows::{Refusal, TemplateName, jobs_of_template, templates};

use super::answer::Refused;
use super::api::{Answer, Of};
use super::asked::Path;
use crate::message::{TemplateLine, TemplateView, Templates};

/// The templates that guests can be made from
#[utoipa::path(get, path = "/v1/templates", responses((status = 200, body = Templates)))]
pub(crate) async fn list(State(house): Of) -> Answer<Templates> {
    let templates = templates(&house.configured.state).into_iter();
    Ok(axum::Json(Templates {
        templates: templates.map(|(name, template)| line(&name, &template)).collect(),
    }))
}

/// One of them
#[utoipa::path(get, path = "/v1/templates/{template}", params(("template" = String, Path)), responses((status = 200, body = TemplateView)))]
pub(crate) async fn show(State(house): Of, Path(name): Path<String>) -> Answer<TemplateView> {
    let name: TemplateName = name.parse().map_err(|why| Refusal::bad("template", &why))?;
    let known = templates(&house.configured.state);
    let template = known
        .get(&name)
        .ok_or_else(|| Refusal::UnknownTemplate(name.clone()))?;
    Ok(axum::Json(TemplateView {
        template: line(&name, template),
        checksum: template.checksum(),
        jobs: jobs_of_template(&house.engine, &name)
            .await
            .map_err(Refused::from)?,
    }))
}

fn line(name: &TemplateName, template: &vsjob_workflows::Template) -> TemplateLine {
    TemplateLine {
        template: name.to_string(),
        archive: template.archive.display().to_string(),
        bytes: template.bytes,
    }
}
