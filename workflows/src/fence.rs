//! `fence`: a copy of a guest is stopped on a host where it does not live, and put aside under a name that nothing starts. It is
//! what a host is met with that was given up and comes back: nothing else works there before. A job that waits for its host
//! holds that host, and not the guest, which goes on elsewhere meanwhile.

use vsjob_engine::HostName;

use crate::actions::await_host::AwaitHost;
use crate::actions::choose_names::ChooseNames;
use crate::actions::disable_guest::DisableGuest;
use crate::actions::fence_guest::FenceGuest;
use crate::actions::hand_over::HandOver;
use crate::actions::returned::CheckElsewhere;
use crate::actions::stop_guest::StopGuest;
use crate::{
    GuestName, Held, Line, Operation, Parameter, Planned, Planner, Reading, Refusal, Site, Span, YesNo,
};

pub(crate) const OPERATION: Operation = Operation {
    name: "fence",
    summary: "stop and put aside a copy of a guest on a host where it does not live",
    parameters: &[
        Parameter::GUEST,
        Parameter::required("host", "HOST", "where the copy is"),
        Parameter::optional("grace", "TIME", "when it is deleted (7d)"),
    ],
    all: None,
    plan,
};

/// Nothing is taken back: what was begun to be stopped must not start again.
fn plan(request: &Reading<'_>, site: &Site) -> Result<Planned, Refusal> {
    let (guest, host): (GuestName, HostName) = (request.required("name")?, request.required("host")?);
    let grace = request.optional("grace")?.unwrap_or(Span::GRACE);
    site.known(&host)?;
    if site.placement.get(&guest) == Some(&host) {
        return Err(Refusal::AlreadyThere { guest, host });
    }
    let there = Line::of(&host).map_err(|why| Refusal::bad("host", &why))?;
    // What an undo would be told.
    let so = YesNo::No;
    let mut p = Planner::default();

    p.on(&host, AwaitHost {});
    p.here(CheckElsewhere {
        guest: guest.clone(),
        host: there.clone(),
    });
    let names = p.here(ChooseNames { guest: guest.clone() }).answers();
    p.on(
        &host,
        DisableGuest {
            guest: guest.clone(),
            enabled: so.into(),
            running: so.into(),
        },
    )
    .pivot();
    p.on(
        &host,
        StopGuest {
            guest: guest.clone(),
            running: so.into(),
        },
    );
    p.on(
        &host,
        FenceGuest {
            guest: guest.clone(),
            moved: names.replaced,
        },
    )
    .creates("volume", format!("{guest}.replaced-{{job}}"));
    p.here(HandOver {
        guest: guest.clone(),
        host: there,
        moved: names.replaced,
        grace,
    });

    Ok(Planned {
        plan: p.finish(),
        locks: vec![Held::Host(host.clone()).alone()],
        title: format!("fence what {host} has of {guest}"),
        not_before: None,
    })
}
