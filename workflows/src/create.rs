//! `create`: a new guest, from a template of the master, or from a tree that debootstrap builds there for just it. Two
//! parameters suffice: what the request does not say comes from networks.conf by the address, and the rest from
//! create.conf. OPERATIONS.md, 'Plans'.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use vsjob_engine::HostName;
use vsjob_engine::UndoKind::Cleaning;
use vsjob_workers::{Capability, CreateMethod};

use crate::actions::admit_guest::AdmitGuest;
use crate::actions::check_health::CheckHealth;
use crate::actions::check_new::CheckNew;
use crate::actions::choose_names::ChooseNames;
use crate::actions::debootstrap::Debootstrap;
use crate::actions::drop_received::DropReceived;
use crate::actions::drop_template::DropTemplate;
use crate::actions::drop_tree::DropTree;
use crate::actions::enable_guest::EnableGuest;
use crate::actions::limit_volume::LimitVolume;
use crate::actions::make_volume::MakeVolume;
use crate::actions::pack_template::PackTemplate;
use crate::actions::place_template::PlaceTemplate;
use crate::actions::put_definition::PutDefinition;
use crate::actions::rename_volume::RenameVolume;
use crate::actions::send_template::SendTemplate;
use crate::actions::start_quarantined::StartQuarantined;
use crate::actions::unpack_template::UnpackTemplate;
use crate::actions::write_identity::WriteIdentity;
use crate::template_create::workshop;
use crate::{
    CpuPercent, DeviceName, Given, GuestName, Held, Line, Megabytes, Operation, Parameter, Planned, Planner,
    Reading, Refusal, Site, SuiteName, TemplateName, TreeKind, YesNo,
};

pub(crate) const OPERATION: Operation = Operation {
    name: "create",
    summary: "make a guest from a template, or by debootstrap",
    parameters: &[
        Parameter::required("name", "GUEST", "its name, and its host name"),
        Parameter::required("interface", "IP", "its address, such as 10.0.1.5 or 10.0.1.5/24"),
        Parameter::optional("host", "HOST", "where; else the host with the fewest guests"),
        Parameter::optional(
            "template",
            "NAME",
            "what it is made from (DEFAULT_METHOD, DEFAULT_TEMPLATE)",
        ),
        Parameter::optional(
            "debootstrap",
            "SUITE",
            "in place of a template: this suite of Debian, built on the master",
        ),
        Parameter::optional("device", "BRIDGE", "the bridge it is on (DEFAULT_DEVICE)"),
        Parameter::optional("gateway", "IP", "its way out (networks.conf)"),
        Parameter::optional("domain", "DOMAIN", "its domain (networks.conf)"),
        Parameter::optional("nameserver", "IP[ IP…]", "whom it asks for names (networks.conf)"),
        Parameter::optional("mirror", "URL", "where its packages come from (MAIN_MIRROR)"),
        Parameter::optional("rss", "MB", "its memory (DEFAULT_RSS_LIMIT)"),
        Parameter::optional(
            "disk",
            "MB",
            "the most that its files may take (DEFAULT_DISK_LIMIT)",
        ),
        Parameter::optional("tmpfs", "MB", "its /tmp (DEFAULT_TMPFS_LIMIT)"),
        Parameter::optional("proc", "N", "its processes (DEFAULT_PROC_LIMIT)"),
        Parameter::optional("cpu", "RATIO", "its part of the processors (DEFAULT_CPU_LIMIT)"),
        Parameter::optional(
            "health",
            "COMMAND",
            "a command that must succeed in it before it is admitted",
        ),
        Parameter::switch("start", "start it"),
        Parameter::switch("enable", "let it start with its host"),
        Parameter::ANY_HOUR,
    ],
    all: None,
    plan: |reading, site| plan(&Create::read(reading, site)?, site),
};

struct Create {
    guest: GuestName,
    host: HostName,
    link: Link,
    source: Source,
    device: DeviceName,
    mirror: Line,
    updates: Line,
    rss: Megabytes,
    disk: Megabytes,
    tmpfs: Megabytes,
    proc: u32,
    cpu: CpuPercent,
    health: Line,
    start: bool,
    enable: bool,
}

/// What a guest is made from.
enum Source {
    Template {
        template: TemplateName,
        archive: Line,
        bytes: u64,
    },
    Debootstrap {
        suite: SuiteName,
        mirror: Line,
    },
}

