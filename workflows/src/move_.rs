//! `move`: a guest moves to another host, nearly live. While it runs it is copied again and again; it stands still only
//! for the last pass. OPERATIONS.md, 'Plans'.

use std::time::Duration;

use vsjob_engine::UndoKind::{Cleaning, Gating};
use vsjob_engine::{HostName, Retry, StepNo};
use vsjob_workers::Capability;

use crate::actions::allow_key::AllowKey;
use crate::actions::ask_budget::AskBudget;
use crate::actions::check_reachable::CheckReachable;
use crate::actions::check_source::CheckSource;
use crate::actions::check_target::CheckTarget;
use crate::actions::choose_names::{ChooseNames, Names};
use crate::actions::count_copy::CountCopy;
use crate::actions::disable_guest::DisableGuest;
use crate::actions::drop_received::DropReceived;
use crate::actions::drop_sent::DropSent;
use crate::actions::enable_guest::EnableGuest;
use crate::actions::fence_guest::FenceGuest;
use crate::actions::hand_over::HandOver;
use crate::actions::limit_volume::LimitVolume;
use crate::actions::make_key::MakeKey;
use crate::actions::make_volume::MakeVolume;
use crate::actions::put_definition::PutDefinition;
use crate::actions::read_facts::ReadFacts;
use crate::actions::rename_volume::RenameVolume;
use crate::actions::send_last::{LastSent, SendLast};
use crate::actions::send_passes::{PassesSent, SendPasses};
use crate::actions::stop_guest::StopGuest;
use crate::actions::verify_copy::VerifyCopy;
use crate::admission::Admission;
use crate::batch::Many;
use crate::{
    GuestName, Held, Line, OnBudget, Operation, Parameter, Planned, Planner, Reading, Ref, Refusal, Site,
    SiteHost, Span, YesNo,
};

pub(crate) const OPERATION: Operation = Operation {
    name: "move",
    summary: "move a guest to another host, nearly live",
    parameters: &[
        Parameter::GUEST_OR_ALL,
        Parameter::ALL,
        Parameter::required("dst", "HOST", "where it goes"),
        Parameter::optional(
            "src",
            "HOST",
            "refuse unless it is there now; with --all: those that are",
        ),
        Parameter::optional("max-downtime", "TIME", "how long it may stand still (5s)"),
        Parameter::optional(
            "on-budget",
            "fail|proceed|ask",
            "what to do when it would stand still for longer (fail; ask, with --wait on a terminal)",
        ),
        Parameter::optional(
            "health",
            "COMMAND",
            "a command that must succeed in the guest before it is admitted",
        ),
        Parameter::optional("grace", "TIME", "when what it leaves behind is deleted (7d)"),
        Parameter::ANY_HOUR,
    ],
    all: Some(Many::placed("src")),
    plan: |reading, site| plan(&Move::read(reading)?, site),
};

/// The guest still runs: a host that is booted anew meanwhile, however slowly, is worth waiting for.
const PATIENT: Retry = Retry {
    attempts: 40,
    first_wait: Duration::from_secs(1),
    longest_wait: Duration::from_secs(30),
};

struct Move {
    guest: GuestName,
    to: HostName,
    from: Option<HostName>,
    max_downtime: Span,
    on_budget: OnBudget,
    health: Line,
    grace: Span,
}

impl Move {
    fn read(request: &Reading<'_>) -> Result<Self, Refusal> {
        Ok(Self {
            guest: request.required("name")?,
            to: request.required("dst")?,
            from: request.optional("src")?,
            max_downtime: request
                .optional("max-downtime")?
                .unwrap_or(Span(Duration::from_secs(5))),
            on_budget: request.optional("on-budget")?.unwrap_or_default(),
            health: request.optional("health")?.unwrap_or_default(),
            grace: request.optional("grace")?.unwrap_or(Span::GRACE),
        })
    }

