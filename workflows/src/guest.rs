//! `guest start|stop|enable|disable`: small operations on a guest where it lives. Each begins by looking whether it is
//! still there, for it may have waited for a move, and ends by looking how it is, for
//! the answer `<host>:<guest>:<enabled|disabled>:<running|stopped>` of VS-Tools.

use vsjob_engine::HostName;

use crate::actions::check_present::CheckPresent;
use crate::actions::disable_guest::DisableGuest;
use crate::actions::enable_guest::EnableGuest;
use crate::actions::read_facts::ReadFacts;
use crate::actions::start_guest::StartGuest;
use crate::actions::stop_guest::StopGuest;
use crate::actions::tell_state::TellState;
use crate::batch::Many;
use crate::{GuestName, Held, Operation, Parameter, Planned, Planner, Reading, Refusal, Site, YesNo};

const PARAMETERS: &[Parameter] = &[
    Parameter::GUEST_OR_ALL,
    Parameter::ALL,
    Parameter::optional("host", "HOST", "with --all: those that are there"),
];

pub(crate) const START: Operation = operation("guest-start", "start a guest", |r, s| {
    plan(r, s, "start", |p, host, guest| {
        p.on(host, StartGuest { guest: guest.clone() }).pivot();
    })
});

pub(crate) const STOP: Operation = operation("guest-stop", "stop a guest", |r, s| {
    plan(r, s, "stop", |p, host, guest| {
        p.on(
            host,
            StopGuest {
                guest: guest.clone(),
                running: YesNo::Yes.into(),
            },
        )
        .pivot();
    })
});

pub(crate) const ENABLE: Operation = operation("guest-enable", "let a guest start with its host", |r, s| {
    plan(r, s, "enable", |p, host, guest| {
        let facts = p.on(host, ReadFacts { guest: guest.clone() }).answers();
        p.on(
            host,
            EnableGuest {
                guest: guest.clone(),
                enabled: YesNo::Yes.into(),
                running: YesNo::No.into(),
                address: facts.address.into(),
                device: facts.device.into(),
            },
        )
        .pivot();
    })
});

pub(crate) const DISABLE: Operation =
    operation("guest-disable", "let a guest not start with its host", |r, s| {
        plan(r, s, "disable", |p, host, guest| {
            let call = DisableGuest {
                guest: guest.clone(),
                enabled: YesNo::Yes.into(),
                running: YesNo::No.into(),
            };
            p.on(host, call).pivot();
        })
    });

const fn operation(
    name: &'static str,
    summary: &'static str,
    plan: fn(&Reading<'_>, &Site) -> Result<Planned, Refusal>,
) -> Operation {
    Operation {
        name,
        summary,
        parameters: PARAMETERS,
        all: Some(Many::placed("host")),
        plan,
    }
}

fn plan(
    request: &Reading<'_>,
    site: &Site,
    verb: &str,
    change: fn(&mut Planner, &HostName, &GuestName),
) -> Result<Planned, Refusal> {
    let guest: GuestName = request.required("name")?;
    if request.optional::<HostName>("host")?.is_some() {
        return Err(Refusal::bad(
            "host",
            &"it goes with --all; the guest's own host is known",
        ));
    }
    let host = site.place_of(&guest)?.clone();
    site.known(&host)?;

    let mut p = Planner::default();
    p.on(&host, CheckPresent { guest: guest.clone() });
    change(&mut p, &host, &guest);
    p.on(&host, TellState { guest: guest.clone() });

    Ok(Planned {
        plan: p.finish(),
        title: format!("{verb} {guest} on {host}"),
        locks: vec![Held::Guest(guest).alone(), Held::Host(host).shared()],
        not_before: None,
    })
}
