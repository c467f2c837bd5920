//! `undelete`: a guest that was removed comes back, for as long as nothing has begun to delete it: its root, its
//! definition and its place, enabled and running as it was before. It is started in quarantine first, and admitted last.
//! Its purge, which waits, is taken back in the end; one that has just begun waits for this job, and then finds nothing.
//! OPERATIONS.md, 'Plans'.

use std::net::IpAddr;

use vsjob_engine::UndoKind::Gating;

use crate::actions::check_removed::CheckRemoved;
use crate::actions::choose_names::ChooseNames;
use crate::actions::drop_received::DropReceived;
use crate::actions::enable_guest::EnableGuest;
use crate::actions::hand_over::WithdrawPurge;
use crate::actions::rename_guest::RenameGuest;
use crate::admission::Admission;
use crate::removed::Removed;
use crate::{GuestName, Held, Line, Operation, Parameter, Planned, Planner, Reading, Refusal, Site};

pub(crate) const OPERATION: Operation = Operation {
    name: "undelete",
    summary: "take a removed guest back, until its grace is over",
    parameters: &[
        Parameter::GUEST,
        Parameter::optional("job", "JOB", "which remove of it, if there were several"),
    ],
    all: None,
    plan: |reading, site| plan(resolve(reading, site)?, site),
};

/// What comes back.
fn resolve<'a>(request: &Reading<'_>, site: &'a Site) -> Result<&'a Removed, Refusal> {
    let guest: GuestName = request.required("name")?;
    if let Some(host) = site.placement.get(&guest) {
        return Err(Refusal::GuestExists {
            guest,
            host: host.clone(),
        });
    }
    let said: Option<String> = request.optional("job")?;
    let known: Vec<&Removed> = site.removed.iter().filter(|one| *one.guest() == guest).collect();
    let is_meant = |one: &&&Removed| {
        let is = |said: &String| *said == one.job.short() || *said == one.job.to_string();
        said.as_ref().is_none_or(is)
    };
    let mut meant = known.iter().filter(is_meant);
    match (meant.next(), meant.next()) {
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => Err(Refusal::RemovedTwice {
            jobs: known.iter().map(|one| one.job.short()).collect(),
            guest,
        }),
        (None, _) => Err(Refusal::NothingRemoved(guest)),
    }
}

fn plan(removed: &Removed, site: &Site) -> Result<Planned, Refusal> {
    let (guest, host, moved) = (removed.guest(), &removed.host, &removed.name);
    site.known(host)?;
    let mut p = Planner::default();

    p.on(
        host,
        CheckRemoved {
            moved: moved.clone(),
            guest: guest.clone(),
            address: removed.fact("address"),
            device: removed.fact("device"),
        },
    );
    let names = p.here(ChooseNames { guest: guest.clone() }).answers();
    p.on(
        host,
        RenameGuest {
            from: Line::of(moved).map_err(|why| Refusal::bad("name", &why))?,
            to: guest.clone(),
        },
    )
    .undo(Gating);
    let admitted = Admission {
        guest,
        host,
        running: removed.fact("running"),
        address: removed.fact("address"),
        health: &Line::default(),
        job: names.job,
    }
    .plan(&mut p)
    .places(guest, host)
    .creates("folder", "{job}")
    .no();
    p.on(
        host,
        EnableGuest {
            guest: guest.clone(),
            enabled: removed.fact("enabled"),
            running: removed.fact("running"),
            address: removed.fact("address"),
            device: removed.fact("device"),
        },
    );
    p.on(host, DropReceived { job: names.job }).strikes(&[admitted]);
    p.here(WithdrawPurge {
        moved: moved.clone(),
        purge: Line::of(&removed.purge).map_err(|why| Refusal::bad("job", &why))?,
    });

    let mut locks = vec![
        Held::Guest(guest.clone()).alone(),
        Held::Host(host.clone()).shared(),
    ];
    let address = removed
        .facts
        .get("address")
        .and_then(|text| text.split('/').next());
    let address: Option<IpAddr> = address.and_then(|text| text.parse().ok());
    locks.extend(address.map(|address| Held::Address(address).alone()));
    Ok(Planned {
        plan: p.finish(),
        locks,
        title: format!("take {guest} back on {host}"),
        not_before: None,
    })
}
