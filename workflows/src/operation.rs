//! The operations: what can be submitted. Each reads a request, refuses what cannot be done, and writes a plan; none
//! of it changes anything, so a plan can be looked at (`--plan`) before it is submitted.

use vsjob_engine::{HostName, Lock, Plan, Timestamp};

use crate::batch::Many;
use crate::request::{Parameter, Parameters, Reading, nearest};
use crate::{GuestName, Refusal, Site, TemplateName};

/// What an operation makes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// What will be performed.
    pub plan: Plan,
    /// What the job holds while it is open.
    pub locks: Vec<Lock>,
    /// What it is about, in a few words ("move ldap from vsh-01 to vsh-02").
    pub title: String,
    /// It copies guests, and a host that it works on has that only from then on (`window=` in slaves.conf).
    pub not_before: Option<Timestamp>,
}

/// What can be held.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Held {
    /// A guest.
    Guest(GuestName),
    /// A host: shared by all that work on it, exclusively by what changes it as a whole.
    Host(HostName),
    /// An address.
    Address(std::net::IpAddr),
    /// A template.
    Template(TemplateName),
}

impl Held {
    /// Nobody else may hold it.
    #[must_use]
    pub fn alone(self) -> Lock {
        Lock {
            key: self.to_string(),
            shared: false,
        }
    }

    /// Others may hold it too, if they share it.
    #[must_use]
    pub fn shared(self) -> Lock {
        Lock {
            key: self.to_string(),
            shared: true,
        }
    }
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Guest(name) => write!(f, "guest/{name}"),
            Self::Host(name) => write!(f, "host/{name}"),
            Self::Address(address) => write!(f, "address/{address}"),
            Self::Template(name) => write!(f, "template/{name}"),
        }
    }
}

/// An operation.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// Its name, as submitted.
    pub name: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// What it takes.
    pub parameters: &'static [Parameter],
    /// It can be done for many guests at once, by `--all`.
    pub(crate) all: Option<Many>,
    pub(crate) plan: fn(&Reading<'_>, &Site) -> Result<Planned, Refusal>,
}

impl Operation {
    /// Whether it takes these parameters, whatever there is to be done with.
    ///
    /// # Errors
    /// It does not know one, or lacks one.
    pub fn takes(&self, given: &Parameters) -> Result<(), Refusal> {
        Reading::begin(self.name, self.parameters, given).map(drop)
    }

    /// Turns a request into a plan, as things stand at `site`.
    ///
    /// # Errors
    /// The request is not one, or it cannot be done.
    pub fn plan(&self, given: &Parameters, site: &Site) -> Result<Planned, Refusal> {
        let reading = Reading::begin(self.name, self.parameters, given)?;
        match self.all {
            Some(many) if reading.switch("all")? => crate::batch::plan(self, many, given, &reading, site),
            _ => {
                let mut planned = (self.plan)(&reading, site)?;
                if self.copies() && !reading.switch(Parameter::ANY_HOUR.name)? {
                    planned.not_before = site.opens(&planned.plan)?;
                }
                Ok(planned)
            }
        }
    }

    /// Whether it copies guests from host to host, or from and to the master, and nobody is without a guest meanwhile.
    fn copies(&self) -> bool {
        self.parameters.contains(&Parameter::ANY_HOUR)
    }
}

/// Every operation there is.
#[must_use]
pub fn operations() -> &'static [Operation] {
    &[
        crate::demo::OPERATION,
        crate::create::OPERATION,
        crate::move_::OPERATION,
        crate::evacuate::OPERATION,
        crate::recover::OPERATION,
        crate::fence::OPERATION,
        crate::backup::OPERATION,
        crate::restore::OPERATION,
        crate::stored::GET,
        crate::stored::PUT,
        crate::prune::OPERATION,
        crate::pin::PIN,
        crate::pin::UNPIN,
        crate::remove::OPERATION,
        crate::undelete::OPERATION,
        crate::rename::OPERATION,
        crate::purge::OPERATION,
        crate::purge::LATER,
        crate::guest::START,
        crate::guest::STOP,
        crate::guest::ENABLE,
        crate::guest::DISABLE,
        crate::adopt::OPERATION,
        crate::template_create::OPERATION,
        crate::template_remove::OPERATION,
    ]
}

/// The operation called `name`.
///
/// # Errors
/// There is none.
pub fn operation(name: &str) -> Result<&'static Operation, Refusal> {
    operations()
        .iter()
        .find(|operation| operation.name == name)
        .ok_or_else(|| Refusal::UnknownOperation {
            name: name.chars().take(80).collect(),
            nearest: nearest(name, operations().iter().map(|operation| operation.name)),
        })
}
