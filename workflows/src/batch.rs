//! A batch: one operation for many guests, by `--all` in place of `--name`. It is a job that submits a job for each guest and
//! waits for them, so that one guest's failure takes back that guest alone. All of them are planned once before, so that what
//! cannot be done is refused before anything has begun. It holds no locks: its guests' jobs do.

use vsjob_engine::UndoKind::Cleaning;
use vsjob_engine::{HostName, Job, Status, Value};

use crate::actions::part::{AwaitPart, BeginPart};
use crate::planner::Call;
use crate::{GuestName, Line, Operation, Parameters, Planned, Planner, Reading, Refusal, Site};

/// What became of a batch whose jobs have ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// How many guests it is about.
    pub guests: usize,
    /// The guests for which it is not done, and how their jobs stood then.
    pub not_done: Vec<(String, String)>,
}

/// What became of the guests, if the job is a batch whose jobs have ended.
#[must_use]
pub fn tally(job: &Job) -> Option<Tally> {
    if job.status != Status::Succeeded {
        return None;
    }
    let ended: Vec<_> = job
        .plan
        .numbered()
        .filter(|(_, step)| step.action == AwaitPart::action().reference())
        .filter_map(|(no, step)| {
            let Value::Text(guest) = &step.args.first()?.value else {
                return None;
            };
            let ended = job.step(no)?.outputs.as_ref()?.get("ended")?;
            Some((guest.clone(), ended.clone()))
        })
        .collect();
    (!ended.is_empty()).then(|| Tally {
        guests: ended.len(),
        not_done: ended.into_iter().filter(|(_, how)| how != "succeeded").collect(),
    })
}

/// The plan for all guests, or for those on the host that the parameter `on` names.
pub(crate) fn plan(
    operation: &Operation,
    on: &'static str,
    given: &Parameters,
    request: &Reading<'_>,
    site: &Site,
) -> Result<Planned, Refusal> {
    if given.contains_key("name") {
        return Err(Refusal::bad("all", &"it stands in the place of --name"));
    }
    let host: Option<HostName> = request.optional(on)?;
    if let Some(host) = &host {
        site.known(host)?;
    }
    let mut parts = Vec::new();
    for guest in guests(site, host.as_ref()) {
        let parameters = of_one(operation, given, guest);
        match operation.plan(&parameters, site) {
            Ok(_) => parts.push((guest, parameters)),
            Err(Refusal::AlreadyThere { .. }) => {}
            Err(refusal) => return Err(refusal),
        }
    }
    let here = host.as_ref().map_or(String::new(), |host| format!(" on {host}"));
    let title = format!("{} of {} guests{here}", operation.name, parts.len());
    match parts.is_empty() {
        true => Err(Refusal::NoGuests(host)),
        false => Ok(Planned {
            title,
            plan: steps(operation, &parts)?,
            locks: Vec::new(),
        }),
    }
}

fn guests<'a>(site: &'a Site, host: Option<&'a HostName>) -> impl Iterator<Item = &'a GuestName> {
    let there = site.placement.iter();
    there
        .filter(move |(_, place)| host.is_none_or(|host| host == *place))
        .map(|(guest, _)| guest)
}

/// The request for one guest. A parameter that goes with `--all` alone is nothing that the operation itself takes.
fn of_one(operation: &Operation, given: &Parameters, guest: &GuestName) -> Parameters {
    let mut parameters = given.clone();
    parameters.remove("all");
    if operation.all == Some("host") {
        parameters.remove("host");
    }
    parameters.insert("name".to_owned(), guest.to_string());
    parameters
}

fn steps(operation: &Operation, parts: &[(&GuestName, Parameters)]) -> Result<vsjob_engine::Plan, Refusal> {
    let mut p = Planner::default();
    let mut jobs = Vec::new();
    for (guest, parameters) in parts {
        let text = serde_json::to_string(parameters).map_err(|why| Refusal::bad("all", &why))?;
        let begun = p
            .here(BeginPart {
                operation: Line::of(&operation.name).map_err(|why| Refusal::bad("all", &why))?,
                guest: (*guest).clone(),
                parameters: Line::of(&text).map_err(|why| Refusal::bad("all", &why))?,
            })
            .undo(Cleaning)
            .answers();
        jobs.push(begun.job);
    }
    for ((guest, _), job) in parts.iter().zip(jobs) {
        p.here(AwaitPart {
            guest: (*guest).clone(),
            job,
        });
    }
    Ok(p.finish())
}
