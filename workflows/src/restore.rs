//! `restore`: a generation of a guest is brought back to a host, as the guest that it was, in the place of what became of it,
//! or beside it under another name.
//! It is read whole before anything is made of it, sent by the master, counted where it arrived, and started in quarantine;
//! until it is admitted nothing but the generation is needed to begin anew. OPERATIONS.md, 'Plans'.

use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use vsjob_engine::UndoKind::{Cleaning, Gating};
use vsjob_engine::{HostName, Lock, Retry, StepNo, Value};
use vsjob_workers::Capability;

use crate::actions::await_push::AwaitPush;
use crate::actions::check_generation::CheckGeneration;
use crate::actions::check_restore::CheckRestore;
use crate::actions::choose_names::{ChooseNames, Names};
use crate::actions::count_copy::CountCopy;
use crate::actions::disable_guest::DisableGuest;
use crate::actions::drop_received::DropReceived;
use crate::actions::enable_guest::EnableGuest;
use crate::actions::fence_guest::FenceGuest;
use crate::actions::hand_over::HandOver;
use crate::actions::limit_volume::LimitVolume;
use crate::actions::make_volume::MakeVolume;
use crate::actions::put_definition::PutDefinition;
use crate::actions::read_facts::ReadFacts;
use crate::actions::rename_volume::RenameVolume;
use crate::actions::returned::{CheckOff, FenceReturned};
use crate::actions::send_generation::SendGeneration;
use crate::actions::stop_guest::StopGuest;
use crate::actions::write_identity::WriteIdentity;
use crate::admission::Admission;
use crate::create::Link;
use crate::generation::Facts;
use crate::{
    CpuPercent, DeviceName, GenerationName, Given, GuestName, Held, Line, Megabytes, Operation, Parameter,
    Planned, Planner, Reading, Refusal, Site, SiteHost, Span, YesNo,
};

pub(crate) const OPERATION: Operation = Operation {
    name: "restore",
    summary: "bring a generation of a guest back to a host",
    parameters: &[
        Parameter::GUEST,
        Parameter::optional("generation", "GENERATION", "which (the newest that is whole)"),
        Parameter::optional(
            "path",
            "PATH",
            "only this file or folder of it, to a folder of the master",
        ),
        Parameter::optional("to", "DIR", "with --path: the folder, which is made for it"),
        Parameter::optional("host", "HOST", "where (where it was)"),
        Parameter::switch(
            "replace",
            "in the place of the guest that is there, which is stopped and kept under another name",
        ),
        Parameter::optional(
            "grace",
            "TIME|never",
            "with --replace: when what was there is deleted (7d)",
        ),
        Parameter::optional(
            "as",
            "GUEST",
            "another name: beside the living one, with an identity of its own",
        ),
        Parameter::optional("interface", "IP", "with --as: its address"),
        Parameter::optional("gateway", "IP", "with --as: its way out (networks.conf)"),
        Parameter::optional("domain", "DOMAIN", "with --as: its domain (networks.conf)"),
        Parameter::optional(
            "nameserver",
            "IP[ IP…]",
            "with --as: whom it asks for names (networks.conf)",
        ),
        Parameter::optional("device", "BRIDGE", "the bridge it is on (the one that it was on)"),
        Parameter::optional(
            "health",
            "COMMAND",
            "a command that must succeed in it before it is admitted",
        ),
        Parameter::switch("start", "start it, also if it did not run"),
        Parameter::switch(
            "host-is-off",
            "where it lived is off and stays off: it is fenced there if that comes back; needs --reason",
        ),
    ],
    all: None,
    plan: |reading, site| match reading.optional("path")? {
        Some(path) => crate::restore_files::plan(reading, &path, site),
        None => plan(&Restore::read(reading, site)?, site),
    },
};

/// Its host may be booted anew, however slowly: what was sent is there still.
const PATIENT: Retry = Retry {
    attempts: 40,
    first_wait: Duration::from_secs(1),
    longest_wait: Duration::from_secs(30),
};

struct Restore {
    /// Whose generation it is.
    source: GuestName,
    name: GenerationName,
    /// The guest that it becomes.
    guest: GuestName,
    /// It is to have an identity of its own.
    link: Option<Link>,
    host: HostName,
    /// It takes the place of the guest that is there.
    replaces: Option<Grace>,
    /// Where the guest lived, if that is elsewhere.
    before: Option<HostName>,
    /// Somebody vouches that this is off, and stays so.
    is_off: bool,
    definition: Definition,
    running: bool,
    enabled: bool,
    health: Line,
}

/// When what was there is deleted; none is never.
struct Grace(Option<Span>);