/// So many bytes the tree of a Debian has, to say the least.
const SMALLEST: u64 = 300 << 20;

impl Source {
    fn read(request: &Reading<'_>, site: &Site) -> Result<Self, Refusal> {
        let (template, suite) = (request.optional("template")?, request.optional("debootstrap")?);
        let template: TemplateName = match (template, suite) {
            (Some(_), Some(_)) => {
                return Err(Refusal::bad(
                    "debootstrap",
                    &"it stands in the place of --template",
                ));
            }
            (None, Some(suite)) => return Self::built(suite, request, site),
            (Some(template), None) => template,
            (None, None) if site.defaults.method == CreateMethod::Debootstrap => {
                let suite = default("debootstrap", site.defaults.distro.as_deref())?;
                return Self::built(suite, request, site);
            }
            (None, None) => default("template", site.defaults.template.as_deref())?,
        };
        let known = site.template(&template)?;
        Ok(Self::Template {
            archive: Line::of(&known.archive.display()).map_err(|why| Refusal::bad("template", &why))?,
            bytes: known.bytes,
            template,
        })
    }

    fn built(suite: SuiteName, request: &Reading<'_>, site: &Site) -> Result<Self, Refusal> {
        let mirror = crate::template_create::mirror(request, site)?;
        Ok(Self::Debootstrap { suite, mirror })
    }

    /// The plain archive of it, or the step that will have made one.
    fn archive(&self, p: &mut Planner, site: &Site) -> Result<Given<Line>, Refusal> {
        let (suite, mirror) = match self {
            Self::Template { archive, .. } => return Ok(archive.clone().into()),
            Self::Debootstrap { suite, mirror } => (suite.clone(), mirror.clone()),
        };
        let (place, tree) = (workshop(site)?, TreeKind::Folder);
        p.here(Debootstrap {
            place: place.clone(),
            tree,
            suite,
            mirror,
        })
        .undo(Cleaning);
        let to = Line::of(&"guest.tar").map_err(|why| Refusal::bad("debootstrap", &why))?;
        let packed = p.here(PackTemplate { place, tree, to }).undo(Cleaning);
        Ok(packed.answers().archive.into())
    }

    /// What was built for just this guest goes.
    fn clean(&self, p: &mut Planner, site: &Site) -> Result<(), Refusal> {
        if matches!(self, Self::Debootstrap { .. }) {
            p.here(DropTree {
                place: workshop(site)?,
                tree: TreeKind::Folder,
            });
        }
        Ok(())
    }
}

/// What create.conf says, if the request does not.
fn default<T: FromStr<Err: std::fmt::Display>>(name: &'static str, said: Option<&str>) -> Result<T, Refusal> {
    let said = said.ok_or(Refusal::MissingParameter {
        operation: "create",
        name,
    })?;
    said.parse().map_err(|why| Refusal::bad(name, &why))
}

impl Create {
    /// What the request says, else networks.conf, else create.conf.
    fn read(request: &Reading<'_>, site: &Site) -> Result<Self, Refusal> {
        let defaults = &site.defaults;
        let guest: GuestName = request.required("name")?;
        if let Some(host) = site.placement.get(&guest) {
            return Err(Refusal::GuestExists {
                guest,
                host: host.clone(),
            });
        }
        let host = match request.optional("host")? {
            Some(host) => host,
            None => site.choose_host()?.clone(),
        };
        site.host(&host)?;
        let link = Link::read(request, site)?;
        let source = Source::read(request, site)?;
        let device = match (request.optional("device")?, link.tagged.clone()) {
            (Some(device), _) | (None, Some(device)) => device,
            (None, None) => defaults
                .device
                .parse()
                .map_err(|why| Refusal::bad("device", &why))?,
        };
        Ok(Self {
            device,
            mirror: line(request, "mirror", defaults.mirror.clone())?,
            updates: Line::of(&defaults.update_mirror.as_deref().unwrap_or_default())
                .map_err(|why| Refusal::bad("mirror", &why))?,
            rss: request.optional("rss")?.unwrap_or(Megabytes(defaults.rss_limit)),
            disk: disk(request, site, &host)?,
            tmpfs: request
                .optional("tmpfs")?
                .unwrap_or(Megabytes(defaults.tmpfs_limit)),
            proc: request.optional("proc")?.unwrap_or(defaults.proc_limit),
            cpu: request.optional("cpu")?.unwrap_or(CpuPercent(defaults.cpu_limit)),
            health: request.optional("health")?.unwrap_or_default(),
            start: request.switch("start")?,
            enable: request.switch("enable")?,
            guest,
            host,
            link,
            source,
        })
    }
}

