//! The description of the API.

use axum::Json;
use utoipa::openapi::{ContentBuilder, Ref, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use super::{api, clock, generations, hosts, schedules, stuck, templates};
use crate::message::{Trouble, TroubleBody};

/// How the API says no, by status.
const REFUSALS: [(&str, &str); 7] = [
    ("400", "Malformed"),
    ("403", "Not allowed"),
    ("404", "No such thing"),
    ("409", "Cannot be done as things stand"),
    ("500", "A fault in vsjob itself"),
    ("503", "Not now: the master stops"),
    ("507", "No room in the store"),
];

#[derive(OpenApi)]
#[openapi(
    info(
        title = "vsjob",
        description = "The master's API on its Unix socket. A refusal is `{\"error\": {code, message, causes, hint}}`; nothing \
                       has changed then. An answer of 200 to a POST means: durable."
    ),
    components(schemas(Trouble, TroubleBody)),
    modifiers(&Refusing),
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
        stuck::retry,
        stuck::skip,
        stuck::abandon,
        api::answer,
        api::demo_go,
        api::locks,
        api::leftovers,
        api::audit,
        api::guests,
        api::adopt,
        clock::clock,
        clock::accept,
        hosts::hosts,
        hosts::host,
        hosts::maintain,
        hosts::forget,
        schedules::list,
        schedules::add,
        schedules::show,
        schedules::remove,
        schedules::enable,
        schedules::disable,
        schedules::run,
        generations::list,
        generations::verify,
        templates::list,
        templates::show,
        api::scan_all,
        api::accept_scan
    )
)]
struct Description;

/// Adds to each operation how it is refused.
struct Refusing;

impl Modify for Refusing {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let paths = document.paths.paths.values_mut();
        let operations = paths.flat_map(|path| [path.get.as_mut(), path.post.as_mut()]);
        for operation in operations.flatten() {
            for (status, description) in REFUSALS {
                let body = ContentBuilder::new()
                    .schema(Some(Ref::from_schema_name("Trouble")))
                    .build();
                let refusal = ResponseBuilder::new()
                    .description(description)
                    .content("application/json", body)
                    .build();
                operation
                    .responses
                    .responses
                    .insert(status.to_owned(), refusal.into());
            }
        }
    }
}

/// The document.
pub(crate) async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(Description::openapi())
}