impl Grace {
    fn read(request: &Reading<'_>) -> Result<Self, Refusal> {
        match request.optional::<String>("grace")?.as_deref() {
            Some("never") => Ok(Self(None)),
            Some(text) => text
                .parse()
                .map(|span| Self(Some(span)))
                .map_err(|why| Refusal::bad("grace", &why)),
            None => Ok(Self(Some(Span::GRACE))),
        }
    }
}

/// What its definition will say.
struct Definition {
    address: Line,
    device: Given<DeviceName>,
    rss: Megabytes,
    tmpfs: Megabytes,
    proc: u32,
    cpu: CpuPercent,
    disk: Megabytes,
}

impl Restore {
    fn read(request: &Reading<'_>, site: &Site) -> Result<Self, Refusal> {
        let source: GuestName = request.required("name")?;
        let asked: Option<GenerationName> = request.optional("generation")?;
        let (name, generation) = site.generations.choose(&source, asked.as_ref())?;
        let (guest, link) = match request.optional::<GuestName>("as")? {
            Some(guest) => (guest, Some(Link::read(request, site)?)),
            None => (source.clone(), None),
        };
        let place = site.placement.get(&guest);
        if let (Some(_), Some(host)) = (&link, place) {
            let host = host.clone();
            return Err(Refusal::GuestExists { guest, host });
        }
        let replaces = match request.switch("replace")? {
            true if link.is_some() => {
                return Err(Refusal::bad("replace", &"with --as nothing is replaced"));
            }
            true => Some(Grace::read(request)?),
            false if request.optional::<Line>("grace")?.is_some() => {
                return Err(Refusal::bad("grace", &"it goes with --replace"));
            }
            false => None,
        };
        if request.optional::<Line>("to")?.is_some() {
            return Err(Refusal::bad("to", &"it goes with --path"));
        }
        for only in ["interface", "gateway", "domain", "nameserver"] {
            if link.is_none() && request.optional::<Line>(only)?.is_some() {
                return Err(Refusal::bad(only, &"it goes with --as"));
            }
        }
        let host = choose_host(request, place, &generation.host, site)?;
        if let (Some(_), Some(place)) = (&replaces, place.filter(|place| **place != host)) {
            return Err(Refusal::NotThere {
                guest,
                host: place.clone(),
                said: host,
            });
        }
        let is_off = request.switch("host-is-off")?;
        if is_off && place.is_none_or(|place| *place == host) {
            return Err(Refusal::bad("host-is-off", &"it lives on no other host"));
        }
        let facts = &generation.facts;
        Ok(Self {
            is_off,
            before: place.filter(|place| **place != host).cloned(),
            definition: Definition::read(request, facts, link.as_ref())?,
            running: facts.running == "yes" || request.switch("start")?,
            enabled: facts.enabled == "yes",
            health: request.optional("health")?.unwrap_or_default(),
            source,
            name,
            guest,
            link,
            host,
            replaces,
        })
    }
}

/// As asked, else where placement has the guest, else where it was when it was backed up, else the host with the fewest.
fn choose_host(
    request: &Reading<'_>,
    place: Option<&HostName>,
    was: &str,
    site: &Site,
) -> Result<HostName, Refusal> {
    let was = was
        .parse()
        .ok()
        .filter(|was| site.hosts.contains_key(was) && !site.maintenance.contains(was));
    let host = match request.optional("host")?.or(place.cloned()).or(was) {
        Some(host) => host,
        None => site.choose_host()?.clone(),
    };
    if !site.host(&host)?.drivers.can(Capability::Quarantine) {
        return Err(Refusal::Unable {
            host,
            what: "a guest in quarantine",
        });
    }
    Ok(host)
}

impl Definition {
    /// As the generation has it. A host has told that once: it is read as if anybody had.
    fn read(request: &Reading<'_>, facts: &Facts, link: Option<&Link>) -> Result<Self, Refusal> {
        fn read<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, Refusal> {
            text.parse().map_err(|why| Refusal::bad("generation", &why))
        }
        let address = match link {
            Some(link) => link.address.to_string(),
            None if facts.address.is_empty() => String::new(),
            None => read::<IpNet>(&facts.address)?.to_string(),
        };
        let tagged = link.and_then(|link| link.tagged.clone());
        let device = match (request.optional("device")?, tagged) {
            (Some(device), _) | (None, Some(device)) => Given::Known(device),
            (None, None) if facts.device.is_empty() => Given::From(Value::Text(String::new())),
            (None, None) => Given::Known(read(&facts.device)?),
        };
        // Percent, and not a ratio as a request has it.
        let cpu = CpuPercent(read(&facts.cpu)?);
        Ok(Self {
            address: read(&address)?,
            device,
            rss: read(&facts.rss)?,
            tmpfs: read(&facts.tmpfs)?,
            proc: read(&facts.proc)?,
            cpu,
            disk: match facts.disk.as_str() {
                "" => Megabytes(0),
                said => read(said)?,
            },
        })
    }
}

