//! The API's part about generations: what is there, whether it is as it was sealed, and what is kept.

use std::sync::Arc;

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use vsjob_engine::EngineError;
use vsjob_workflows::{GenerationName, GuestName, Keep, Refusal};

use super::answer::Refused;
use super::api::{Answer, Of};
use super::asked::{Path, Query};
use super::house::House;
use crate::message::{
    GenerationDifference, GenerationFacts, GenerationLine, GenerationList, GenerationVerified,
};
use crate::{Complaint, Exit};

/// So many differences are told.
const MOST: usize = 20;

/// Which generations.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
pub(crate) struct OfGuest {
    /// Only this guest's.
    #[serde(default)]
    name: Option<String>,
    /// Only those that this rule does not keep.
    #[serde(default)]
    keep: Option<String>,
}

/// The generations that there are
#[utoipa::path(get, path = "/v1/generations", params(OfGuest), responses((status = 200, body = GenerationList)))]
pub(crate) async fn list(State(house): Of, Query(which): Query<OfGuest>) -> Answer<GenerationList> {
    let guest = which
        .name
        .map(|name| parse::<GuestName>("name", &name))
        .transpose()?;
    let keep = which.keep.map(|rule| parse::<Keep>("keep", &rule)).transpose()?;
    let lines = apart(house, move |house| {
        let generations = &house.configured.generations;
        let guests = guest.map_or_else(|| generations.guests(), |guest| vec![guest]);
        let lines = guests.iter().flat_map(|guest| {
            let doomed = keep.as_ref().map(|keep| generations.doomed(guest, keep));
            let all = generations.list(guest).into_iter();
            all.filter(move |(name, _)| doomed.as_ref().is_none_or(|doomed| doomed.contains(name)))
                .map(|(name, read)| GenerationLine {
                    guest: guest.to_string(),
                    pinned: generations.is_pinned(guest, &name),
                    generation: name.to_string(),
                    trouble: read.as_ref().err().map(ToString::to_string),
                    facts: read.ok().map(facts),
                })
        });
        lines.collect()
    });
    Ok(axum::Json(GenerationList {
        generations: lines.await?,
    }))
}

/// Read every byte of a generation
#[utoipa::path(get, path = "/v1/generations/{guest}/{generation}/verify", params(("guest" = String, Path), ("generation" = String, Path)), responses((status = 200, body = GenerationVerified)))]
pub(crate) async fn verify(
    State(house): Of,
    Path((guest, name)): Path<(String, String)>,
) -> Answer<GenerationVerified> {
    let (guest, name) = known(&house, &guest, &name)?;
    let (of, named) = (guest.clone(), name.clone());
    let read = apart(house, move |house| {
        house.configured.generations.verify(&of, &named, MOST)
    });
    let differences = read.await?.map_err(|why| damaged(&guest, &name, &why))?;
    Ok(axum::Json(GenerationVerified {
        guest: guest.to_string(),
        generation: name.to_string(),
        differences: differences
            .into_iter()
            .map(|one| GenerationDifference {
                name: one.name,
                what: one.what.to_owned(),
            })
            .collect(),
    }))
}

fn facts(read: vsjob_workflows::Generation) -> GenerationFacts {
    GenerationFacts {
        host: read.host,
        mode: read.mode,
        crash_consistent: read.crash_consistent,
        taken: read.taken,
        files: read.files,
        size: read.size,
        received: read.received,
        tree: read.tree,
        base: read.base,
        excludes: read.excludes,
        address: read.facts.address,
        running: read.facts.running == "yes",
        enabled: read.facts.enabled == "yes",
    }
}

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(name: &'static str, text: &str) -> Result<T, Refused> {
    text.parse().map_err(|why| Refusal::bad(name, &why).into())
}

/// A generation that is there.
fn known(house: &House, guest: &str, name: &str) -> Result<(GuestName, GenerationName), Refused> {
    let (guest, name): (GuestName, GenerationName) = (parse("guest", guest)?, parse("generation", name)?);
    let folder = house.configured.generations.of(&guest).join(name.as_str());
    match folder.is_dir() {
        true => Ok((guest, name)),
        false => Err(Refusal::UnknownGeneration { guest, name }.into()),
    }
}

fn damaged(guest: &GuestName, name: &GenerationName, why: &std::io::Error) -> Refused {
    Refused::conflicting(
        Complaint::new(
            "VSJ0498",
            Exit::Store,
            format!("generation {name} of {guest} cannot be read"),
        )
        .because(why)
        .hint("`vsjob explain VSJ0498` says what to do about it"),
    )
}

/// Does what waits for the disk, apart from what must not wait.
async fn apart<T: Send + 'static>(
    house: Arc<House>,
    act: impl FnOnce(&House) -> T + Send + 'static,
) -> Result<T, Refused> {
    let done = tokio::task::spawn_blocking(move || act(&house)).await;
    done.map_err(|_| EngineError::Closed.into())
}
