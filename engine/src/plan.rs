//! A plan: the immutable list of steps that a job will perform. It is made once at submit and stored; resuming reads
//! it and never plans again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{HostName, StepNo};

/// The steps of a job, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// At least one.
    pub steps: Vec<Step>,
}

impl Plan {
    /// The step that is the point of no return, if the plan has one.
    #[must_use]
    pub fn pivot(&self) -> Option<StepNo> {
        self.numbered().find(|(_, step)| step.pivot).map(|(no, _)| no)
    }

    /// The step numbered `no`.
    #[must_use]
    pub fn step(&self, no: StepNo) -> Option<&Step> {
        self.steps.get(no.index())
    }

    /// Every host that a step acts on.
    #[must_use]
    pub fn hosts(&self) -> BTreeSet<&HostName> {
        self.steps.iter().flat_map(|step| &step.hosts).collect()
    }

    /// The steps with their numbers.
    pub fn numbered(&self) -> impl DoubleEndedIterator<Item = (StepNo, &Step)> {
        self.steps
            .iter()
            .enumerate()
            .map(|(no, step)| (StepNo(u16::try_from(no).unwrap_or(u16::MAX)), step))
    }

    /// Checks what every plan must keep.
    ///
    /// # Errors
    /// Names the first rule that the plan breaks: it has steps, at most one pivot, and each argument
    /// that is an output comes from an earlier step.
    pub fn check(&self) -> Result<(), String> {
        if self.steps.is_empty() {
            return Err("the plan has no steps".to_owned());
        }
        if self.steps.iter().filter(|step| step.pivot).count() > 1 {
            return Err("the plan has more than one pivot".to_owned());
        }
        for (no, step) in self.numbered() {
            for arg in &step.args {
                if let Value::Output { step: from, key } = &arg.value
                    && *from >= no
                {
                    return Err(format!(
                        "step {no} takes `{key}` from step {from}, which is not before it"
                    ));
                }
            }
        }
        Ok(())
    }
}

/// One step: an action with its arguments, on the hosts it acts on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What it does, in a few words, for people ("stop ldap").
    pub title: String,
    /// Which action.
    pub action: ActionRef,
    /// Its arguments, in the order in which its scripts take them.
    pub args: Vec<Arg>,
    /// The hosts it acts on, each with one slot held meanwhile; the first is where its script runs. None: on the master.
    pub hosts: Vec<HostName>,
    /// Whether and how it is undone.
    pub undo: Option<UndoKind>,
    /// From this step's intent on the job only goes forward.
    pub pivot: bool,
    /// What to do when an attempt fails.
    pub retry: Retry,
    /// What it may leave on a host: in the ledger from its intent on.
    pub creates: Vec<Object>,
    /// Earlier steps whose objects are gone, or are somebody's own, when this step has succeeded.
    pub strikes: Vec<StepNo>,
    /// Where guests live once this step has succeeded.
    pub places: Vec<Placing>,
}

/// An action by name, and which version of its scripts and arguments.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ActionRef {
    /// Such as `guest-stop`.
    pub name: String,
    /// Grows with each change of its arguments or meaning.
    pub version: u32,
}

/// A named argument.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arg {
    /// Its name, for people.
    pub name: String,
    /// Its value, or where that comes from.
    pub value: Value,
}

/// The value of an argument.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Value {
    /// Known when the plan was made. One line.
    Text(String),
    /// The output `key` of an earlier step.
    Output {
        /// The earlier step.
        step: StepNo,
        /// Which of its outputs.
        key: String,
    },
}

/// What a step answered: `key=value` lines.
pub type Outputs = BTreeMap<String, String>;

/// How the undo of a step stands to the undos before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UndoKind {
    /// No earlier step is undone until this undo is confirmed.
    Gating,
    /// If its host is away it becomes a debt, and the rest of the undo goes on.
    Cleaning,
}

/// How often and how long an attempt is repeated. Only transient, partial and unknown failures are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// Attempts in all, at least 1.
    pub attempts: u32,
    /// The wait before the second attempt; doubles with each further one.
    pub first_wait: Duration,
    /// The longest wait.
    pub longest_wait: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 6,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
        }
    }
}

/// Something that a step may leave behind on a host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Object {
    /// What it is: `volume`, `snapshot`, `key`, `rule`, `definition`.
    pub kind: String,
    /// The host it is on.
    pub host: HostName,
    /// Its name there.
    pub name: String,
}

/// A change of where a guest lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Placing {
    /// The guest lives on this host from now on.
    Place {
        /// The guest.
        guest: String,
        /// Its host.
        host: HostName,
    },
    /// The guest is nowhere any more.
    Remove {
        /// The guest.
        guest: String,
    },
}
