//! `template-create`: a template of the master, from a guest as it runs or from debootstrap. What is new in the guest is received as for a
//! backup, begun from its last generation and from a snapshot that is hot, but without what makes the guest this one; that
//! tree, or one that debootstrap has built on the master, is packed under another name, and one rename makes it a template.
//! Decision `templates-are-packed-on-the-master`.

use vsjob_engine::HostName;
use vsjob_engine::UndoKind::Cleaning;

use crate::actions::copy_files::NameFiles;
use crate::actions::debootstrap::Debootstrap;
use crate::actions::drop_tree::DropTree;
use crate::actions::pack_template::PackTemplate;
use crate::backup::{Consolidation, Standing};
use crate::{
    GuestName, Held, Line, Operation, Parameter, Planned, Planner, Reading, Refusal, Site, SnapshotMode,
    SuiteName, TemplateName, TreeKind,
};

pub(crate) const OPERATION: Operation = Operation {
    name: "template-create",
    summary: "make a template of the master",
    parameters: &[
        Parameter::required("name", "TEMPLATE", "its name"),
        Parameter::optional("from", "GUEST", "the guest that it is made from, as it runs"),
        Parameter::optional(
            "host",
            "HOST",
            "with --from: refuse unless the guest is there now",
        ),
        Parameter::optional(
            "exclude",
            "PATTERN",
            "with --from: leave out what fits this pattern of rsync, too",
        ),
        Parameter::optional(
            "debootstrap",
            "SUITE",
            "build it on the master, of this suite of Debian",
        ),
        Parameter::optional(
            "mirror",
            "URL",
            "with --debootstrap: where its packages come from (MAIN_MIRROR)",
        ),
        Parameter::ANY_HOUR,
    ],
    all: None,
    plan: |reading, site| match reading.optional("debootstrap")? {
        None => plan(&TemplateCreate::read(reading, site)?, site),
        Some(suite) => built(reading, &suite, site),
    },
};

/// What makes a guest this one, and what only was while it ran: `create` writes what of it a guest needs.
const OWN: [&str; 18] = [
    "/etc/hostname",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/machine-id",
    "/var/lib/dbus/machine-id",
    "/etc/ssh/ssh_host_*",
    "/etc/systemd/network/*",
    "/etc/network/interfaces",
    "/etc/network/interfaces.d/*",
    "/etc/netplan/*",
    "/var/lib/dhcp/*",
    "/var/lib/systemd/random-seed",
    "/var/lib/systemd/credential.secret",
    "/var/log/journal/*",
    "/root/.bash_history",
    "/run/*",
    "/tmp/*",
    "/var/tmp/*",
];

struct TemplateCreate {
    template: TemplateName,
    guest: GuestName,
    host: HostName,
    excludes: Vec<String>,
}

impl TemplateCreate {
    fn read(request: &Reading<'_>, site: &Site) -> Result<Self, Refusal> {
        let template = new_name(request, site)?;
        if request.optional::<Line>("mirror")?.is_some() {
            return Err(Refusal::bad("mirror", &"it goes with --debootstrap"));
        }
        let guest: GuestName = request.required("from")?;
        let host = site.place_of(&guest)?.clone();
        if let Some(said) = request.optional::<HostName>("host")?.filter(|said| *said != host) {
            return Err(Refusal::NotThere { guest, host, said });
        }
        let more: Option<Line> = request.optional("exclude")?;
        let own = OWN.map(str::to_owned).into_iter();
        Ok(Self {
            excludes: own.chain(more.map(|more| more.to_string())).collect(),
            template,
            guest,
            host,
        })
    }
}

/// The name of a template that is not there yet.
fn new_name(request: &Reading<'_>, site: &Site) -> Result<TemplateName, Refusal> {
    let template: TemplateName = request.required("name")?;
    match site.templates.contains_key(&template) {
        true => Err(Refusal::TemplateExists(template)),
        false => Ok(template),
    }
}

/// Where debootstrap gets packages: as the request says, else create.conf, else where it gets them itself.
pub(crate) fn mirror(request: &Reading<'_>, site: &Site) -> Result<Line, Refusal> {
    let said: Option<String> = request.optional("mirror")?;
    let mirror = said.or(site.defaults.mirror.clone()).unwrap_or_default();
    let kinds = ["http://", "https://", "ftp://", "file:///"];
    if !mirror.is_empty() && !kinds.iter().any(|kind| mirror.starts_with(kind)) {
        return Err(Refusal::bad(
            "mirror",
            &"it begins with http://, https://, ftp:// or file:///",
        ));
    }
    Line::of(&mirror).map_err(|why| Refusal::bad("mirror", &why))
}

/// Where trees are built on the master.
pub(crate) fn workshop(site: &Site) -> Result<Line, Refusal> {
    Line::of(&site.state.join("templates.work").display()).map_err(|why| Refusal::bad("debootstrap", &why))
}

fn built(request: &Reading<'_>, suite: &SuiteName, site: &Site) -> Result<Planned, Refusal> {
    let template = new_name(request, site)?;
    for other in ["from", "host", "exclude"] {
        if request.optional::<String>(other)?.is_some() {
            return Err(Refusal::bad(
                other,
                &"it says nothing of a new tree, and there is --debootstrap",
            ));
        }
    }
    let place = workshop(site)?;
    let mut p = Planner::default();
    p.here(Debootstrap {
        place: place.clone(),
        tree: TreeKind::Folder,
        suite: suite.clone(),
        mirror: mirror(request, site)?,
    })
    .undo(Cleaning);
    packed(&mut p, &template, (place, TreeKind::Folder), site)?;

    Ok(Planned {
        plan: p.finish(),
        title: format!("make the template {template} of {suite}"),
        not_before: None,
        locks: vec![Held::Template(template).alone()],
    })
}

fn plan(request: &TemplateCreate, site: &Site) -> Result<Planned, Refusal> {
    let TemplateCreate {
        template,
        guest,
        host,
        excludes,
    } = request;
    let consolidation = Consolidation::of(guest, host, SnapshotMode::Hot, site)?;
    let mut p = Planner::default();

    let begun = consolidation.prepare(&mut p, excludes)?;
    let standing = Standing::Runs {
        pre: Line::default(),
        post: Line::default(),
    };
    let read = consolidation.receive(&mut p, begun, standing);
    let (place, tree) = consolidation.place()?;
    packed(&mut p, template, (place, tree), site)?;
    consolidation.clean(&mut p, begun.names, read);

    Ok(Planned {
        plan: p.finish(),
        locks: vec![
            Held::Template(template.clone()).alone(),
            Held::Guest(guest.clone()).alone(),
            Held::Host(host.clone()).shared(),
        ],
        title: format!("make the template {template} from {guest}"),
        not_before: None,
    })
}

/// The tree of the job in that place is a template.
fn packed(
    p: &mut Planner,
    template: &TemplateName,
    (place, tree): (Line, TreeKind),
    site: &Site,
) -> Result<(), Refusal> {
    let to = site.state.join("templates").join(format!("{template}.tar"));
    let to = Line::of(&to.display()).map_err(|why| Refusal::bad("name", &why))?;
    p.here(PackTemplate {
        place: place.clone(),
        tree,
        to: to.clone(),
    })
    .undo(Cleaning);
    p.here(NameFiles { to }).pivot();
    p.here(DropTree { place, tree });
    Ok(())
}
