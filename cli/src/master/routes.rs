//! Which path is answered by what.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::answer::Refused;
use super::house::House;
use super::{api, clock, generations, hosts, openapi, schedules, stuck, templates};
use crate::{Complaint, Exit};

/// All routes.
pub(crate) fn routes(house: Arc<House>) -> Router {
    Router::new()
        .route("/openapi.json", get(openapi::document))
        .route("/v1/jobs", get(api::jobs).post(api::submit))
        .route("/v1/jobs/{job}", get(api::job))
        .route("/v1/jobs/{job}/history", get(api::history))
        .route("/v1/jobs/{job}/cancel", post(api::cancel))
        .route("/v1/jobs/{job}/pause", post(api::pause))
        .route("/v1/jobs/{job}/resume", post(api::resume))
        .route("/v1/jobs/{job}/retry", post(stuck::retry))
        .route("/v1/jobs/{job}/skip", post(stuck::skip))
        .route("/v1/jobs/{job}/abandon", post(stuck::abandon))
        .route("/v1/jobs/{job}/answer", post(api::answer))
        .route("/v1/find", get(api::find))
        .route("/v1/plan", post(api::plan))
        .route("/v1/steps", post(api::run_step))
        .route("/v1/demo/{job}/go", post(api::demo_go))
        .route("/v1/locks", get(api::locks))
        .route("/v1/leftovers", get(api::leftovers))
        .route("/v1/audit", get(api::audit))
        .route("/v1/guests", get(api::guests))
        .route("/v1/guests/adopt", post(api::adopt))
        .route("/v1/clock", get(clock::clock))
        .route("/v1/clock/accept", post(clock::accept))
        .route("/v1/hosts", get(hosts::hosts))
        .route("/v1/hosts/{host}", get(hosts::host))
        .route("/v1/hosts/{host}/maintenance", post(hosts::maintain))
        .route("/v1/hosts/{host}/forget", post(hosts::forget))
        .route("/v1/schedules", get(schedules::list).post(schedules::add))
        .route("/v1/schedules/{schedule}", get(schedules::show))
        .route("/v1/schedules/{schedule}/remove", post(schedules::remove))
        .route("/v1/schedules/{schedule}/enable", post(schedules::enable))
        .route("/v1/schedules/{schedule}/disable", post(schedules::disable))
        .route("/v1/schedules/{schedule}/run", post(schedules::run))
        .route("/v1/generations", get(generations::list))
        .route(
            "/v1/generations/{guest}/{generation}/verify",
            get(generations::verify),
        )
        .route("/v1/templates", get(templates::list))
        .route("/v1/templates/{template}", get(templates::show))
        .route("/v1/scan", get(api::scan_all))
        .route("/v1/scan/accept", post(api::accept_scan))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .with_state(house)
}

async fn no_such_path() -> Refused {
    Refused::absent(
        Complaint::new("VSJ0517", Exit::Refused, "there is nothing at this path")
            .hint("/openapi.json lists all paths"),
    )
}

async fn no_such_method() -> Refused {
    Refused::not_done_there(
        Complaint::new("VSJ0522", Exit::Refused, "that cannot be done with this path")
            .hint("/openapi.json lists the methods of each path"),
    )
}