/// The VLAN of what has no tag.
const UNTAGGED: u16 = 1;

/// How a new guest is reached: as the request says, else as networks.conf does by the address, else create.conf.
pub(crate) struct Link {
    pub address: IpNet,
    pub gateway: Line,
    pub domain: Line,
    pub nameservers: Line,
    /// The bridge of its VLAN, if that has a tag: called as DEFAULT_DEVICE, with its number at the end.
    pub tagged: Option<DeviceName>,
}

impl Link {
    pub(crate) fn read(request: &Reading<'_>, site: &Site) -> Result<Self, Refusal> {
        let defaults = &site.defaults;
        let address = address(&request.required::<String>("interface")?, site)?;
        let network = site.networks.of(address.addr());
        let gateway = match request.optional::<IpAddr>("gateway")? {
            Some(gateway) => Some(gateway),
            None => network.map(|network| network.gateway),
        };
        let domain = network.and_then(|network| network.domain.clone());
        let servers = network
            .map(|network| &network.nameservers)
            .filter(|servers| !servers.is_empty());
        let servers: Vec<String> = servers
            .unwrap_or(&defaults.nameservers)
            .iter()
            .map(ToString::to_string)
            .collect();
        let vlan = network
            .map(|network| network.vlan)
            .filter(|vlan| *vlan != UNTAGGED);
        let tagged = vlan.map(|vlan| format!("{}.{vlan}", defaults.device).parse());
        Ok(Self {
            tagged: tagged
                .transpose()
                .map_err(|why| Refusal::bad("interface", &why))?,
            gateway: Line::of(&gateway.map(|gateway| gateway.to_string()).unwrap_or_default())
                .map_err(|why| Refusal::bad("gateway", &why))?,
            domain: line(request, "domain", domain.or_else(|| defaults.domain.clone()))?,
            nameservers: line(request, "nameserver", Some(servers.join(" ")))?,
            address,
        })
    }
}

fn line(request: &Reading<'_>, name: &'static str, default: Option<String>) -> Result<Line, Refusal> {
    match request.optional::<Line>(name)? {
        Some(line) => Ok(line),
        None => Line::of(&default.unwrap_or_default()).map_err(|why| Refusal::bad(name, &why)),
    }
}

/// The limit of its volume: as given, or DEFAULT_DISK_LIMIT where the host can keep it.
fn disk(request: &Reading<'_>, site: &Site, host: &HostName) -> Result<Megabytes, Refusal> {
    let able = site.host(host)?.drivers.can(Capability::DiskLimit);
    match request.optional("disk")? {
        Some(limit) if limit != Megabytes(0) && !able => Err(Refusal::Unable {
            host: host.clone(),
            what: "a limit on the space of a volume",
        }),
        Some(limit) => Ok(limit),
        None if able => Ok(Megabytes(site.defaults.disk_limit)),
        None => Ok(Megabytes(0)),
    }
}

/// The address with the length of its prefix: as given, else that of its network, else DEFAULT_PREFIX.
fn address(text: &str, site: &Site) -> Result<IpNet, Refusal> {
    let bad = |why: &dyn std::fmt::Display| Refusal::bad("interface", &why);
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix.parse().map_err(|why| bad(&why))?)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|why| bad(&why))?;
    let network = site.networks.of(address).map(|network| network.net);
    let prefix = prefix
        .or(network.map(|net| net.prefix_len()))
        .or(site.defaults.prefix)
        .ok_or(Refusal::NoNetwork(address))?;
    let net = IpNet::new(address, prefix).map_err(|why| bad(&why))?;
    let refuse = |why| Err(Refusal::BadAddress { address, why });
    if address.is_loopback() || address.is_multicast() || address.is_unspecified() {
        return refuse("it is a special one");
    }
    if net.prefix_len() < net.max_prefix_len() - 1 && (address == net.network() || address == net.broadcast())
    {
        return refuse("it is that of its whole network");
    }
    if site
        .networks
        .of(address)
        .is_some_and(|network| network.gateway == address)
    {
        return refuse("it is that of the gateway");
    }
    Ok(net)
}

