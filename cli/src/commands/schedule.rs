//! `schedule`: what is submitted by itself, when, and what came of it.

use vsjob_engine::ScheduleName;

use crate::args::{OneSchedule, Schedule, ScheduleOptions, Submission};
use crate::complaint::{Complaint, Stop};
use crate::message::{Accepted, AddSchedule, ScheduleSpec, ScheduleView, Schedules};
use crate::output::state;
use crate::session::Session;
use crate::{Exit, words};

/// Where a machine says in which time zone it is.
const ZONE: &str = "/etc/localtime";

pub(crate) async fn schedule(session: &Session, schedule: &Schedule) -> Result<Exit, Stop> {
    match schedule {
        Schedule::Add { name, what } => add(session, name, what).await,
        Schedule::List => {
            let schedules = session.client.get("/v1/schedules").await?;
            list(session, &schedules)
        }
        Schedule::Show { name } => {
            let view = session
                .client
                .get(&format!("/v1/schedules/{name}?times=3"))
                .await?;
            show(session, &view)
        }
        Schedule::Remove(which) => list(session, &order(session, "remove", which).await?),
        Schedule::Enable(which) => show(session, &order(session, "enable", which).await?),
        Schedule::Disable(which) => show(session, &order(session, "disable", which).await?),
        Schedule::Run(which) => {
            let accepted: Accepted = order(session, "run", which).await?;
            match session.output.json {
                true => session.output.document(&accepted)?,
                false => session.output.line(&accepted.job)?,
            }
            Ok(Exit::Done)
        }
        Schedule::Next { name, times } => next(session, name.as_ref(), *times).await,
    }
}

async fn order<T: serde::de::DeserializeOwned>(
    session: &Session,
    order: &str,
    which: &OneSchedule,
) -> Result<T, Stop> {
    let who = session.who(which.reason.as_ref());
    let path = format!("/v1/schedules/{}/{order}", which.name);
    Ok(session.client.post(&path, &who).await?)
}

async fn add(
    session: &Session,
    name: &ScheduleName,
    what: &Submission<ScheduleOptions>,
) -> Result<Exit, Stop> {
    let options = &what.options;
    let zone = match &options.zone {
        Some(zone) => zone.clone(),
        None => zone_of_this_machine()?,
    };
    let add = AddSchedule {
        schedule: name.to_string(),
        what: ScheduleSpec {
            cron: options.cron.clone(),
            zone,
            operation: what.operation.clone(),
            parameters: what.parameters.clone(),
            priority: options.priority,
            not_after: options.not_after.map(|time| time.to_string()),
            catch_up: options.catch_up,
            overlap: options.overlap,
            jitter: options.jitter.map_or(0, |jitter| jitter.as_secs()),
        },
        who: session.who(options.reason.as_ref()),
    };
    // The same schedule may be added again.
    let view = session.client.post_until_answered("/v1/schedules", &add).await?;
    show(session, &view)
}

/// The name behind `/usr/share/zoneinfo/` of what the machine's time zone is linked to.
fn zone_of_this_machine() -> Result<String, Complaint> {
    let unknown = || {
        Complaint::new(
            "VSJ0024",
            Exit::Usage,
            format!("{ZONE} does not say in which time zone this machine is"),
        )
        .hint("say it with --zone, such as --zone Europe/Paris or --zone UTC")
    };
    let link = std::fs::read_link(ZONE).map_err(|why| unknown().because(&why))?;
    let link = link.to_string_lossy().into_owned();
    let (_, zone) = link.split_once("zoneinfo/").ok_or_else(unknown)?;
    Ok(zone.to_owned())
}

fn list(session: &Session, schedules: &Schedules) -> Result<Exit, Stop> {
    let out = session.output;
    if out.json {
        out.document(schedules)?;
        return Ok(Exit::Done);
    }
    if schedules.schedules.is_empty() {
        out.talk("no schedules; `vsjob schedule add` adds one, and [[schedule]] in vsjob.toml");
    }
    let rows = schedules.schedules.iter().map(|view| {
        [
            view.schedule.clone(),
            view.what.cron.clone(),
            what(&view.what),
            fires(view),
            came(view),
        ]
    });
    out.table(["schedule", "cron", "submits", "next", "last"], rows.collect())?;
    Ok(Exit::Done)
}

