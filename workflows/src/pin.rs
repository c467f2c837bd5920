//! `generation-pin` and `generation-unpin`: a generation is kept whatever a rule says, or no longer.

use crate::actions::pin_generation::PinGeneration;
use crate::{
    GenerationName, GuestName, Held, Line, Operation, Parameter, Planned, Planner, Refusal, Site, YesNo,
};

const PARAMETERS: &[Parameter] = &[
    Parameter::GUEST,
    Parameter::required("generation", "GENERATION", "as `generation list` shows it"),
];

pub(crate) const PIN: Operation = Operation {
    name: "generation-pin",
    summary: "keep a generation whatever a rule says",
    parameters: PARAMETERS,
    all: None,
    plan: |reading, site| {
        plan(
            reading.required("name")?,
            &reading.required("generation")?,
            YesNo::Yes,
            site,
        )
    },
};

pub(crate) const UNPIN: Operation = Operation {
    name: "generation-unpin",
    summary: "keep a generation no longer than a rule says",
    parameters: PARAMETERS,
    all: None,
    plan: |reading, site| {
        plan(
            reading.required("name")?,
            &reading.required("generation")?,
            YesNo::No,
            site,
        )
    },
};

fn plan(guest: GuestName, name: &GenerationName, on: YesNo, site: &Site) -> Result<Planned, Refusal> {
    site.has_generation(&guest, name)?;
    let mut p = Planner::default();
    p.here(PinGeneration {
        folder: Line::of(&site.generations.folder.display()).map_err(|why| Refusal::bad("name", &why))?,
        tree: site.generations.kind,
        guest: guest.clone(),
        name: name.clone(),
        on,
    })
    .pivot();

    let verb = match on {
        YesNo::Yes => "pin",
        YesNo::No => "unpin",
    };
    Ok(Planned {
        plan: p.finish(),
        title: format!("{verb} generation {name} of {guest}"),
        locks: vec![Held::Guest(guest).alone()],
        not_before: None,
    })
}
