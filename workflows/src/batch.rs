//! A batch: one operation for many guests, by `--all` in place of `--name`. It is a job that submits a job for each guest and
//! waits for them, so that one guest's failure takes back that guest alone. All of them are planned once before, so that what
//! cannot be done is refused before anything has begun. It holds no locks: its guests' jobs do.

use vsjob_engine::UndoKind::Cleaning;
use vsjob_engine::{HostName, Job, Status, Value};

use crate::actions::part::{AwaitPart, BeginPart, RefusePart};
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

/// How an operation is done for many guests at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Many {
    /// The parameter that says on which host they are.
    on: &'static str,
    /// Which they are.
    of: Of,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    /// Every guest that lives somewhere. If it cannot be done for one of them, nothing begins.
    Placed,
    /// Those of backup.conf. If it cannot be done for one of them, that one is told of, and the others have theirs.
    Configured,
}

impl Many {
    /// For every guest that lives somewhere.
    pub(crate) const fn placed(on: &'static str) -> Self {
        let of = Of::Placed;
        Self { on, of }
    }

    /// For the guests of backup.conf.
    pub(crate) const fn configured(on: &'static str) -> Self {
        let of = Of::Configured;
        Self { on, of }
    }

    fn guests(self, site: &Site) -> Vec<&GuestName> {
        match self.of {
            Of::Placed => site.placement.keys().collect(),
            Of::Configured => site.backup_conf.guests().collect(),
        }
    }
}

/// The plan for all guests, or for those on the host that the request names.
pub(crate) fn plan(
    operation: &Operation,
    many: Many,
    given: &Parameters,
    request: &Reading<'_>,
    site: &Site,
) -> Result<Planned, Refusal> {
    if given.contains_key("name") {
        return Err(Refusal::bad("all", &"it stands in the place of --name"));
    }
    let host: Option<HostName> = request.optional(many.on)?;
    if let Some(host) = &host {
        site.known(host)?;
    }
    let mut parts = Vec::new();
    for guest in many.guests(site) {
        if host.is_some() && site.placement.get(guest) != host.as_ref() {
            continue;
        }
        let parameters = of_one(many, given, guest);
        match operation.plan(&parameters, site) {
            Err(Refusal::AlreadyThere { .. }) => {}
            Err(refusal) if many.of == Of::Placed => return Err(refusal),
            // One whose job will be refused, too: the batch tells so.
            _ => parts.push(Part {
                guest: guest.clone(),
                job: Ok((operation.name, parameters)),
                words: None,
            }),
        }
    }
    let here = host.as_ref().map_or(String::new(), |host| format!(" on {host}"));
    let title = format!("{} of {} guests{here}", operation.name, parts.len());
    match parts.is_empty() {
        true => Err(Refusal::NoGuests(host)),
        false => Ok(Planned {
            title,
            plan: {
                let mut p = Planner::default();
                steps(&mut p, &parts)?;
                p.finish()
            },
            locks: Vec::new(),
            not_before: None,
        }),
    }
}

/// The request for one guest. A parameter that goes with `--all` alone is nothing that the operation itself takes.
fn of_one(many: Many, given: &Parameters, guest: &GuestName) -> Parameters {
    let mut parameters = given.clone();
    parameters.remove("all");
    if many.on == "host" {
        parameters.remove("host");
    }
    parameters.insert("name".to_owned(), guest.to_string());
    parameters
}

/// What a batch does about one guest.
pub(crate) struct Part {
    pub guest: GuestName,
    /// The operation and the parameters of its job, or why it has none.
    pub job: Result<(&'static str, Parameters), String>,
    /// What stands in the plan for it, if that says more than the operation and the guest.
    pub words: Option<String>,
}

/// The steps of a batch of these parts: all jobs are submitted before any is waited for.
pub(crate) fn steps(p: &mut Planner, parts: &[Part]) -> Result<(), Refusal> {
    let bad = |why| Refusal::bad("all", &why);
    let mut jobs = Vec::new();
    for Part { guest, job, words } in parts {
        jobs.push(match job {
            Ok((operation, parameters)) => {
                let text = serde_json::to_string(parameters).map_err(|why| Refusal::bad("all", &why))?;
                let begin = BeginPart {
                    operation: Line::of(operation).map_err(bad)?,
                    guest: guest.clone(),
                    parameters: Line::of(&text).map_err(bad)?,
                };
                p.here(begin)
                    .undo(Cleaning)
                    .titled(words.as_deref())
                    .answers()
                    .job
            }
            Err(why) => {
                let why = Line::of(why).map_err(bad)?;
                let refuse = RefusePart {
                    guest: guest.clone(),
                    why,
                };
                p.here(refuse).titled(words.as_deref()).answers().job
            }
        });
    }
    for (Part { guest, .. }, job) in parts.iter().zip(jobs) {
        p.here(AwaitPart {
            guest: guest.clone(),
            job,
        });
    }
    Ok(())
}
