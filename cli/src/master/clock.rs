//! The API's part about time: how late it is, and whether the wall clock is believed.

use axum::extract::State;
use vsjob_engine::EngineError;

use super::api::{Answer, Of};
use super::asked::Json;
use super::house::House;
use super::peer::Admin;
use super::view;
use crate::message::{ClockView, JumpView, Who};

/// How late it is, and whether the wall clock has jumped
#[utoipa::path(get, path = "/v1/clock", responses((status = 200, body = ClockView)))]
pub(crate) async fn clock(State(house): Of) -> Answer<ClockView> {
    Ok(axum::Json(told(&house).await?))
}

/// The wall clock, which has jumped, is right
#[utoipa::path(post, path = "/v1/clock/accept", request_body = Who, responses((status = 200, body = ClockView)))]
pub(crate) async fn accept(State(house): Of, admin: Admin, Json(who): Json<Who>) -> Answer<ClockView> {
    house.engine.accept_clock(admin.actor(who)).await?;
    Ok(axum::Json(told(&house).await?))
}

async fn told(house: &House) -> Result<ClockView, EngineError> {
    let time = house.engine.time().await?;
    Ok(ClockView {
        master: view::moment(time.now),
        wall: view::moment(time.wall),
        up: time.up.as_secs(),
        jump: time.jump.map(|jump| JumpView {
            from: view::moment(jump.from),
            to: view::moment(jump.to),
        }),
    })
}
