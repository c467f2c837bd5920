//! Schedules: the API's part about them, and who plans and submits what is due. That is done as for any request, by the
//! same code; what is refused then is written down as missed.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use vsjob_engine::{
    CatchUp, Class, Due, EngineError, Failure, Overlap, Schedule, ScheduleCommand, ScheduleName,
    ScheduleState, Timestamp,
};
use vsjob_workflows::operation;

use super::answer::Refused;
use super::api::{Answer, Of, accepted};
use super::asked::{Json, Path, Query};
use super::house::{House, new_job};
use super::peer::Admin;
use super::view;
use crate::message::{
    self, Accepted, AddSchedule, FiringTime, LastFiring, ScheduleSpec, ScheduleView, Schedules, Submit, Who,
};
use crate::{Complaint, Exit};

/// How long until what could not be taken in is tried again.
const AGAIN: Duration = Duration::from_secs(30);
/// The most times that are told.
const MOST_TIMES: usize = 1000;

/// How many times are told.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
pub(crate) struct Times {
    /// So many of the next times of each.
    #[serde(default = "one")]
    times: usize,
}

fn one() -> usize {
    1
}

/// Submits what is due, for as long as there is a master.
pub(crate) async fn keep(house: Arc<House>) {
    while let Ok(due) = house.engine.due().await {
        let mut waits = false;
        for due in due {
            let schedule = due.schedule.clone();
            match fire(&house, due).await {
                Ok(()) => {}
                Err(EngineError::Closed) => return,
                Err(why) => {
                    tracing::warn!(code = why.code(), %schedule, %why, "what is due cannot be submitted now, and waits");
                    waits = true;
                }
            }
        }
        if waits {
            house.clock.sleep(AGAIN).await;
        }
    }
}

async fn fire(house: &House, due: Due) -> Result<(), EngineError> {
    let parameters = due.request.args.iter().cloned().collect();
    let site = house.site_for(&due.request.operation, &parameters).await?;
    let planned = operation(&due.request.operation).and_then(|known| known.plan(&parameters, &site));
    let planned = planned
        .map(|planned| new_job(due.request.clone(), planned))
        .map_err(|why| Failure::new(Class::Permanent, why.code(), why.to_string()));
    let schedule = due.schedule.clone();
    if let Some(job) = house.engine.fire(due, planned).await? {
        tracing::info!(%schedule, job = %job.id.short(), "submitted");
    }
    Ok(())
}

/// The schedules, and when they fire
#[utoipa::path(get, path = "/v1/schedules", params(Times), responses((status = 200, body = Schedules)))]
pub(crate) async fn list(State(house): Of, Query(times): Query<Times>) -> Answer<Schedules> {
    let mut schedules = Vec::new();
    for (name, state) in house.engine.schedules().await? {
        schedules.push(shown(&house, &name, state, times.times).await?);
    }
    Ok(axum::Json(Schedules { schedules }))
}

/// A schedule, and when it fires
#[utoipa::path(get, path = "/v1/schedules/{schedule}", params(("schedule" = String, Path), Times), responses((status = 200, body = ScheduleView)))]
pub(crate) async fn show(
    State(house): Of,
    Path(name): Path<String>,
    Query(times): Query<Times>,
) -> Answer<ScheduleView> {
    one_of(&house, &parse(&name)?, times.times).await
}

/// Submit an operation by itself from now on
#[utoipa::path(post, path = "/v1/schedules", request_body = AddSchedule, responses((status = 200, body = ScheduleView)))]
pub(crate) async fn add(
    State(house): Of,
    admin: Admin,
    Json(asked): Json<AddSchedule>,
) -> Answer<ScheduleView> {
    let name = parse(&asked.schedule)?;
    let schedule = schedule(&asked.what)?;
    // What would be refused now is not wanted each night.
    let submit = Submit {
        operation: asked.what.operation.clone(),
        parameters: asked.what.parameters.clone(),
        key: None,
        priority: asked.what.priority,
        who: Who::default(),
    };
    house.plan(&submit).await?;
    let add = ScheduleCommand::Add(Box::new(schedule));
    house
        .engine
        .order_schedule(name.clone(), add, admin.actor(asked.who))
        .await?;
    one_of(&house, &name, 1).await
}

/// Submit it no longer by itself; its job goes on
#[utoipa::path(post, path = "/v1/schedules/{schedule}/remove", params(("schedule" = String, Path)), request_body = Who, responses((status = 200, body = Schedules)))]
pub(crate) async fn remove(
    State(house): Of,
    admin: Admin,
    Path(name): Path<String>,
    Json(who): Json<Who>,
) -> Answer<Schedules> {
    let name = parse(&name)?;
    let actor = admin.actor(who);
    house
        .engine
        .order_schedule(name, ScheduleCommand::Remove, actor)
        .await?;
    list(State(house), Query(Times { times: one() })).await
}

/// Let a schedule fire again; what was due meanwhile is not done
#[utoipa::path(post, path = "/v1/schedules/{schedule}/enable", params(("schedule" = String, Path)), request_body = Who, responses((status = 200, body = ScheduleView)))]
pub(crate) async fn enable(
    house: Of,
    admin: Admin,
    name: Path<String>,
    who: Json<Who>,
) -> Answer<ScheduleView> {
    order(house, admin, name, who, ScheduleCommand::Enable).await
}

