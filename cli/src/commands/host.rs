//! `host`: the hosts of the pool, whether they answer, and what is known and owed to them. Maintenance keeps new guests
//! away from one; forgetting is for one that is gone for good.

use crate::args::{Host, OnOrOff};
use crate::complaint::Stop;
use crate::message::{ForgetHost, ForgottenHost, HostLine, HostView, Hosts, Maintain};
use crate::output::state;
use crate::session::Session;
use crate::{Exit, words};

pub(crate) async fn host(session: &Session, host: &Host) -> Result<Exit, Stop> {
    match host {
        Host::List => list(session).await,
        Host::Show { host } => {
            let view = session.client.get(&format!("/v1/hosts/{host}")).await?;
            show(session, view)
        }
        Host::Maintenance { host, switch, reason } => {
            let maintain = Maintain {
                on: *switch == OnOrOff::On,
                who: session.who(reason.as_ref()),
            };
            let path = format!("/v1/hosts/{host}/maintenance");
            show(session, session.client.post(&path, &maintain).await?)
        }
        Host::Forget {
            host,
            host_is_off,
            guests_are_lost,
            reason,
        } => {
            let forget = ForgetHost {
                host_is_off: *host_is_off,
                guests_are_lost: *guests_are_lost,
                who: session.who(reason.as_ref()),
            };
            let path = format!("/v1/hosts/{host}/forget");
            forgotten(session, &session.client.post(&path, &forget).await?)
        }
    }
}

async fn list(session: &Session) -> Result<Exit, Stop> {
    let hosts: Hosts = session.client.get("/v1/hosts").await?;
    let out = session.output;
    if out.json {
        out.document(&hosts)?;
        return Ok(Exit::Done);
    }
    if hosts.hosts.is_empty() {
        out.talk("no hosts; they go into slaves.conf, one a line");
    }
    let rows = hosts.hosts.into_iter().map(|host| {
        let (state, answers) = (state_of(&host), answer_of(&host));
        let owed = match host.owed {
            0 => String::new(),
            owed => owed.to_string(),
        };
        [
            host.host,
            state,
            host.drivers.join(" "),
            host.guests.to_string(),
            owed,
            answers,
        ]
    });
    out.table(
        ["host", "state", "drivers", "guests", "owed", "answers"],
        rows.collect(),
    )?;
    Ok(Exit::Done)
}

fn state_of(host: &HostLine) -> String {
    match host.selectable {
        true => state(&host.state),
        false => format!("{}, noselect", state(&host.state)),
    }
}

fn answer_of(host: &HostLine) -> String {
    host.trouble.as_ref().map_or_else(
        || "yes".to_owned(),
        |trouble| format!("no: {} {}", trouble.message, trouble.code),
    )
}

fn show(session: &Session, view: HostView) -> Result<Exit, Stop> {
    let out = session.output;
    if out.json {
        out.document(&view)?;
        return Ok(Exit::Done);
    }
    let mut facts = vec![
        ("state", state_of(&view.line)),
        ("answers", answer_of(&view.line)),
        ("address", view.address),
        ("drivers", view.line.drivers.join(" ")),
        (
            "machine",
            view.machine.unwrap_or_else(|| "not met yet".to_owned()),
        ),
        ("guests", view.lives_there.join(" ")),
    ];
    if let Some(maintenance) = view.maintenance {
        let since = maintenance.since.format("%Y-%m-%d %H:%M UTC");
        let why = maintenance
            .reason
            .map_or_else(String::new, |why| format!(": {why}"));
        facts.push((
            "maintenance",
            format!("since {since}, by {}{why}", maintenance.user),
        ));
    }
    let facts = facts.into_iter().map(|(key, value)| [key.to_owned(), value]);
    out.table(["host", &view.line.host], facts.collect())?;
    let jobs = view
        .jobs
        .into_iter()
        .map(|job| [job.short, job.title, state(&job.state)]);
    out.table(["open job", "about", "is"], jobs.collect())?;
    let debts = view.debts.into_iter().map(|debt| {
        let because = format!("{} {}", debt.failure.message, debt.failure.code);
        [debt.job, debt.title, because]
    });
    out.table(["owed by job", "undo of", "because"], debts.collect())?;
    Ok(Exit::Done)
}

fn forgotten(session: &Session, forgotten: &ForgottenHost) -> Result<Exit, Stop> {
    let out = session.output;
    if out.json {
        out.document(forgotten)?;
        return Ok(Exit::Done);
    }
    out.line(format!(
        "{} is forgotten; struck: {}",
        forgotten.host,
        words::several(forgotten.debts, "debt")
    ))?;
    if !forgotten.guests.is_empty() {
        out.line(format!("lost with it: {}", forgotten.guests.join(" ")))?;
    }
    Ok(Exit::Done)
}
