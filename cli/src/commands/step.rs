//! `step`: single actions, by hand. A run is a job of one step, journalled like any other.

use serde_json::json;
use uuid::Uuid;
use vsjob_workers::Action;
use vsjob_workflows::registry;

use crate::args::Step;
use crate::complaint::Stop;
use crate::message::{Accepted, RunStep};
use crate::output::Output;
use crate::session::Session;
use crate::{Exit, follow};

pub(crate) fn list(output: Output) -> Result<Exit, Stop> {
    let registry = registry();
    if output.json {
        let actions: Vec<_> = registry
            .iter()
            .map(|action| {
                let reference = action.reference();
                json!({
                    "action": reference.name, "version": reference.version, "on": place(&action),
                    "args": action.args(), "outputs": action.outputs(),
                })
            })
            .collect();
        output.document(&json!({ "actions": actions }))?;
        return Ok(Exit::Done);
    }
    let rows = registry.iter().map(|action| {
        let reference = action.reference();
        let args = action.args().join(" ");
        [
            reference.name,
            reference.version.to_string(),
            place(&action).to_owned(),
            args,
            action.outputs().join(" "),
        ]
    });
    output.table(
        ["action", "version", "on", "arguments", "answers"],
        rows.collect(),
    )?;
    Ok(Exit::Done)
}

fn place(action: &Action) -> &'static str {
    match action {
        Action::Host(_) => "host",
        Action::Master(_) => "master",
    }
}

pub(crate) async fn run(session: &Session, step: &Step) -> Result<Exit, Stop> {
    let Step::Run {
        action,
        args,
        host,
        reason,
    } = step
    else {
        return list(session.output);
    };
    let request = RunStep {
        action: action.clone(),
        args: args.clone(),
        hosts: host.clone(),
        key: Uuid::new_v4().to_string(),
        who: session.who(reason.as_ref()),
    };
    let accepted: Accepted = session.client.post_until_answered("/v1/steps", &request).await?;
    follow::to_the_end(session, &accepted).await
}
