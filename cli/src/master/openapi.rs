//! The description of the API.

use axum::Json;
use utoipa::OpenApi;

use super::api;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "vsjob",
        description = "The master's API on its Unix socket. A refusal is `{\"error\": {code, message, causes, hint}}` with a \
                       status of 400 (malformed), 403 (not allowed), 404 (no such thing), 409 (cannot be done as things \
                       stand), 503 or 507 (not now); nothing has changed then. An answer of 200 to a POST means: durable."
    ),
    paths(
        api::jobs,
        api::job,
        api::history,
        api::find,
        api::submit,
        api::plan,
        api::run_step,
        api::cancel,
        api::pause,
        api::resume,
        api::answer,
        api::demo_go,
        api::locks,
        api::leftovers,
        api::audit,
        api::guests,
        api::adopt,
        api::hosts,
        api::templates,
        api::scan_all
    )
)]
struct Description;

/// The document.
pub(crate) async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(Description::openapi())
}
