//! `template-remove`: deletes a template of the master. One that a job names which is not over is not touched: that job
//! may not have read it yet.

use crate::actions::remove_template::RemoveTemplate;
use crate::{Held, Line, Operation, Parameter, Planned, Planner, Refusal, Site, TemplateName};

pub(crate) const OPERATION: Operation = Operation {
    name: "template-remove",
    summary: "delete a template of the master",
    parameters: &[Parameter::required(
        "name",
        "TEMPLATE",
        "as `template list` shows it",
    )],
    all: None,
    plan: |reading, site| plan(&reading.required("name")?, site),
};

fn plan(template: &TemplateName, site: &Site) -> Result<Planned, Refusal> {
    site.template(template)?;
    if !site.template_jobs.is_empty() {
        return Err(Refusal::TemplateInUse {
            template: template.clone(),
            jobs: site.template_jobs.clone(),
        });
    }
    let mut p = Planner::default();
    p.here(RemoveTemplate {
        folder: Line::of(&site.state.join("templates").display())
            .map_err(|why| Refusal::bad("name", &why))?,
        template: template.clone(),
    })
    .pivot();

    Ok(Planned {
        plan: p.finish(),
        locks: vec![Held::Template(template.clone()).alone()],
        title: format!("remove the template {template}"),
        not_before: None,
    })
}
