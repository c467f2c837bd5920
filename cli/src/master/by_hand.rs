//! One action by hand: a job of one step, journalled like any other.

use vsjob_engine::{Actor, Arg, HostName, Plan, Priority, Request, Retry, Step, UndoKind, Value};
use vsjob_workers::Action;
use vsjob_workflows::{Held, Planned};

use super::answer::Refused;
use super::house::House;
use crate::message::RunStep;
use crate::{Complaint, Exit};

/// The longest argument.
const LONGEST: usize = 4096;

/// The job that runs one action.
pub(crate) fn job(house: &House, run: &RunStep, actor: Actor) -> Result<(Request, Planned), Refused> {
    let action = newest(house, &run.action)?;
    let args = arguments(&action, &run.args)?;
    let hosts = hosts(house, &action, &run.hosts)?;
    let asked = [("action".to_owned(), run.action.clone())]
        .into_iter()
        .chain(run.hosts.iter().map(|host| ("host".to_owned(), host.clone())))
        .chain(
            action
                .args()
                .iter()
                .zip(&run.args)
                .map(|(name, value)| ((*name).to_owned(), value.clone())),
        );
    let request = Request {
        operation: "step".to_owned(),
        args: asked.collect(),
        actor,
        key: Some(run.key.clone()),
        priority: Priority::High,
        not_before: None,
    };
    let title = format!("run {} by hand", run.action);
    let step = Step {
        title: title.clone(),
        action: action.reference(),
        args,
        hosts: hosts.clone(),
        undo: Some(UndoKind::Gating),
        pivot: false,
        retry: Retry::default(),
        creates: Vec::new(),
        strikes: Vec::new(),
        places: Vec::new(),
    };
    let planned = Planned {
        plan: Plan { steps: vec![step] },
        locks: hosts.into_iter().map(|host| Held::Host(host).alone()).collect(),
        title,
        not_before: None,
    };
    Ok((request, planned))
}

fn newest(house: &House, name: &str) -> Result<Action, Refused> {
    let named = house
        .pool
        .registry()
        .iter()
        .filter(|action| action.reference().name == name);
    named
        .max_by_key(|action| action.reference().version)
        .ok_or_else(|| {
            let name: String = name.chars().take(80).collect();
            Refused::absent(
                Complaint::new(
                    "VSJ0519",
                    Exit::Refused,
                    format!("there is no action `{}`", name.escape_default()),
                )
                .hint("`vsjob step list` shows them"),
            )
        })
}

fn arguments(action: &Action, given: &[String]) -> Result<Vec<Arg>, Refused> {
    let names = action.args();
    if names.len() != given.len() {
        let message = format!(
            "{} takes {} arguments, not {}",
            action.reference().name,
            names.len(),
            given.len()
        );
        return Err(unfit(&message, &format!("in this order: {}", names.join(" "))));
    }
    if given
        .iter()
        .any(|value| value.len() > LONGEST || value.chars().any(char::is_control))
    {
        return Err(unfit(
            "an argument is too long, or not one line of text",
            "leave out what is not printable",
        ));
    }
    let args = names.iter().zip(given).map(|(name, value)| Arg {
        name: (*name).to_owned(),
        value: Value::Text(value.clone()),
    });
    Ok(args.collect())
}

fn hosts(house: &House, action: &Action, given: &[String]) -> Result<Vec<HostName>, Refused> {
    let mut hosts = Vec::new();
    for name in given {
        let host: HostName = name
            .parse()
            .map_err(|e: vsjob_engine::BadName| unfit(&e.to_string(), "`vsjob host list` shows the hosts"))?;
        house.pool.host(&host).map_err(|e| Refused::absent(e.into()))?;
        hosts.push(host);
    }
    match action {
        Action::Host(_) if hosts.is_empty() => Err(unfit("this action needs a host", "name one with --host")),
        Action::Master(_) if !hosts.is_empty() => {
            Err(unfit("this action is one of the master's", "leave --host out"))
        }
        _ => Ok(hosts),
    }
}

fn unfit(message: &str, hint: &str) -> Refused {
    Refused::malformed(Complaint::new("VSJ0520", Exit::Refused, message).hint(hint))
}