    /// Where the guest is, if it can move.
    fn resolve(&self, site: &Site) -> Result<HostName, Refusal> {
        let (guest, to) = (&self.guest, &self.to);
        let from = site.place_of(guest)?;
        if let Some(said) = self.from.as_ref().filter(|said| *said != from) {
            return Err(Refusal::NotThere {
                guest: guest.clone(),
                host: from.clone(),
                said: said.clone(),
            });
        }
        let (source, target) = (site.known(from)?, site.host(to)?);
        if from == to {
            return Err(Refusal::AlreadyThere {
                guest: guest.clone(),
                host: to.clone(),
            });
        }
        let of = |host: &SiteHost| (host.drivers.runtime, host.drivers.network);
        if of(source) != of(target) {
            return Err(Refusal::DriversDiffer {
                from: from.clone(),
                to: to.clone(),
            });
        }
        let can = |host: &SiteHost, need| host.drivers.can(need);
        for (able, host, what) in [
            (
                can(source, Capability::Snapshot) || can(source, Capability::Processes),
                from,
                "a snapshot of a volume, or a list of the processes that write to it",
            ),
            (can(target, Capability::Quarantine), to, "a guest in quarantine"),
        ] {
            if !able {
                return Err(Refusal::Unable {
                    host: host.clone(),
                    what,
                });
            }
        }
        Ok(from.clone())
    }
}

/// The copying from host to host, as its steps take it.
struct Transfer<'a> {
    guest: &'a GuestName,
    from: &'a HostName,
    to: &'a HostName,
    target: &'a SiteHost,
    bwlimit: Line,
    compress: YesNo,
    relay: YesNo,
    /// What passes read while it runs stands still.
    still: YesNo,
    names: Names,
    host_key: Ref<String>,
    bytes: Ref<u64>,
}

impl Transfer<'_> {
    /// While the guest runs.
    fn passes(&self, p: &mut Planner, request: &Move, running: Ref<YesNo>) -> (PassesSent, StepNo) {
        let step = p
            .between(
                self.from,
                self.to,
                SendPasses {
                    guest: self.guest.clone(),
                    snapshot: self.names.snapshot,
                    job: self.names.job,
                    address: self.target.address.clone(),
                    port: self.target.port,
                    user: self.target.user.clone(),
                    host_key: self.host_key,
                    bytes: self.bytes,
                    max_downtime: request.max_downtime,
                    on_budget: request.on_budget,
                    bwlimit: self.bwlimit.clone(),
                    compress: self.compress,
                    relay: self.relay,
                    running,
                    still: self.still,
                },
            )
            .undo(Cleaning)
            .retry(PATIENT);
        let (sent, no) = (step.answers(), step.no());
        if self.still == YesNo::Yes {
            step.creates("snapshot", ".vsjob-{job}-1");
        }
        (sent, no)
    }

    /// While it stands still.
    fn last(&self, p: &mut Planner) -> LastSent {
        p.between(
            self.from,
            self.to,
            SendLast {
                guest: self.guest.clone(),
                job: self.names.job,
                address: self.target.address.clone(),
                port: self.target.port,
                user: self.target.user.clone(),
                host_key: self.host_key,
                bytes: self.bytes,
                bwlimit: self.bwlimit.clone(),
                compress: self.compress,
                relay: self.relay,
            },
        )
        .answers()
    }
}