fn show(session: &Session, view: &ScheduleView) -> Result<Exit, Stop> {
    let out = session.output;
    if out.json {
        out.document(view)?;
        return Ok(Exit::Done);
    }
    let spec = &view.what;
    let set = match view.declared {
        true => "vsjob.toml".to_owned(),
        false => view.user.clone(),
    };
    let mut facts = vec![
        ("submits", what(spec)),
        ("cron", format!("{} ({})", spec.cron, spec.zone)),
        ("next", fires(view)),
        ("last", came(view)),
        ("set by", set),
    ];
    let catch_up = match spec.catch_up {
        crate::message::CatchUp::Once => "done once as soon as possible",
        crate::message::CatchUp::Skip => "not done",
    };
    let overlap = match spec.overlap {
        crate::message::Overlap::Skip => "it is not submitted",
        crate::message::Overlap::Queue => "it waits until that is over",
    };
    facts.push(("missed times are", catch_up.to_owned()));
    facts.push(("while its job runs", overlap.to_owned()));
    if let Some(time) = &spec.not_after {
        facts.push(("not after", time.clone()));
    }
    if spec.jitter > 0 {
        facts.push(("jitter", words::millis(spec.jitter.saturating_mul(1000))));
    }
    let facts = facts.into_iter().map(|(key, value)| [key.to_owned(), value]);
    out.table(["schedule", &view.schedule], facts.collect())?;
    Ok(Exit::Done)
}

/// The operation with its parameters, as for `submit`.
fn what(spec: &ScheduleSpec) -> String {
    let parameters = spec.parameters.iter().map(|(name, value)| match value.as_str() {
        "true" => format!(" --{name}"),
        // What was given as one line may have anything in it.
        value => format!(" --{name}={}", value.escape_debug()),
    });
    format!("{}{}", spec.operation, parameters.collect::<String>())
}

fn fires(view: &ScheduleView) -> String {
    match (&view.due, view.next.first()) {
        _ if !view.enabled => state("disabled"),
        (Some(_), _) => state("due now"),
        (None, Some(next)) => next.local.clone(),
        (None, None) => "never".to_owned(),
    }
}

fn came(view: &ScheduleView) -> String {
    let Some(last) = &view.last else {
        return String::new();
    };
    match (&last.job, &last.missed) {
        (Some(job), _) => format!("{} {}, job {}", last.local, state(&job.state), job.short),
        (None, Some(why)) => format!("{} {}: {why}", last.local, state("missed")),
        (None, None) => last.local.clone(),
    }
}

async fn next(session: &Session, name: Option<&ScheduleName>, times: u16) -> Result<Exit, Stop> {
    let schedules = match name {
        None => {
            session
                .client
                .get(&format!("/v1/schedules?times={times}"))
                .await?
        }
        Some(name) => {
            let path = format!("/v1/schedules/{name}?times={times}");
            Schedules {
                schedules: vec![session.client.get(&path).await?],
            }
        }
    };
    let out = session.output;
    if out.json {
        out.document(&schedules)?;
        return Ok(Exit::Done);
    }
    let all = schedules.schedules.iter();
    let mut next: Vec<_> = all
        .flat_map(|view| view.next.iter().map(move |time| (time, view)))
        .collect();
    next.sort_by_key(|(time, _)| time.at);
    let rows = next.into_iter().map(|(time, view)| {
        let utc = time.at.format("%Y-%m-%d %H:%M UTC").to_string();
        [
            view.schedule.clone(),
            time.local.clone(),
            view.what.zone.clone(),
            utc,
        ]
    });
    out.table(["schedule", "fires", "zone", "in utc"], rows.collect())?;
    Ok(Exit::Done)
}
