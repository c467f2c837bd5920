//! The API's part about jobs that get nowhere: try again, go on without a step, give up. Whoever says that a host is off
//! must be right as far as the master can see: one that answers is not.

use axum::extract::State;
use vsjob_engine::{Assertion, Command, EngineError, said_to_be_off};

use super::api::{Answer, Of, accepted};
use super::asked::{Json, Path};
use super::peer::Admin;
use super::{held, hosts};
use crate::message::{Abandon, Accepted, Said, Skip, Who};

/// Try the step again at which a job is stuck
#[utoipa::path(post, path = "/v1/jobs/{job}/retry", params(("job" = String, Path)), request_body = Who, responses((status = 200, body = Accepted)))]
pub(crate) async fn retry(
    house: Of,
    admin: Admin,
    Path(name): Path<String>,
    Json(who): Json<Who>,
) -> Answer<Accepted> {
    help(house, admin, &name, Command::Retry, who).await
}

/// Count the step as done, or as undone, at which a job gets nowhere
#[utoipa::path(post, path = "/v1/jobs/{job}/skip", params(("job" = String, Path)), request_body = Skip, responses((status = 200, body = Accepted)))]
pub(crate) async fn skip(
    house: Of,
    admin: Admin,
    Path(name): Path<String>,
    Json(skip): Json<Skip>,
) -> Answer<Accepted> {
    let command = Command::Skip(skip.said.map(assertion));
    help(house, admin, &name, command, skip.who).await
}

/// Give a job up as it stands, or take it back from its point of no return
#[utoipa::path(post, path = "/v1/jobs/{job}/abandon", params(("job" = String, Path)), request_body = Abandon, responses((status = 200, body = Accepted)))]
pub(crate) async fn abandon(
    house: Of,
    admin: Admin,
    Path(name): Path<String>,
    Json(abandon): Json<Abandon>,
) -> Answer<Accepted> {
    let command = match (abandon.to_source, abandon.said) {
        (false, said) => Command::Abandon(said.map(assertion)),
        (true, said) => Command::TurnBack {
            host_is_off: said == Some(Said::HostIsOff),
        },
    };
    help(house, admin, &name, command, abandon.who).await
}

async fn help(State(house): Of, admin: Admin, name: &str, command: Command, who: Who) -> Answer<Accepted> {
    let id = house.find(name).await?;
    let known = house.engine.job(id).await?;
    let job = known.ok_or(EngineError::UnknownJob(id))?.job;
    if !matches!(command, Command::Abandon(_)) {
        held::is_settled(&house, &job).await?;
    }
    for host in said_to_be_off(&job, command) {
        hosts::is_gone(&house, &host, true).await?;
    }
    house.engine.command(id, command, admin.actor(who)).await?;
    Ok(accepted(id, false))
}

fn assertion(said: Said) -> Assertion {
    match said {
        Said::HostIsOff => Assertion::HostIsOff,
        Said::DoneByHand => Assertion::DoneByHand,
    }
}