fn plan(request: &Move, site: &Site) -> Result<Planned, Refusal> {
    let from = request.resolve(site)?;
    let Move { guest, to, .. } = request;
    let (source, target) = (site.known(&from)?, site.host(to)?);
    let bwlimit = Line::of(&source.bwlimit).map_err(|why| Refusal::bad("name", &why))?;
    let mut p = Planner::default();

    let checked = p
        .on(
            &from,
            CheckSource {
                guest: guest.clone(),
                leaves: YesNo::Yes,
                // Whether there is room for it elsewhere, no guess tells.
                expected: 0,
            },
        )
        .answers();
    let was = p.on(&from, ReadFacts { guest: guest.clone() }).answers();
    p.on(
        to,
        CheckTarget {
            guest: guest.clone(),
            bytes: checked.bytes,
            arch: checked.arch,
            device: checked.device,
            disk: was.disk,
        },
    );
    let names = p.here(ChooseNames { guest: guest.clone() }).answers();
    let volume = p
        .on(
            to,
            MakeVolume {
                volume: names.partial,
                bytes: checked.bytes.into(),
                megabytes: was.disk.into(),
            },
        )
        .undo(Cleaning)
        .creates("volume", format!("{guest}.partial-{{job}}"))
        .no();
    let made = p
        .on(&from, MakeKey { job: names.job })
        .undo(Cleaning)
        .creates("folder", "{job}");
    let (key, made) = (made.answers(), made.no());
    let allowed = p
        .on(
            to,
            AllowKey {
                job: names.job,
                key: key.key,
                volume: names.partial,
            },
        )
        .undo(Cleaning)
        .creates("folder", "{job}")
        .creates("key", "vsjob-{job}")
        .creates("scratch", ".vsjob-{job}-scratch");
    let (host_key, allowed) = (allowed.answers().host_key, allowed.no());
    let transfer = Transfer {
        guest,
        from: &from,
        to,
        target,
        bwlimit,
        compress: source.compress.or(target.compress),
        relay: source.relay.or(target.relay),
        still: source.drivers.can(Capability::Snapshot).into(),
        names,
        host_key,
        bytes: checked.bytes,
    };
    let (mut sent, passes) = transfer.passes(&mut p, request, was.running);
    let mut snapshots = vec![made, passes];
    if request.on_budget == OnBudget::Ask {
        p.here(AskBudget {
            guest: guest.clone(),
            predicted: sent.predicted,
            max_downtime: request.max_downtime,
        });
        // The answer may have taken its time, and the guest has gone on meanwhile.
        let (again, passes) = transfer.passes(&mut p, request, was.running);
        sent = again;
        snapshots.push(passes);
    }
    let counted = p
        .on(
            to,
            CountCopy {
                volume: names.partial,
                files: sent.files,
                size: sent.size,
                still: transfer.still,
            },
        )
        .answers();
    let definition = p
        .on(
            to,
            PutDefinition {
                guest: guest.clone(),
                address: was.address.into(),
                device: was.device.into(),
                rss: was.rss.into(),
                tmpfs: was.tmpfs.into(),
                proc: was.proc.into(),
                cpu: was.cpu.into(),
                disk: was.disk.into(),
            },
        )
        .undo(Cleaning)
        .creates("definition", guest)
        .no();
    let (running, enabled) = (was.running, was.enabled);
    p.on(
        &from,
        DisableGuest {
            guest: guest.clone(),
            enabled: enabled.into(),
            running: running.into(),
        },
    )
    .undo(Gating);
    p.on(
        &from,
        StopGuest {
            guest: guest.clone(),
            running: running.into(),
        },
    )
    .undo(Gating);
    let rest = transfer.last(&mut p);
    p.on(
        to,
        VerifyCopy {
            volume: names.partial,
            counted: counted.files,
            files: rest.files,
            size: rest.size,
            grown: rest.grown,
        },
    );
    p.on(
        &from,
        FenceGuest {
            guest: guest.clone(),
            moved: names.moved,
        },
    )
    .undo(Gating)
    .creates("volume", format!("{guest}.moved-{{job}}"));
    p.on(
        to,
        RenameVolume {
            from: names.partial,
            to: guest.clone(),
        },
    )
    .undo(Cleaning);
    Admission {
        guest,
        host: to,
        running: running.into(),
        address: was.address.into(),
        health: &request.health,
        job: names.job,
    }
    .plan(&mut p)
    .places(guest, to)
    .strikes(&[volume, definition]);
    p.on(
        to,
        EnableGuest {
            guest: guest.clone(),
            enabled: enabled.into(),
            running: running.into(),
            address: was.address.into(),
            device: was.device.into(),
        },
    );
    p.on(
        to,
        LimitVolume {
            guest: guest.clone(),
            megabytes: was.disk.into(),
        },
    );
    // After enabling, not before: from here on a source that is gone for good holds up nothing but its own cleaning.
    p.on(
        &from,
        CheckReachable {
            device: was.device,
            address: was.address,
            running,
        },
    );
    p.on(
        &from,
        DropSent {
            job: names.job,
            snapshot: names.snapshot,
        },
    )
    .strikes(&snapshots);
    p.on(to, DropReceived { job: names.job }).strikes(&[allowed]);
    p.here(HandOver {
        guest: guest.clone(),
        host: Line::of(&from).map_err(|why| Refusal::bad("name", &why))?,
        moved: names.moved,
        grace: request.grace,
    });

    Ok(Planned {
        plan: p.finish(),
        locks: vec![
            Held::Guest(guest.clone()).alone(),
            Held::Host(from.clone()).shared(),
            Held::Host(to.clone()).shared(),
        ],
        title: format!("move {guest} from {from} to {to}"),
        not_before: None,
    })
}
