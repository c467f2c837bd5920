//! Why a request is refused at submit, when nothing has been changed yet. Each refusal has a code, which `vsjob
//! explain` tells more about (`docs/errors/`), and a hint.

use vsjob_engine::HostName;

use crate::{GenerationName, GuestName, TemplateName};

/// A request that does not become a job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such operation.
    #[error("there is no operation `{name}`")]
    UnknownOperation {
        /// As asked.
        name: String,
        /// The nearest one there is.
        nearest: Option<&'static str>,
    },
    /// The operation has no such parameter.
    #[error("`{operation}` has no parameter `{name}`")]
    UnknownParameter {
        /// The operation.
        operation: &'static str,
        /// As given.
        name: String,
        /// The nearest one there is.
        nearest: Option<&'static str>,
    },
    /// A parameter is missing.
    #[error("`{operation}` needs `{name}`")]
    MissingParameter {
        /// The operation.
        operation: &'static str,
        /// The parameter.
        name: &'static str,
    },
    /// A parameter is not what it should be.
    #[error("parameter `{name}`: {why}")]
    BadParameter {
        /// The parameter.
        name: &'static str,
        /// What is wrong.
        why: String,
    },
    /// Placement has no such guest.
    #[error("there is no guest `{0}`")]
    UnknownGuest(GuestName),
    /// slaves.conf has no such host.
    #[error("there is no host `{0}`")]
    UnknownHost(HostName),
    /// A new guest has the name of one that is there.
    #[error("there is a guest `{guest}` already, on {host}")]
    GuestExists {
        /// The guest.
        guest: GuestName,
        /// Where it lives.
        host: HostName,
    },
    /// A move to where the guest is.
    #[error("`{guest}` is on {host} already")]
    AlreadyThere {
        /// The guest.
        guest: GuestName,
        /// Where it lives.
        host: HostName,
    },
    /// The request says that the guest is elsewhere than placement does.
    #[error("`{guest}` is on {host}, not on {said}")]
    NotThere {
        /// The guest.
        guest: GuestName,
        /// Where it lives.
        host: HostName,
        /// Where the request says that it is.
        said: HostName,
    },
    /// The master has no such template.
    #[error("there is no template `{0}`")]
    UnknownTemplate(TemplateName),
    /// A new template has the name of one that is there.
    #[error("there is a template `{0}` already")]
    TemplateExists(TemplateName),
    /// A template that a job still needs.
    #[error("jobs that are not over name the template `{template}`: {}", jobs.join(", "))]
    TemplateInUse {
        /// The template.
        template: TemplateName,
        /// The jobs.
        jobs: Vec<String>,
    },
    /// The guest has no such generation.
    #[error("{guest} has no generation {name}")]
    UnknownGeneration {
        /// The guest.
        guest: GuestName,
        /// The generation.
        name: GenerationName,
    },
    /// No generation of the guest can be restored, or not the one that was asked for.
    #[error("{}; whole are: {}", match asked {
        Some((name, why)) => format!("generation {name} of {guest} cannot be restored: {why}"),
        None => format!("{guest} has no generation that can be restored"),
    }, if whole.is_empty() { "none" } else { whole })]
    NotWhole {
        /// The guest.
        guest: GuestName,
        /// The generation that was asked for, and what is wrong with it.
        asked: Option<(GenerationName, String)>,
        /// Those that are whole as far as is known, the newest first.
        whole: String,
    },
    /// A generation has no such file.
    #[error("there is no `{path}` in generation {name}")]
    NoFile {
        /// As asked, from the guest's root on.
        path: String,
        /// The generation.
        name: GenerationName,
    },
    /// No network of networks.conf has that address.
    #[error("no network of networks.conf holds the address {0}")]
    NoNetwork(std::net::IpAddr),
    /// An address that no guest can have.
    #[error("{address} cannot be a guest's address: {why}")]
    BadAddress {
        /// The address.
        address: std::net::IpAddr,
        /// Why not.
        why: &'static str,
    },
    /// Nothing new is sent to that host.
    #[error("{0} is in maintenance: nothing new is sent there")]
    InMaintenance(HostName),
    /// Their hours for large copies do not overlap.
    #[error("there is no hour in which all of these may be copied from and to: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    NoCommonHour(Vec<HostName>),
    /// No host is left to choose from.
    #[error("no host can be chosen")]
    NoHost,
    /// A batch of nobody.
    #[error("there is no guest{} for which this would be done", .0.as_ref().map_or(String::new(), |host| format!(" on {host}")))]
    NoGuests(Option<HostName>),
    /// The host whose guests are to be measured says nothing.
    #[error("what the guests of {host} take cannot be learnt: {why}")]
    Silent {
        /// The host.
        host: HostName,
        /// Why it says nothing.
        why: String,
    },
    /// There is no host where the guest could go.
    #[error("there is no place for {guest}: {why}")]
    NoRoom {
        /// The guest.
        guest: GuestName,
        /// What is in the way, host by host.
        why: String,
    },
    /// The two hosts' drivers differ.
    #[error("{from} and {to} have a different runtime or network, and a guest moves only between equal ones")]
    DriversDiffer {
        /// Where the guest is.
        from: HostName,
        /// Where it should go.
        to: HostName,
    },
    /// No guest of that name waits to be deleted.
    #[error("nothing of a removed guest `{0}` waits to be deleted")]
    NothingRemoved(GuestName),
    /// There were several of that name.
    #[error("several guests `{guest}` were removed")]
    RemovedTwice {
        /// The name.
        guest: GuestName,
        /// The removes.
        jobs: Vec<String>,
    },
    /// The host's drivers cannot do what the operation needs.
    #[error("the drivers of {host} cannot do what this needs: {what}")]
    Unable {
        /// The host.
        host: HostName,
        /// What is needed.
        what: &'static str,
    },
}