fn plan(request: &Restore, site: &Site) -> Result<Planned, Refusal> {
    let Restore {
        source,
        name,
        guest,
        host,
        ..
    } = request;
    let mut p = Planner::default();

    let (names, bytes) = checked(&mut p, request, site)?;
    let (volume, received) = arrived(&mut p, request, site, names, bytes)?;
    if request.replaces.is_some() {
        put_aside(&mut p, request, names);
    }
    let definition = named(&mut p, request, site, names)?;
    // What it was sent for took its time.
    given_up(&mut p, request)?;
    admitted(&mut p, request, names, [volume, definition])?;
    p.on(host, DropReceived { job: names.job }).strikes(&[received]);
    if let Some(Grace(Some(grace))) = request.replaces {
        p.here(HandOver {
            guest: guest.clone(),
            host: Line::of(host).map_err(|why| Refusal::bad("host", &why))?,
            moved: names.replaced,
            grace,
        });
    }

    let mut locks = held(request);
    locks.push(Held::Guest(guest.clone()).alone());
    locks.push(Held::Host(host.clone()).shared());
    let title = match source == guest {
        true => format!("restore {guest} on {host} from {name}"),
        false => format!("restore {source} as {guest} on {host} from {name}"),
    };
    Ok(Planned {
        plan: p.finish(),
        locks,
        title,
        not_before: None,
    })
}

/// What else the job holds: whose generation it is, so that nobody prunes it, its address, and where the guest was.
fn held(request: &Restore) -> Vec<Lock> {
    let source = (request.source != request.guest).then(|| Held::Guest(request.source.clone()).shared());
    let address = request.definition.address.to_string().parse::<IpNet>();
    let address = address.ok().map(|net| Held::Address(net.addr()).alone());
    // A host that is off is held by who waits to fence what it has.
    let before = request.before.clone().filter(|_| !request.is_off);
    let before = before.map(|host| Held::Host(host).shared());
    source.into_iter().chain(address).chain(before).collect()
}

/// What is cheap is looked at before the generation is read, and again after it, which may have taken long.
fn checked(p: &mut Planner, request: &Restore, site: &Site) -> Result<(Names, Given<u64>), Refusal> {
    let look = |bytes: Given<u64>| CheckRestore {
        guest: request.guest.clone(),
        address: request.definition.address.clone(),
        device: request.definition.device.clone(),
        bytes,
        disk: request.definition.disk,
        replaces: request.replaces.is_some().into(),
    };
    given_up(p, request)?;
    if let Some(before) = request.before.as_ref().filter(|_| !request.is_off) {
        site.known(before)?;
        let nothing = CheckRestore {
            address: Line::default(),
            device: Given::From(Value::Text(String::new())),
            ..look(0.into())
        };
        p.on(before, nothing);
    }
    p.on(&request.host, look(0.into()));
    let read = p
        .here(CheckGeneration {
            folder: folder(site)?,
            tree: site.generations.kind,
            guest: request.source.clone(),
            name: request.name.clone(),
        })
        .answers();
    p.on(&request.host, look(read.bytes.into()));
    let names = p.here(ChooseNames {
        guest: request.guest.clone(),
    });
    Ok((names.answers(), read.bytes.into()))
}

fn folder(site: &Site) -> Result<Line, Refusal> {
    Line::of(&site.generations.folder.display()).map_err(|why| Refusal::bad("name", &why))
}

/// The tree is on the host, under another name. The steps that made its volume, and what receives into it.
fn arrived(
    p: &mut Planner,
    request: &Restore,
    site: &Site,
    names: Names,
    bytes: Given<u64>,
) -> Result<(StepNo, StepNo), Refusal> {
    let host = &request.host;
    let SiteHost {
        destination,
        shell,
        rsync,
        compress,
        ..
    } = site.host(host)?;
    let volume = p
        .on(
            host,
            MakeVolume {
                volume: names.partial,
                bytes,
                megabytes: request.definition.disk.into(),
            },
        )
        .undo(Cleaning)
        .creates("volume", format!("{}.partial-{{job}}", request.guest))
        .no();
    let received = p
        .on(
            host,
            AwaitPush {
                job: names.job,
                volume: names.partial,
            },
        )
        .undo(Cleaning)
        .creates("folder", "{job}")
        .creates("scratch", ".vsjob-{job}-scratch")
        .no();
    let sent = p
        .on(
            host,
            SendGeneration {
                folder: folder(site)?,
                tree: site.generations.kind,
                guest: request.source.clone(),
                name: request.name.clone(),
                destination: destination.clone(),
                shell: shell.clone(),
                remote: rsync.clone(),
                compress: *compress,
                job: names.job,
            },
        )
        .undo(Cleaning)
        .retry(PATIENT)
        .answers();
    p.on(
        host,
        CountCopy {
            volume: names.partial,
            files: sent.files,
            size: sent.size,
            still: YesNo::Yes,
        },
    );
    Ok((volume, received))
}

