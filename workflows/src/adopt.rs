//! `adopt`: a guest that exists already is taken into placement. Nothing is changed on its host.

use vsjob_engine::HostName;

use crate::actions::adopt_guest::AdoptGuest;
use crate::{GuestName, Held, Operation, Parameter, Planned, Planner, Reading, Refusal, Site};

pub(crate) const OPERATION: Operation = Operation {
    name: "adopt",
    summary: "take a guest that exists already into placement",
    parameters: &[
        Parameter::GUEST,
        Parameter::required("host", "HOST", "where it is"),
    ],
    all: None,
    plan,
};

fn plan(request: &Reading<'_>, site: &Site) -> Result<Planned, Refusal> {
    let guest: GuestName = request.required("name")?;
    let host: HostName = request.required("host")?;
    site.known(&host)?;
    if let Some(known) = site.placement.get(&guest) {
        return Err(Refusal::GuestExists {
            guest,
            host: known.clone(),
        });
    }

    let mut p = Planner::default();
    p.on(&host, AdoptGuest { guest: guest.clone() })
        .places(&guest, &host);

    Ok(Planned {
        plan: p.finish(),
        title: format!("adopt {guest} on {host}"),
        locks: vec![Held::Guest(guest).alone(), Held::Host(host).shared()],
        not_before: None,
    })
}
