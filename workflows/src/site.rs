//! What a request is resolved against: the pool as the master knows it at the moment of submit. Nothing here is asked
//! of a host, but for the survey; what may have changed meanwhile is checked again by the first steps of a plan.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use vsjob_engine::{HostName, Plan, Timestamp};
use vsjob_workers::{CreateDefaults, Drivers, Networks, Settings, Slave, Slaves, Window};

use crate::{
    BackupConf, GenerationName, Generations, GuestName, Line, Refusal, Removed, Survey, Template,
    TemplateName, YesNo,
};

/// The pool, as known.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// The master's own folder.
    pub state: PathBuf,
    /// The engine's time.
    pub now: Timestamp,
    /// The time zone of the machine, in which hours of the day are meant.
    pub zone: String,
    /// Where each guest lives.
    pub placement: BTreeMap<GuestName, HostName>,
    /// The hosts of slaves.conf.
    pub hosts: BTreeMap<HostName, SiteHost>,
    /// networks.conf.
    pub networks: Networks,
    /// create.conf.
    pub defaults: CreateDefaults,
    /// backup.conf.
    pub backup_conf: BackupConf,
    /// Hosts that nothing new is sent to.
    pub maintenance: BTreeSet<HostName>,
    /// Where generations are kept.
    pub generations: Generations,
    /// The generations that each guest has.
    pub sealed: BTreeMap<GuestName, BTreeSet<GenerationName>>,
    /// The guests that can be taken back. Only an `undelete` asks, and only for that it is filled in.
    pub removed: Vec<Removed>,
    /// What there is room for. Only who looks for places asks, and only for that it is filled in: it is asked of the hosts.
    pub survey: Survey,
    /// The templates that the master has.
    pub templates: BTreeMap<TemplateName, Template>,
    /// The jobs that are not over and name the template of the request. Only a `template-remove` asks, and only for that
    /// it is filled in.
    pub template_jobs: Vec<String>,
}

/// A host, as known.
#[derive(Clone, Debug)]
pub struct SiteHost {
    /// Its drivers.
    pub drivers: Drivers,
    /// It may be chosen for a guest when the request names no host.
    pub selectable: bool,
    /// Where other hosts reach it: address, port and user.
    pub address: Line,
    /// See `address`.
    pub port: u16,
    /// See `address`.
    pub user: Line,
    /// The most that is sent from it, in KiB a second as rsync takes it; 0 is no limit.
    pub bwlimit: u64,
    /// Whether what is copied from and to it is compressed.
    pub compress: YesNo,
    /// The hours in which large copies from and to it may begin; none: any.
    pub window: Option<Window>,
    /// Whether it and other hosts reach each other through the master alone.
    pub relay: YesNo,
    /// What stands before a path of it in what the master gives to rsync.
    pub destination: Line,
    /// How the master's rsync calls its other half there.
    pub rsync: Line,
    /// The remote shell with which the master's rsync reaches it; empty: its paths are the master's own.
    pub shell: Line,
}

impl Site {
    /// Where the guest lives.
    ///
    /// # Errors
    /// Placement does not know it.
    pub fn place_of(&self, guest: &GuestName) -> Result<&HostName, Refusal> {
        self.placement
            .get(guest)
            .ok_or_else(|| Refusal::UnknownGuest(guest.clone()))
    }

    /// The host of that name, for something new that is sent there.
    ///
    /// # Errors
    /// slaves.conf does not have it, or it is in maintenance.
    pub fn host(&self, host: &HostName) -> Result<&SiteHost, Refusal> {
        let known = self.known(host)?;
        if self.maintenance.contains(host) {
            return Err(Refusal::InMaintenance(host.clone()));
        }
        Ok(known)
    }

    /// The host of that name, for what is there already: guests are taken off a host in maintenance, too.
    ///
    /// # Errors
    /// slaves.conf does not have it.
    pub fn known(&self, host: &HostName) -> Result<&SiteHost, Refusal> {
        self.hosts
            .get(host)
            .ok_or_else(|| Refusal::UnknownHost(host.clone()))
    }

    /// The template of that name.
    ///
    /// # Errors
    /// The master does not have it.
    pub fn template(&self, name: &TemplateName) -> Result<&Template, Refusal> {
        self.templates
            .get(name)
            .ok_or_else(|| Refusal::UnknownTemplate(name.clone()))
    }