/// Whoever has the name on the host is stopped, and nothing starts it any more. It has run until now.
fn put_aside(p: &mut Planner, request: &Restore, names: Names) {
    let (host, guest) = (&request.host, &request.guest);
    let was = p.on(host, ReadFacts { guest: guest.clone() }).answers();
    p.on(
        host,
        DisableGuest {
            guest: guest.clone(),
            enabled: was.enabled.into(),
            running: was.running.into(),
        },
    )
    .undo(Gating);
    p.on(
        host,
        StopGuest {
            guest: guest.clone(),
            running: was.running.into(),
        },
    )
    .undo(Gating);
    p.on(
        host,
        FenceGuest {
            guest: guest.clone(),
            moved: names.replaced,
        },
    )
    .undo(Gating)
    .creates("volume", format!("{guest}.replaced-{{job}}"));
}

/// It is a guest of the host, under its name. The step that wrote its definition.
fn named(p: &mut Planner, request: &Restore, site: &Site, names: Names) -> Result<StepNo, Refusal> {
    let (host, guest) = (&request.host, &request.guest);
    if let Some(link) = &request.link {
        p.on(
            host,
            WriteIdentity {
                volume: names.partial,
                guest: guest.clone(),
                address: Line::of(&link.address).map_err(|why| Refusal::bad("interface", &why))?,
                gateway: link.gateway.clone(),
                domain: link.domain.clone(),
                nameservers: link.nameservers.clone(),
                mirror: Line::default(),
                updates: Line::default(),
                mtu: site.defaults.mtu,
            },
        );
    }
    let Definition {
        address,
        device,
        rss,
        tmpfs,
        proc,
        cpu,
        disk,
    } = &request.definition;
    let definition = p
        .on(
            host,
            PutDefinition {
                guest: guest.clone(),
                address: address.clone().into(),
                device: device.clone(),
                rss: (*rss).into(),
                tmpfs: (*tmpfs).into(),
                proc: (*proc).into(),
                cpu: (*cpu).into(),
                disk: (*disk).into(),
            },
        )
        .undo(Cleaning)
        .creates("definition", guest)
        .no();
    p.on(
        host,
        RenameVolume {
            from: names.partial,
            to: guest.clone(),
        },
    )
    .undo(Cleaning);
    if *disk != Megabytes(0) {
        p.on(
            host,
            LimitVolume {
                guest: guest.clone(),
                megabytes: (*disk).into(),
            },
        );
    }
    Ok(definition)
}

/// Where it lived does not answer, if that is said to be off.
fn given_up(p: &mut Planner, request: &Restore) -> Result<(), Refusal> {
    if let Some(before) = request.before.as_ref().filter(|_| request.is_off) {
        let host = Line::of(before).map_err(|why| Refusal::bad("host", &why))?;
        p.here(CheckOff { host });
    }
    Ok(())
}

/// It runs as it did, and placement knows it. What those steps made is its own from then on.
fn admitted(p: &mut Planner, request: &Restore, names: Names, made: [StepNo; 2]) -> Result<(), Refusal> {
    let (host, guest) = (&request.host, &request.guest);
    let running = YesNo::from(request.running);
    let address = &request.definition.address;
    Admission {
        guest,
        host,
        running: running.into(),
        address: address.clone().into(),
        health: &request.health,
        job: names.job,
    }
    .plan(p)
    .places(guest, host)
    .strikes(&made);
    if let Some(before) = request.before.as_ref().filter(|_| request.is_off) {
        p.here(FenceReturned {
            guest: guest.clone(),
            host: Line::of(before).map_err(|why| Refusal::bad("host", &why))?,
        });
    }
    if request.enabled {
        p.on(
            host,
            EnableGuest {
                guest: guest.clone(),
                enabled: YesNo::Yes.into(),
                running: running.into(),
                address: address.clone().into(),
                device: request.definition.device.clone(),
            },
        );
    }
    Ok(())
}
