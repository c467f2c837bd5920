//! Where things are: the settings, the hosts, the networks, the socket, the master's folder. Flags win over the environment, that
//! over vsjob.toml, that over the shipped file.

use std::io;
use std::path::{Path, PathBuf};

use vsjob_workers::{CreateDefaults, Networks, Problems, Settings, Slaves};
use vsjob_workflows::{BackupConf, operation};

use crate::args::Global;
use crate::{Complaint, Exit};

/// Where the settings are if nobody says otherwise.
const DEFAULT: &str = "/etc/vsjob/vsjob.toml";

/// The configuration files as found.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    settings: File,
    slaves: File,
    networks: File,
    create: File,
    backup: File,
}

#[derive(Clone, Debug)]
struct File {
    path: PathBuf,
    text: String,
}

impl Files {
    /// Reads the files that `global` names. Those that are not there are empty, unless they were named.
    ///
    /// # Errors
    /// One cannot be read.
    pub(crate) fn read(global: &Global) -> Result<Self, Complaint> {
        let path = global.config.clone().unwrap_or_else(|| DEFAULT.into());
        let beside = |name: &str| File::read(path.with_file_name(name), false);
        Ok(Self {
            slaves: beside("slaves.conf")?,
            networks: beside("networks.conf")?,
            create: beside("create.conf")?,
            backup: beside("backup.conf")?,
            settings: File::read(path, global.config.is_some())?,
        })
    }

    /// The settings, with what `global` overrides.
    ///
    /// # Errors
    /// All mistakes of the file.
    pub(crate) fn settings(&self, global: &Global) -> Result<Settings, Problems> {
        let mut settings = Settings::parse(&self.settings.name(), &self.settings.text)?;
        if let Some(state) = &global.state {
            settings.state.clone_from(state);
            // A folder of its own is a master of its own.
            settings.socket = state.join("vsjob.sock");
        }
        if let Some(socket) = &global.socket {
            settings.socket.clone_from(socket);
        }
        Ok(settings)
    }

    /// Whether what the settings' schedules submit could be submitted by anybody: what is there to be done with is seen
    /// when it is due.
    ///
    /// # Errors
    /// An operation is none, or does not take what it is given.
    pub(crate) fn operations_of(&self, settings: &Settings) -> Result<(), Complaint> {
        for (name, schedule) in &settings.schedules {
            let given = schedule.args.iter().cloned().collect();
            operation(&schedule.operation)
                .and_then(|operation| operation.takes(&given))
                .map_err(|why| {
                    let said = format!("schedule `{name}` of {} cannot be", self.settings.name());
                    Complaint::new(why.code(), Exit::Config, said)
                        .because(&why)
                        .hint(why.hint())
                })?;
        }
        Ok(())
    }

    /// The hosts.
    ///
    /// # Errors
    /// All mistakes of the file.
    pub(crate) fn slaves(&self) -> Result<Slaves, Problems> {
        Slaves::parse(&self.slaves.name(), &self.slaves.text)
    }

    /// The networks that guests are in.
    ///
    /// # Errors
    /// All mistakes of the file.
    pub(crate) fn networks(&self) -> Result<Networks, Problems> {
        Networks::parse(&self.networks.name(), &self.networks.text)
    }

    /// What new guests get when their request does not say.
    ///
    /// # Errors
    /// All mistakes of the file.
    pub(crate) fn create_defaults(&self) -> Result<CreateDefaults, Problems> {
        CreateDefaults::parse(&self.create.name(), &self.create.text)
    }

    /// The guests that are consolidated.
    ///
    /// # Errors
    /// All mistakes of the file.
    pub(crate) fn backup_conf(&self) -> Result<BackupConf, Problems> {
        BackupConf::parse(&self.backup.name(), &self.backup.text)
    }

    /// The folder of the files.
    #[must_use]
    pub(crate) fn folder(&self) -> &Path {
        self.settings.path.parent().unwrap_or(Path::new("/"))
    }

    /// The paths of the files that are there.
    pub(crate) fn found(&self) -> impl Iterator<Item = &Path> {
        let Self {
            settings,
            slaves,
            networks,
            create,
            backup,
        } = self;
        [settings, slaves, networks, create, backup]
            .into_iter()
            .map(|file| file.path.as_path())
            .filter(|path| path.exists())
    }
}

impl File {
    fn read(path: PathBuf, named: bool) -> Result<Self, Complaint> {
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Self { path, text }),
            Err(e) if e.kind() == io::ErrorKind::NotFound && !named => Ok(Self {
                path,
                text: String::new(),
            }),
            Err(e) => Err(Complaint::new(
                "VSJ0501",
                Exit::Config,
                format!("failed to read {}", path.display()),
            )
            .because(&e)
            .hint("check the path given by --config or VSJOB_CONFIG, and who may read it")),
        }
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }
}
