//! `rename`: a guest gets another name on its host: its root, its definition, the host name in its tree, and its place.
//! A guest that runs is stopped for it, if that was said, started again under the new name in quarantine, and admitted
//! last: what it stands still for is its own stop and start. Generations stay under the name that it had when they were
//! made. OPERATIONS.md; docs/decisions.

use vsjob_engine::HostName;
use vsjob_engine::UndoKind::Gating;

use crate::actions::change_hostname::ChangeHostname;
use crate::actions::check_rename::CheckRename;
use crate::actions::check_stopped::CheckStopped;
use crate::actions::choose_names::ChooseNames;
use crate::actions::drop_received::DropReceived;
use crate::actions::enable_guest::EnableGuest;
use crate::actions::read_facts::ReadFacts;
use crate::actions::rename_guest::RenameGuest;
use crate::admission::Admission;
use crate::remove::stand_still;
use crate::{GuestName, Held, Line, Operation, Parameter, Planned, Planner, Reading, Refusal, Site};

pub(crate) const OPERATION: Operation = Operation {
    name: "rename",
    summary: "give a guest another name",
    parameters: &[
        Parameter::GUEST,
        Parameter::required("to", "GUEST", "its new name"),
        Parameter::switch(
            "stop",
            "stop it for that if it runs; else one that runs is refused",
        ),
    ],
    all: None,
    plan: |reading, site| plan(&Rename::read(reading, site)?),
};

struct Rename {
    guest: GuestName,
    to: GuestName,
    host: HostName,
    stop: bool,
}

impl Rename {
    fn read(request: &Reading<'_>, site: &Site) -> Result<Self, Refusal> {
        let (guest, to): (GuestName, GuestName) = (request.required("name")?, request.required("to")?);
        let host = site.place_of(&guest)?.clone();
        if let Some(host) = site.placement.get(&to) {
            return Err(Refusal::GuestExists {
                guest: to,
                host: host.clone(),
            });
        }
        site.known(&host)?;
        Ok(Self {
            stop: request.switch("stop")?,
            guest,
            to,
            host,
        })
    }
}

fn plan(request: &Rename) -> Result<Planned, Refusal> {
    let Rename { guest, to, host, .. } = request;
    let mut p = Planner::default();

    let was = p.on(host, ReadFacts { guest: guest.clone() }).answers();
    let (running, address) = (was.running, was.address);
    if !request.stop {
        p.on(host, CheckStopped { guest: guest.clone() });
    }
    p.on(
        host,
        CheckRename {
            guest: guest.clone(),
            to: to.clone(),
        },
    );
    let names = p.here(ChooseNames { guest: guest.clone() }).answers();
    stand_still(&mut p, host, guest, was, request.stop);
    let kept = p
        .on(
            host,
            ChangeHostname {
                guest: guest.clone(),
                job: names.job,
                to: to.clone(),
            },
        )
        .undo(Gating)
        .creates("folder", "{job}")
        .no();
    p.on(
        host,
        RenameGuest {
            from: Line::of(guest).map_err(|why| Refusal::bad("name", &why))?,
            to: to.clone(),
        },
    )
    .undo(Gating);
    Admission {
        guest: to,
        host,
        running: running.into(),
        address: address.into(),
        health: &Line::default(),
        job: names.job,
    }
    .plan(&mut p)
    .unplaces(guest)
    .places(to, host);
    p.on(
        host,
        EnableGuest {
            guest: to.clone(),
            enabled: was.enabled.into(),
            running: running.into(),
            address: address.into(),
            device: was.device.into(),
        },
    );
    p.on(host, DropReceived { job: names.job }).strikes(&[kept]);

    Ok(Planned {
        plan: p.finish(),
        locks: vec![
            Held::Guest(guest.clone()).alone(),
            Held::Guest(to.clone()).alone(),
            Held::Host(host.clone()).shared(),
        ],
        title: format!("rename {guest} to {to} on {host}"),
        not_before: None,
    })
}
