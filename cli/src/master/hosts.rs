//! The API's part about hosts: how they are, maintenance, and the end of one.

use axum::extract::State;
use vsjob_engine::{Class, EngineError, Filter, HostName};
use vsjob_workers::{HostError, Slave};
use vsjob_workflows::Refusal;

use super::answer::Refused;
use super::api::{Answer, Of};
use super::asked::{Json, Path};
use super::house::House;
use super::peer::Admin;
use super::view;
use crate::message::{ForgetHost, ForgottenHost, HostLine, HostView, Hosts, Maintain, MaintenanceView};
use crate::{Complaint, Exit};

/// The hosts of slaves.conf, and whether they answer
#[utoipa::path(get, path = "/v1/hosts", responses((status = 200, body = Hosts)))]
pub(crate) async fn hosts(State(house): Of) -> Answer<Hosts> {
    let slaves = house.slaves.hosts.iter();
    let lines = futures::future::join_all(slaves.map(|slave| line(&house, slave))).await;
    let hosts = lines.into_iter().collect::<Result<_, _>>()?;
    Ok(axum::Json(Hosts { hosts }))
}

/// A host with all that is known of it
#[utoipa::path(get, path = "/v1/hosts/{host}", params(("host" = String, Path)), responses((status = 200, body = HostView)))]
pub(crate) async fn host(State(house): Of, Path(name): Path<String>) -> Answer<HostView> {
    Ok(axum::Json(shown(&house, configured(&house, &name)?).await?))
}

/// From now on nothing new is sent to a host, or it may be used again
#[utoipa::path(post, path = "/v1/hosts/{host}/maintenance", params(("host" = String, Path)), request_body = Maintain, responses((status = 200, body = HostView)))]
pub(crate) async fn maintain(
    State(house): Of,
    admin: Admin,
    Path(name): Path<String>,
    Json(asked): Json<Maintain>,
) -> Answer<HostView> {
    let slave = configured(&house, &name)?;
    let actor = admin.actor(asked.who);
    house.engine.maintain(slave.name.clone(), asked.on, actor).await?;
    Ok(axum::Json(shown(&house, slave).await?))
}

/// A host is gone for good: strike what is owed to it
#[utoipa::path(post, path = "/v1/hosts/{host}/forget", params(("host" = String, Path)), request_body = ForgetHost, responses((status = 200, body = ForgottenHost)))]
pub(crate) async fn forget(
    State(house): Of,
    admin: Admin,
    Path(name): Path<String>,
    Json(asked): Json<ForgetHost>,
) -> Answer<ForgottenHost> {
    let host = parse(&name)?;
    if !is_known(&house, &host).await? {
        return Err(Refusal::UnknownHost(host).into());
    }
    is_gone(&house, &host, asked.host_is_off).await?;
    let actor = admin.actor(asked.who);
    let forgotten = house
        .engine
        .forget_host(host, asked.guests_are_lost, actor)
        .await?;
    Ok(axum::Json(ForgottenHost {
        host: name,
        debts: count(forgotten.debts),
        guests: forgotten.guests,
    }))
}

fn parse(name: &str) -> Result<HostName, Refused> {
    name.parse().map_err(|why| Refusal::bad("host", &why).into())
}

fn configured<'a>(house: &'a House, name: &str) -> Result<&'a Slave, Refused> {
    let host = parse(name)?;
    let found = house.slaves.hosts.iter().find(|slave| slave.name == host);
    found.ok_or_else(|| Refusal::UnknownHost(host).into())
}

/// A host that slaves.conf does not have any more may still be owed something.
async fn is_known(house: &House, host: &HostName) -> Result<bool, EngineError> {
    let engine = &house.engine;
    Ok(house.pool.host(host).is_ok()
        || engine.hosts().await?.contains_key(host)
        || engine.placement().await?.values().any(|place| place == host)
        || engine.debts().await?.iter().any(|debt| debt.hosts.contains(host)))
}

/// Nothing is forgotten of a host that is there, since its debts will be paid; nor, without somebody who vouches for
/// it, of one that may only be away, since it may come back with what it had.
pub(super) async fn is_gone(house: &House, host: &HostName, said: bool) -> Result<(), Refused> {
    let answer = match house.pool.host(host) {
        Ok(known) => known.obeys().await.err(),
        Err(unknown) => Some(unknown),
    };
    let refused = |code: &str, message: String, hint: &str| {
        Err(Refused::conflicting(
            Complaint::new(code, Exit::Refused, message).hint(hint),
        ))
    };
    match answer {
        None => refused(
            "VSJ0544",
            format!("{host} answers: it is not gone"),
            "what is owed to it is done by itself; `vsjob host maintenance` keeps new guests away",
        ),
        Some(HostError::OtherMachine { .. }) => Ok(()),
        Some(_) if said => Ok(()),
        Some(_) => refused(
            "VSJ0545",
            format!("{host} does not answer, and nobody says that it is gone for good"),
            "if it is off and stays off, say so with --host-is-off",
        ),
    }
}