impl Refusal {
    /// Its code, for good.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownOperation { .. } => "VSJ0401",
            Self::UnknownParameter { .. } => "VSJ0402",
            Self::MissingParameter { .. } => "VSJ0403",
            Self::BadParameter { .. } => "VSJ0404",
            Self::UnknownGuest(_) => "VSJ0405",
            Self::UnknownHost(_) => "VSJ0406",
            Self::GuestExists { .. } => "VSJ0407",
            Self::AlreadyThere { .. } => "VSJ0408",
            Self::NotThere { .. } => "VSJ0409",
            Self::UnknownTemplate(_) => "VSJ0410",
            Self::TemplateInUse { .. } => "VSJ0431",
            Self::TemplateExists(_) => "VSJ0433",
            Self::UnknownGeneration { .. } => "VSJ0497",
            Self::NotWhole { .. } => "VSJ0499",
            Self::NoFile { .. } => "VSJ0489",
            Self::NoNetwork(_) => "VSJ0411",
            Self::BadAddress { .. } => "VSJ0412",
            Self::NoHost => "VSJ0413",
            Self::DriversDiffer { .. } => "VSJ0414",
            Self::Unable { .. } => "VSJ0415",
            Self::NothingRemoved(_) => "VSJ0426",
            Self::RemovedTwice { .. } => "VSJ0427",
            Self::InMaintenance(_) => "VSJ0541",
            Self::NoCommonHour(_) => "VSJ0549",
            Self::NoGuests(_) => "VSJ0416",
            Self::Silent { .. } => "VSJ0428",
            Self::NoRoom { .. } => "VSJ0429",
        }
    }

    /// What to do about it, in one line.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::UnknownOperation { nearest, .. } | Self::UnknownParameter { nearest, .. } => match nearest {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => "`vsjob submit --help` lists what there is".to_owned(),
            },
            Self::MissingParameter { name, .. } => format!("add --{name}"),
            Self::BadParameter { name, .. } => format!("correct --{name}"),
            Self::UnknownGuest(_) => {
                "`vsjob guest list` shows the known ones; `vsjob scan` finds others, and `vsjob guest adopt` takes them in".to_owned()
            }
            Self::UnknownHost(_) => "`vsjob host list` shows the known ones; new ones go into slaves.conf".to_owned(),
            Self::GuestExists { .. } => "choose another name, or rename that one".to_owned(),
            Self::AlreadyThere { .. } => "choose another host with --dst".to_owned(),
            Self::NotThere { .. } => {
                "leave --src, or --host, out, or look at `vsjob scan` if you think that placement is wrong".to_owned()
            }
            Self::UnknownGeneration { .. } => "`vsjob generation list` shows those that there are".to_owned(),
            Self::NoFile { .. } => "it is the path in the guest, without links; `ls` in the folder of the generation, beneath tree/, shows what there is".to_owned(),
            Self::NotWhole { .. } => "name one that is whole with --generation; `vsjob generation list` tells more".to_owned(),
            Self::UnknownTemplate(_) => "templates are files NAME.tar, .tar.gz or .tar.zst in the master's folder of templates".to_owned(),
            Self::TemplateExists(name) => format!("choose another name, or `vsjob template remove {name}`"),
            Self::TemplateInUse { .. } => "wait until they are over, or `vsjob cancel` them; `vsjob status JOB` shows one".to_owned(),
            Self::NoNetwork(_) => "add its network to networks.conf".to_owned(),
            Self::BadAddress { .. } => "choose another address with --interface".to_owned(),
            Self::NoHost => "name one with --host, or look at `vsjob host list`: noselect in slaves.conf, and maintenance".to_owned(),
            Self::Silent { .. } => "`vsjob host list` tells which hosts answer; guests come off one that does".to_owned(),
            Self::NoRoom { .. } => "make room, or `move` it to a host that you choose".to_owned(),
            Self::DriversDiffer { .. } => "choose a host with the same `driver` and `network` with --dst".to_owned(),
            Self::Unable { .. } => "choose another host".to_owned(),
            Self::NothingRemoved(_) => {
                "`vsjob status` shows what waits, as purge-later; `vsjob generation list` what the master has kept".to_owned()
            }
            Self::RemovedTwice { jobs, .. } => format!("say which with --job: {}", jobs.join(", ")),
            Self::InMaintenance(host) => {
                format!("choose another host; `vsjob host maintenance {host} off` ends it")
            }
            Self::NoCommonHour(_) => "correct window= in slaves.conf, or begin now with --any-hour".to_owned(),
            Self::NoGuests(_) => "`vsjob guest list` shows the guests and where they live, and backup.conf has those that `backup --all` is about".to_owned(),
        }
    }

    /// A parameter that is not the name it should be.
    pub fn bad(name: &'static str, why: &impl std::fmt::Display) -> Self {
        Self::BadParameter {
            name,
            why: why.to_string(),
        }
    }
}
