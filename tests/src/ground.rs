//! What the same test stands on: a paper host, or a real one of the lab. So that paper hosts are shown to tell the
//! truth.

use std::sync::Arc;
use std::time::Duration;

use vsjob_engine::{HostName, SystemClock};
use vsjob_workers::{Pool, Registry, Settings, Slaves};

use crate::hosts::Host;
use crate::lab::Lab;
use crate::paper::{PaperHost, PaperPool};

/// Hosts of either kind.
#[derive(Clone)]
pub enum Ground {
    /// Folders.
    Paper(Arc<PaperPool>),
    /// Real ones.
    Lab(Arc<Lab>, HostName),
}

impl Ground {
    /// Paper hosts, with systemd or without.
    ///
    /// # Errors
    /// Their folders cannot be made.
    pub fn paper(hosts: usize, systemd: bool) -> anyhow::Result<Self> {
        let paper = PaperPool::new(hosts)?;
        if systemd {
            paper.paper_hosts().iter().try_for_each(PaperHost::with_systemd)?;
        }
        Ok(Self::Paper(Arc::new(paper)))
    }

    /// Hosts of a lab, where there can be one; this thread is in the master's network from then on.
    ///
    /// # Errors
    /// There can be one, and yet it fails.
    pub fn lab(hosts: u8) -> anyhow::Result<Option<Self>> {
        let Some(lab) = Lab::up(hosts)? else {
            return Ok(None);
        };
        lab.enter_network()?;
        Ok(Some(Self::Lab(Arc::new(lab), FIRST.parse()?)))
    }

    /// A host that is a virtual machine, with the volume group `vsh` and a thin pool in it.
    ///
    /// # Errors
    /// There can be one, and yet it fails.
    pub fn vm() -> anyhow::Result<Option<Self>> {
        let Some(lab) = Lab::up_with_vms(1, 1)? else {
            return Ok(None);
        };
        lab.run(
            FIRST,
            "vgcreate -q vsh /dev/vdb; lvcreate -q -y -L 3g --thinpool pool vsh",
        )?;
        lab.enter_network()?;
        Ok(Some(Self::Lab(Arc::new(lab), FIRST.parse()?)))
    }

    /// What the workers act with on these hosts.
    ///
    /// # Errors
    /// The configuration of the ground is wrong.
    pub fn pool(&self, registry: Registry) -> anyhow::Result<Pool> {
        let clock = Arc::new(SystemClock);
        match self {
            Self::Paper(paper) => paper.pool(registry, clock),
            Self::Lab(lab, _) => {
                let slaves = Slaves::parse("slaves.conf", &std::fs::read_to_string(lab.slaves_conf())?)?;
                let mut settings = Settings::parse("vsjob.toml", "")?;
                settings.ssh.config = Some(lab.ssh_config());
                settings.ssh.control_directory = lab.folder().join("control");
                let (connect, alive) = lab.patience();
                settings.ssh.connect_timeout = Duration::from_secs(connect);
                settings.ssh.keep_alive = Duration::from_secs(alive);
                Ok(Pool::configured(registry, &slaves, &settings, clock))
            }
        }
    }

    /// The first host.
    #[must_use]
    pub fn host(&self) -> HostName {
        match self {
            Self::Paper(paper) => paper.paper_host(1).name.clone(),
            Self::Lab(_, name) => name.clone(),
        }
    }

    /// The text of a file of the first host, by its path without the leading slash.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(&self, path: &str) -> anyhow::Result<String> {
        match self {
            Self::Paper(paper) => paper.paper_host(1).read(path),
            Self::Lab(lab, _) => lab.run(FIRST, &format!("cat '/{path}'")),
        }
    }

    /// Whether the first host has a file.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        match self {
            Self::Paper(paper) => paper.paper_host(1).has(path),
            Self::Lab(lab, _) => lab.run(FIRST, &format!("test -e '/{path}'")).is_ok(),
        }
    }

    /// Runs a shell text on the first host, not over its lines; `$R` is the host's root.
    ///
    /// # Errors
    /// It fails.
    pub fn run(&self, text: &str) -> anyhow::Result<String> {
        match self {
            Self::Paper(paper) => {
                let mut shell = std::process::Command::new("sh");
                shell.args(["-euc", text]).env("R", paper.paper_host(1).path(""));
                crate::lab::succeeded(shell.output()?, text)
            }
            Self::Lab(lab, _) => lab.run(FIRST, &format!("R=\n{text}")),
        }
    }

    /// Breaks the lines to the first host.
    ///
    /// # Errors
    /// It cannot be done.
    pub fn cut(&self) -> anyhow::Result<()> {
        match self {
            Self::Paper(paper) => paper.paper_host(1).cut(),
            Self::Lab(lab, _) => lab.cut(FIRST),
        }
    }

    /// Lets lines be opened again.
    ///
    /// # Errors
    /// It cannot be done.
    pub fn heal(&self) -> anyhow::Result<()> {
        match self {
            Self::Paper(paper) => paper.paper_host(1).heal(),
            Self::Lab(lab, _) => lab.heal(FIRST),
        }
    }

    /// Ends every connection of the first host; others can be made at once.
    ///
    /// # Errors
    /// It cannot be done.
    pub fn kill_sshd(&self) -> anyhow::Result<()> {
        match self {
            Self::Paper(paper) => {
                paper.paper_host(1).cut()?;
                paper.paper_host(1).heal()
            }
            Self::Lab(lab, _) => lab.kill_sshd(FIRST),
        }
    }

    /// Cuts the power of the first host.
    ///
    /// # Errors
    /// It cannot be done.
    pub fn power_cut(&self) -> anyhow::Result<()> {
        match self {
            Self::Paper(paper) => paper.paper_host(1).power_off(),
            Self::Lab(lab, _) => lab.power_cut(FIRST),
        }
    }

    /// Boots it again.
    ///
    /// # Errors
    /// It cannot be done.
    pub fn boot(&self) -> anyhow::Result<()> {
        match self {
            Self::Paper(paper) => paper.paper_host(1).reboot(),
            Self::Lab(lab, _) => lab.boot(FIRST),
        }
    }
}

const FIRST: &str = "vsh-01";