/// How a host answers that is said to be off: as itself, or as what lets nobody in and may be it. None: it does not.
pub(super) async fn answers(house: &House, host: &HostName) -> Option<String> {
    let error = match house.pool.host(host) {
        Ok(known) => known.obeys().await.err(),
        Err(unknown) => Some(unknown),
    };
    match error {
        None => Some(format!("{host} answers: it is not off")),
        Some(why) if why.failure().class == Class::Permanent => Some(format!("{host} may be on: {why}")),
        Some(_) => None,
    }
}

/// The guests of a host may be brought back elsewhere: somebody vouches that it is off, it does not answer, and no job works
/// there, which would go on when it is back. What waits to fence something there waits for just that.
pub(super) async fn is_dead(house: &House, host: &HostName, said: bool) -> Result<(), Refused> {
    is_gone(house, host, said).await?;
    if let Some(how) = answers(house, host).await {
        let hint = "guests come off a host that answers by `evacuate`";
        return Err(Refused::conflicting(
            Complaint::new("VSJ0544", Exit::Refused, how).hint(hint),
        ));
    }
    let open = house.engine.jobs(Filter::OPEN).await?;
    let works_there = |job: &&vsjob_engine::Job| {
        !job.status.is_over() && job.request.operation != "fence" && job.plan.hosts().contains(host)
    };
    match open.iter().find(works_there) {
        Some(job) => Err(EngineError::HostInUse {
            host: host.clone(),
            job: job.id,
        }
        .into()),
        None => Ok(()),
    }
}

async fn line(house: &House, slave: &Slave) -> Result<HostLine, EngineError> {
    let placement = house.engine.placement().await?;
    let known = house
        .engine
        .hosts()
        .await?
        .remove(&slave.name)
        .unwrap_or_default();
    let debts = house.engine.debts().await?;
    let owed = debts
        .iter()
        .filter(|debt| debt.hosts.first() == Some(&slave.name));
    let drivers = [
        slave.drivers.runtime,
        slave.drivers.storage,
        slave.drivers.network,
    ];
    let state = match known.maintenance {
        Some(_) => "maintenance",
        None => "in service",
    };
    Ok(HostLine {
        host: slave.name.to_string(),
        drivers: drivers.iter().map(|driver| driver.name.to_owned()).collect(),
        selectable: !slave.noselect,
        guests: count(placement.values().filter(|host| **host == slave.name).count()),
        state: state.to_owned(),
        owed: count(owed.count()),
        trouble: trouble(house, &slave.name).await,
    })
}

/// Why it does not answer, if it does not.
async fn trouble(house: &House, host: &HostName) -> Option<crate::message::FailureView> {
    let error = match house.pool.host(host) {
        Ok(known) => known.obeys().await.err(),
        Err(unknown) => Some(unknown),
    };
    error.map(|error| view::failure(&error.failure()))
}

async fn shown(house: &House, slave: &Slave) -> Result<HostView, Refused> {
    let engine = &house.engine;
    let known = engine.hosts().await?.remove(&slave.name).unwrap_or_default();
    let placement = engine.placement().await?.into_iter();
    let debts = engine.debts().await?.into_iter();
    let jobs = engine.jobs(Filter::OPEN).await?;
    let works_there = jobs
        .iter()
        .filter(|job| !job.status.is_over() && job.plan.hosts().contains(&slave.name));
    Ok(HostView {
        line: line(house, slave).await?,
        address: slave.address.clone().unwrap_or_else(|| slave.name.to_string()),
        machine: known.machine,
        maintenance: known.maintenance.map(|maintenance| MaintenanceView {
            since: view::moment(maintenance.since),
            user: maintenance.actor.user,
            reason: maintenance.actor.reason,
        }),
        lives_there: placement
            .filter(|(_, host)| *host == slave.name)
            .map(|(guest, _)| guest)
            .collect(),
        jobs: works_there.map(view::line).collect(),
        debts: debts
            .filter(|debt| debt.hosts.first() == Some(&slave.name))
            .map(view::debt)
            .collect(),
    })
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
