//! `purge`: what a move or a restore left behind is deleted, but only after the copy that placement names has been seen, whole
//! and startable; and what a remove left behind, which has no other copy. Nothing is deleted under a name that a guest can
//! have. `purge-later` is what they submit, due after their grace: it holds nothing, and submits the purge, which
//! is planned by what placement says then. The guest may be on its way elsewhere in that very moment, or not be whole: a purge
//! that is taken back leaves another `purge-later`, so what waits to be deleted always has an owner. So does one whose guest
//! lives nowhere by then: what it left may be all that there is of it. OPERATIONS.md, 'Plans'.

use vsjob_engine::HostName;
use vsjob_engine::UndoKind::Cleaning;

use crate::actions::check_copy::CheckCopy;
use crate::actions::hand_over::{BeginPurge, KeepForLater};
use crate::actions::purge_moved::PurgeMoved;
use crate::{
    GuestName, Held, Leftover, Line, Operation, Parameter, Planned, Planner, Reading, Refusal, Site,
};

const HOST: Parameter = Parameter::required("host", "HOST", "where it was");
const MOVED: Parameter = Parameter::required(
    "moved",
    "NAME",
    "what it left there, such as ldap.moved-1f2e3d4c or ldap.removed-1f2e3d4c",
);

pub(crate) const OPERATION: Operation = Operation {
    name: "purge",
    summary: "delete what a move or a restore left behind, after its guest was seen whole where it lives, or a remove",
    parameters: &[
        Parameter::GUEST,
        HOST,
        MOVED,
        Parameter::switch(
            "gone",
            "although its guest lives nowhere any more: no copy is looked for",
        ),
    ],
    all: None,
    plan: |reading, site| plan(&Purge::read(reading, site)?, site),
};

pub(crate) const LATER: Operation = Operation {
    name: "purge-later",
    summary: "purge what a job left behind, when the grace is over",
    parameters: &[Parameter::GUEST, HOST, MOVED],
    all: None,
    plan: |reading, site| plan_later(&Purge::read(reading, site)?),
};

struct Purge {
    guest: GuestName,
    host: HostName,
    moved: Leftover,
    gone: bool,
}

impl Purge {
    fn read(request: &Reading<'_>, site: &Site) -> Result<Self, Refusal> {
        let host = request.required("host")?;
        site.known(&host)?;
        let (guest, moved): (GuestName, Leftover) = (request.required("name")?, request.required("moved")?);
        // What is locked, and looked at first, is the guest.
        if *moved.guest() != guest {
            return Err(Refusal::bad("moved", &format!("it is not of {guest}")));
        }
        let gone = request.switch("gone")?;
        Ok(Self {
            guest,
            host,
            moved,
            gone,
        })
    }
}

fn plan(request: &Purge, site: &Site) -> Result<Planned, Refusal> {
    let Purge {
        guest, host, moved, ..
    } = request;
    // Who has the name of a removed guest now is another one, and of no concern.
    let is_alone = moved.is_removed() || request.gone && !site.placement.contains_key(guest);
    let copy = match is_alone {
        true => None,
        false => Some(site.place_of(guest)?),
    };
    if let Some(place) = copy {
        site.known(place)?;
    }

    let mut p = Planner::default();
    p.here(KeepForLater {
        guest: guest.clone(),
        host: Line::of(host).map_err(|why| Refusal::bad("host", &why))?,
        moved: moved.clone(),
    })
    .undo(Cleaning);
    if let Some(place) = copy {
        p.on(place, CheckCopy { guest: guest.clone() });
    }
    p.on(host, PurgeMoved { moved: moved.clone() }).pivot();

    Ok(Planned {
        plan: p.finish(),
        locks: vec![
            Held::Guest(guest.clone()).alone(),
            Held::Host(host.clone()).shared(),
        ],
        title: format!("delete {moved} on {host}"),
        not_before: None,
    })
}

fn plan_later(request: &Purge) -> Result<Planned, Refusal> {
    let Purge {
        guest, host, moved, ..
    } = request;

    let mut p = Planner::default();
    p.here(BeginPurge {
        guest: guest.clone(),
        host: Line::of(host).map_err(|why| Refusal::bad("host", &why))?,
        moved: moved.clone(),
    });

    Ok(Planned {
        plan: p.finish(),
        locks: vec![],
        title: format!("delete {moved} on {host}, when the grace is over"),
        not_before: None,
    })
}
