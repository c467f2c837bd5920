//! `generation-prune`: deletes the generations of a guest that a rule does not keep.

use crate::actions::prune_generations::PruneGenerations;
use crate::generation::Keep;
use crate::{GuestName, Held, Line, Operation, Parameter, Planned, Planner, Refusal, Site};

pub(crate) const OPERATION: Operation = Operation {
    name: "generation-prune",
    summary: "delete the generations of a guest that a rule does not keep",
    parameters: &[
        Parameter::GUEST,
        Parameter::required(
            "keep",
            "RULE",
            "such as 7d4w6m: the newest of 7 days, 4 weeks, 6 months",
        ),
    ],
    all: None,
    plan: |reading, site| plan(&reading.required("name")?, &reading.required("keep")?, site),
};

fn plan(guest: &GuestName, keep: &Keep, site: &Site) -> Result<Planned, Refusal> {
    let mut p = Planner::default();
    p.here(PruneGenerations {
        folder: Line::of(&site.generations.folder.display()).map_err(|why| Refusal::bad("name", &why))?,
        tree: site.generations.kind,
        guest: guest.clone(),
        keep: Line::of(keep).map_err(|why| Refusal::bad("keep", &why))?,
    })
    .pivot();

    Ok(Planned {
        plan: p.finish(),
        locks: vec![Held::Guest(guest.clone()).alone()],
        title: format!("prune the generations of {guest} to {keep}"),
        not_before: None,
    })
}
