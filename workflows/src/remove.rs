//! `remove`: a guest ends. It is disabled and stopped, one last generation of it is made as `backup` makes them, and its
//! definition and its root get the name `GUEST.removed-JOB`, under which nothing starts them. From then on it lives
//! nowhere; a purge deletes it after the grace, and until then `undelete` takes it back. Whatever fails before, it is as
//! it was; a last generation that was sealed by then stays, as good as any other. OPERATIONS.md, 'Plans'.

use vsjob_engine::HostName;
use vsjob_engine::UndoKind::Gating;

use crate::actions::check_present::CheckPresent;
use crate::actions::check_stopped::CheckStopped;
use crate::actions::choose_names::ChooseNames;
use crate::actions::disable_guest::DisableGuest;
use crate::actions::fence_guest::FenceGuest;
use crate::actions::hand_over::HandOver;
use crate::actions::read_facts::{Facts, ReadFacts};
use crate::actions::stop_guest::StopGuest;
use crate::actions::unplace_guest::UnplaceGuest;
use crate::backup::{Begun, Consolidation, Standing};
use crate::{
    Given, GuestName, Held, Line, Operation, Parameter, Planned, Planner, Reading, Refusal, Site,
    SnapshotMode, Span, YesNo,
};

pub(crate) const OPERATION: Operation = Operation {
    name: "remove",
    summary: "take a guest away; until the grace is over it can be taken back",
    parameters: &[
        Parameter::GUEST,
        Parameter::optional("host", "HOST", "refuse unless it is there now"),
        Parameter::switch("stop", "stop it if it runs; else one that runs is refused"),
        Parameter::switch("no-keep", "make no last generation of it on the master"),
        Parameter::optional("grace", "TIME", "when what is left of it is deleted (7d)"),
    ],
    all: None,
    plan: |reading, site| plan(&Remove::read(reading, site)?, site),
};

struct Remove {
    guest: GuestName,
    host: HostName,
    stop: bool,
    keep: bool,
    grace: Span,
}

impl Remove {
    fn read(request: &Reading<'_>, site: &Site) -> Result<Self, Refusal> {
        let guest: GuestName = request.required("name")?;
        let host = site.place_of(&guest)?.clone();
        if let Some(said) = request.optional::<HostName>("host")?.filter(|said| *said != host) {
            return Err(Refusal::NotThere { guest, host, said });
        }
        Ok(Self {
            stop: request.switch("stop")?,
            keep: !request.switch("no-keep")?,
            grace: request.optional("grace")?.unwrap_or(Span::GRACE),
            guest,
            host,
        })
    }
}

/// From here on the guest does not run, nor start with its host. Unless it may be stopped, it is known not to run.
pub(crate) fn stand_still(p: &mut Planner, host: &HostName, guest: &GuestName, was: Facts, stop: bool) {
    let running: Given<YesNo> = match stop {
        true => was.running.into(),
        false => YesNo::No.into(),
    };
    p.on(
        host,
        DisableGuest {
            guest: guest.clone(),
            enabled: was.enabled.into(),
            running: running.clone(),
        },
    )
    .undo(Gating);
    if stop {
        let guest = guest.clone();
        p.on(host, StopGuest { guest, running }).undo(Gating);
    }
}

fn plan(request: &Remove, site: &Site) -> Result<Planned, Refusal> {
    let Remove { guest, host, .. } = request;
    site.known(host)?;
    let last = match request.keep {
        false => None,
        true => Some(Consolidation::of(guest, host, SnapshotMode::Cold, site)?),
    };
    let mut p = Planner::default();

    let was = p.on(host, ReadFacts { guest: guest.clone() }).answers();
    if !request.stop {
        p.on(host, CheckStopped { guest: guest.clone() });
    }
    let names = p.here(ChooseNames { guest: guest.clone() }).answers();
    let kept = match last {
        None => {
            p.on(host, CheckPresent { guest: guest.clone() });
            None
        }
        Some(last) => {
            let bytes = last.check(&mut p);
            let begun = Begun {
                names,
                generation: last.begin(&mut p, was, bytes, &[])?,
                bytes,
                running: was.running,
            };
            Some((last, begun))
        }
    };
    stand_still(&mut p, host, guest, was, request.stop);
    let kept = kept.map(|(last, begun)| {
        let (read, _) = last.make(&mut p, begun, Standing::Stands);
        (last, read)
    });
    p.on(
        host,
        FenceGuest {
            guest: guest.clone(),
            moved: names.removed,
        },
    )
    .undo(Gating)
    .creates("volume", format!("{guest}.removed-{{job}}"));
    p.here(UnplaceGuest { guest: guest.clone() })
        .pivot()
        .unplaces(guest);
    if let Some((last, read)) = kept {
        last.clean(&mut p, names, read);
    }
    p.here(HandOver {
        guest: guest.clone(),
        host: Line::of(host).map_err(|why| Refusal::bad("host", &why))?,
        moved: names.removed,
        grace: request.grace,
    });

    Ok(Planned {
        plan: p.finish(),
        locks: vec![
            Held::Guest(guest.clone()).alone(),
            Held::Host(host.clone()).shared(),
        ],
        title: format!("remove {guest} from {host}"),
        not_before: None,
    })
}