    /// That the guest has that generation.
    ///
    /// # Errors
    /// It does not.
    pub fn has_generation(&self, guest: &GuestName, name: &GenerationName) -> Result<(), Refusal> {
        let known = self.sealed.get(guest).is_some_and(|names| names.contains(name));
        known.then_some(()).ok_or_else(|| Refusal::UnknownGeneration {
            guest: guest.clone(),
            name: name.clone(),
        })
    }

    /// When a plan that copies guests may begin, if not now: in the hours of every host that it works on.
    ///
    /// # Errors
    /// The hosts have no hour in common.
    pub fn opens(&self, plan: &Plan) -> Result<Option<Timestamp>, Refusal> {
        let hosts: BTreeSet<&HostName> = plan.steps.iter().flat_map(|step| &step.hosts).collect();
        let window = |host| Some((host, self.hosts.get(host)?.window?));
        let windows: Vec<(&HostName, Window)> = hosts.into_iter().filter_map(window).collect();
        let mut at = self.now;
        // Each turn leads to the begin of one of them, of which a day and the next have twice as many.
        for _ in 0..=2 * windows.len() {
            let opens = windows.iter().map(|(_, window)| window.opens(at, &self.zone));
            match opens.max() {
                Some(later) if later > at => at = later,
                _ => return Ok((at > self.now).then_some(at)),
            }
        }
        Err(Refusal::NoCommonHour(
            windows.into_iter().map(|(host, _)| host.clone()).collect(),
        ))
    }

    /// The host with the fewest guests among those that may be chosen.
    ///
    /// # Errors
    /// There is none.
    pub fn choose_host(&self) -> Result<&HostName, Refusal> {
        let guests = |host: &HostName| self.placement.values().filter(|place| *place == host).count();
        self.hosts
            .iter()
            .filter(|(host, known)| known.selectable && !self.maintenance.contains(*host))
            .map(|(host, _)| host)
            .min_by_key(|host| guests(host))
            .ok_or(Refusal::NoHost)
    }
}

/// The hosts of `slaves`, as they are reached with `settings`.
#[must_use]
pub fn site_hosts(slaves: &Slaves, settings: &Settings) -> BTreeMap<HostName, SiteHost> {
    slaves
        .hosts
        .iter()
        .map(|slave| (slave.name.clone(), site_host(slave, settings)))
        .collect()
}

fn site_host(slave: &Slave, settings: &Settings) -> SiteHost {
    let address = slave.address.as_deref().unwrap_or(slave.name.as_str());
    let (destination, shell) = match &settings.paper {
        Some(pool) => (
            format!("{}:", slave.name),
            format!("{0}/bin/../line {0}", pool.display()),
        ),
        None => reach(slave, address, settings.ssh.config.as_deref()),
    };
    // What slaves.conf accepts is one line.
    let line = |text: &str| text.parse().unwrap_or_default();
    SiteHost {
        drivers: slave.drivers,
        selectable: !slave.noselect,
        address: line(address),
        port: slave.port.unwrap_or(22),
        user: line(slave.user.as_deref().unwrap_or("root")),
        bwlimit: slave.bwlimit.map_or(0, |bytes| bytes.div_ceil(1024)),
        compress: slave.compress.into(),
        window: slave.window,
        relay: slave.relay.into(),
        destination: line(&destination),
        rsync: line(match slave.user.as_deref() {
            None | Some("root") => "rsync",
            Some(_) => "sudo -n rsync",
        }),
        shell: line(&shell),
    }
}

/// What the master's rsync takes before the colon, and its remote shell.
fn reach(slave: &Slave, address: &str, config: Option<&Path>) -> (String, String) {
    let address = match address.contains(':') {
        true => format!("[{address}]"),
        false => address.to_owned(),
    };
    let user = slave
        .user
        .as_ref()
        .map_or(String::new(), |user| format!("{user}@"));
    let mut shell = "ssh -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=5".to_owned();
    if let Some(port) = slave.port {
        shell.push_str(&format!(" -p {port}"));
    }
    if let Some(config) = config {
        shell.push_str(&format!(" -F {}", config.display()));
    }
    (format!("{user}{address}:"), shell)
}