fn plan(request: &Create, site: &Site) -> Result<Planned, Refusal> {
    let Create { guest, host, .. } = request;
    let place = site.host(host)?;
    let address = Line::of(&request.link.address).map_err(|why| Refusal::bad("interface", &why))?;
    let work = Line::of(&site.state.join("templates.work").display())
        .map_err(|why| Refusal::bad("template", &why))?;
    let bytes = match &request.source {
        Source::Template { bytes, .. } => *bytes,
        Source::Debootstrap { .. } => SMALLEST,
    };
    let mut p = Planner::default();

    p.on(
        host,
        CheckNew {
            guest: guest.clone(),
            address: address.clone(),
            device: request.device.clone(),
            bytes,
            disk: request.disk,
        },
    );
    let names = p.here(ChooseNames { guest: guest.clone() }).answers();
    let source = request.source.archive(&mut p, site)?;
    let archive = p
        .on(host, PlaceTemplate { job: names.job })
        .undo(Cleaning)
        .creates("template", "{job}.tar")
        .no();
    p.here(SendTemplate {
        archive: source,
        work,
        destination: place.destination.clone(),
        shell: place.shell.clone(),
        compress: place.compress,
    });
    let volume = p
        .on(
            host,
            MakeVolume {
                volume: names.partial,
                bytes: bytes.into(),
                megabytes: request.disk.into(),
            },
        )
        .undo(Cleaning)
        .creates("volume", format!("{guest}.partial-{{job}}"))
        .no();
    p.on(
        host,
        UnpackTemplate {
            volume: names.partial,
            job: names.job,
            bytes,
            megabytes: request.disk,
        },
    );
    p.on(
        host,
        WriteIdentity {
            volume: names.partial,
            guest: guest.clone(),
            address: address.clone(),
            gateway: request.link.gateway.clone(),
            domain: request.link.domain.clone(),
            nameservers: request.link.nameservers.clone(),
            mirror: request.mirror.clone(),
            updates: request.updates.clone(),
            mtu: site.defaults.mtu,
        },
    );
    let definition = p
        .on(
            host,
            PutDefinition {
                guest: guest.clone(),
                address: address.clone().into(),
                device: request.device.clone().into(),
                rss: request.rss.into(),
                tmpfs: request.tmpfs.into(),
                proc: request.proc.into(),
                cpu: request.cpu.into(),
                disk: request.disk.into(),
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
    if request.disk != Megabytes(0) {
        p.on(
            host,
            LimitVolume {
                guest: guest.clone(),
                megabytes: request.disk.into(),
            },
        );
    }
    let running = YesNo::from(request.start);
    let mut struck = vec![volume, definition];
    if request.start {
        struck.push(
            p.on(
                host,
                StartQuarantined {
                    guest: guest.clone(),
                    running: running.into(),
                },
            )
            .undo(Cleaning)
            .creates("quarantine", format!("vsjob_q_{guest}"))
            .no(),
        );
        p.on(
            host,
            CheckHealth {
                guest: guest.clone(),
                running: running.into(),
                address: address.clone().into(),
                command: request.health.clone(),
            },
        );
    }
    let admitted = p
        .on(
            host,
            AdmitGuest {
                guest: guest.clone(),
                running: running.into(),
                address: address.clone().into(),
                job: names.job,
            },
        )
        .pivot()
        .places(guest, host)
        .creates("folder", "{job}")
        .strikes(&struck)
        .no();
    if request.enable {
        p.on(
            host,
            EnableGuest {
                guest: guest.clone(),
                enabled: YesNo::Yes.into(),
                running: running.into(),
                address: address.into(),
                device: request.device.clone().into(),
            },
        );
    }
    p.on(host, DropTemplate { job: names.job }).strikes(&[archive]);
    p.on(host, DropReceived { job: names.job }).strikes(&[admitted]);
    request.source.clean(&mut p, site)?;

    let mut locks = vec![
        Held::Guest(guest.clone()).alone(),
        Held::Address(request.link.address.addr()).alone(),
        Held::Host(host.clone()).shared(),
    ];
    if let Source::Template { template, .. } = &request.source {
        locks.push(Held::Template(template.clone()).shared());
    }
    Ok(Planned {
        plan: p.finish(),
        locks,
        title: format!("create {guest} on {host}"),
        not_before: None,
    })
}