/// Let a schedule not fire
#[utoipa::path(post, path = "/v1/schedules/{schedule}/disable", params(("schedule" = String, Path)), request_body = Who, responses((status = 200, body = ScheduleView)))]
pub(crate) async fn disable(
    house: Of,
    admin: Admin,
    name: Path<String>,
    who: Json<Who>,
) -> Answer<ScheduleView> {
    order(house, admin, name, who, ScheduleCommand::Disable).await
}

async fn order(
    State(house): Of,
    admin: Admin,
    Path(name): Path<String>,
    Json(who): Json<Who>,
    command: ScheduleCommand,
) -> Answer<ScheduleView> {
    let name = parse(&name)?;
    house
        .engine
        .order_schedule(name.clone(), command, admin.actor(who))
        .await?;
    one_of(&house, &name, 1).await
}

/// Submit now what a schedule submits
#[utoipa::path(post, path = "/v1/schedules/{schedule}/run", params(("schedule" = String, Path)), request_body = Who, responses((status = 200, body = Accepted)))]
pub(crate) async fn run(
    State(house): Of,
    admin: Admin,
    Path(name): Path<String>,
    Json(who): Json<Who>,
) -> Answer<Accepted> {
    let actor = admin.actor(who);
    let due = house.engine.by_hand(parse(&name)?).await?;
    let operation = operation(&due.request.operation)?;
    let parameters = due.request.args.iter().cloned().collect();
    let site = house.site_for(operation.name, &parameters).await?;
    let planned = operation.plan(&parameters, &site)?;
    let mut request = due.request.clone();
    request.actor.user.clone_from(&actor.user);
    request.actor.reason.clone_from(&actor.reason);
    let new = new_job(request, planned);
    let submitted = house.engine.fire_by_hand(due, new, actor).await?;
    Ok(accepted(submitted.id, submitted.new))
}

fn parse(name: &str) -> Result<ScheduleName, Refused> {
    name.parse()
        .map_err(|why: vsjob_engine::BadName| malformed("VSJ0024", why.to_string()))
}

fn malformed(code: &'static str, why: String) -> Refused {
    Refused::malformed(
        Complaint::new(code, Exit::Refused, why).hint("`vsjob schedule add --help` shows how it is written"),
    )
}

fn schedule(spec: &ScheduleSpec) -> Result<Schedule, Refused> {
    let not_after = spec.not_after.as_deref().map(str::parse).transpose();
    Ok(Schedule {
        line: spec.cron.clone(),
        zone: spec.zone.clone(),
        operation: spec.operation.clone(),
        args: spec.parameters.clone().into_iter().collect(),
        priority: view::class(spec.priority),
        not_after: not_after.map_err(|why: &str| malformed("VSJ0024", why.to_owned()))?,
        catch_up: match spec.catch_up {
            message::CatchUp::Once => CatchUp::Once,
            message::CatchUp::Skip => CatchUp::Skip,
        },
        overlap: match spec.overlap {
            message::Overlap::Skip => Overlap::Skip,
            message::Overlap::Queue => Overlap::Queue,
        },
        jitter: Duration::from_secs(spec.jitter),
    })
}

fn spec(schedule: &Schedule) -> ScheduleSpec {
    ScheduleSpec {
        cron: schedule.line.clone(),
        zone: schedule.zone.clone(),
        operation: schedule.operation.clone(),
        parameters: schedule.args.iter().cloned().collect(),
        priority: view::priority(schedule.priority),
        not_after: schedule.not_after.map(|time| time.to_string()),
        catch_up: match schedule.catch_up {
            CatchUp::Once => message::CatchUp::Once,
            CatchUp::Skip => message::CatchUp::Skip,
        },
        overlap: match schedule.overlap {
            Overlap::Skip => message::Overlap::Skip,
            Overlap::Queue => message::Overlap::Queue,
        },
        jitter: schedule.jitter.as_secs(),
    }
}

async fn one_of(house: &House, name: &ScheduleName, times: usize) -> Answer<ScheduleView> {
    let state = house.engine.schedules().await?.remove(name);
    let state = state.ok_or_else(|| EngineError::UnknownSchedule(name.clone()))?;
    Ok(axum::Json(shown(house, name, state, times).await?))
}

async fn shown(
    house: &House,
    name: &ScheduleName,
    state: ScheduleState,
    times: usize,
) -> Result<ScheduleView, EngineError> {
    let known = state.scheduled;
    let calendar = known.schedule.calendar().ok();
    let local = |at: Timestamp| {
        calendar
            .as_ref()
            .map_or_else(|| at.to_string(), |calendar| calendar.told(at))
    };
    let after = |at: &Timestamp| calendar.as_ref().and_then(|calendar| calendar.after(*at));
    let next = std::iter::successors(state.next, after).take(times.min(MOST_TIMES));
    let last = match &known.last {
        None => None,
        Some(firing) => {
            let job = match &firing.came {
                Ok(id) => house.engine.job(*id).await?.map(|known| view::line(&known.job)),
                Err(_) => None,
            };
            Some(LastFiring {
                due: view::moment(firing.due),
                local: local(firing.due),
                job,
                missed: firing.came.as_ref().err().map(ToString::to_string),
            })
        }
    };
    Ok(ScheduleView {
        schedule: name.to_string(),
        what: spec(&known.schedule),
        enabled: known.enabled,
        declared: known.declared,
        user: known.actor.user.clone(),
        due: state.due.map(view::moment),
        next: next
            .map(|at| at + state.delay)
            .map(|at| FiringTime {
                at: view::moment(at),
                local: local(at),
            })
            .collect(),
        last,
    })
}
