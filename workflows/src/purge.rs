//! `purge`: what a move left behind is deleted, but only after the copy that placement names has been seen, whole and
//! startable. Submitted by a move, due after its grace. OPERATIONS.md, 'Plans'.

use vsjob_engine::HostName;

use crate::actions::check_copy::CheckCopy;
use crate::actions::purge_moved::PurgeMoved;
use crate::{GuestName, Held, MovedName, Operation, Parameter, Planned, Planner, Reading, Refusal, Site};

pub(crate) const OPERATION: Operation = Operation {
    name: "purge",
    summary: "delete what a move left behind, after its guest was seen whole where it lives",
    parameters: &[
        Parameter {
            name: "name",
            value: "GUEST",
            required: true,
            help: "the guest",
        },
        Parameter {
            name: "host",
            value: "HOST",
            required: true,
            help: "where it was",
        },
        Parameter {
            name: "moved",
            value: "NAME",
            required: true,
            help: "what it left there, such as ldap.moved-1f2e3d4c",
        },
    ],
    plan,
};

fn plan(request: &Reading<'_>, site: &Site) -> Result<Planned, Refusal> {
    let guest: GuestName = request.required("name")?;
    let host: HostName = request.required("host")?;
    let moved: MovedName = request.required("moved")?;
    site.host(&host)?;
    let place = site.place_of(&guest)?;
    site.host(place)?;

    let mut p = Planner::default();
    p.on(place, CheckCopy { guest: guest.clone() });
    p.on(&host, PurgeMoved { moved: moved.clone() }).pivot();

    Ok(Planned {
        plan: p.finish(),
        locks: vec![Held::Guest(guest).alone(), Held::Host(host.clone()).shared()],
        title: format!("delete {moved} on {host}"),
    })
}
