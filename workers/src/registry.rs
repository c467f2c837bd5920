//! Every action that this program has, and the text of its scripts for a host's drivers. `--plan` shows what is
//! asked here, and a run sends what is asked here: the same objects.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use vsjob_engine::ActionRef;

use crate::{Drivers, HostAction, Library, MasterAction};

/// Which of an action's scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Says whether it is done.
    Probe,
    /// Performs it.
    Do,
    /// Takes it back.
    Undo,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Probe => "probe",
            Self::Do => "do",
            Self::Undo => "undo",
        })
    }
}

/// A complete script: the prelude, the libraries and the action's own text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Such as `guest-stop.do`.
    pub name: String,
    /// What `sh` reads.
    pub text: Arc<str>,
    /// The first 12 hexadecimal digits of the text's blake3.
    pub hash: String,
}

impl Script {
    /// The script `name` that consists of `own`, behind the prelude and `libraries`.
    #[must_use]
    pub fn compose(name: impl Into<String>, libraries: &[&str], own: &str) -> Self {
        let mut text = include_str!("prelude.sh").to_owned();
        for part in libraries.iter().copied().chain([own]) {
            text.push('\n');
            text.push_str(part);
        }
        Self::bare(name, &text)
    }

    /// A script of nothing but `text`.
    pub(crate) fn bare(name: impl Into<String>, text: &str) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
            hash: blake3::hash(text.as_bytes()).to_hex()[..12].to_owned(),
        }
    }
}

/// An action, of either kind.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    /// Performed on a host.
    Host(&'static HostAction),
    /// Performed on the master.
    Master(&'static MasterAction),
}

impl Action {
    /// Its name and version.
    #[must_use]
    pub fn reference(&self) -> ActionRef {
        let (name, version) = match self {
            Self::Host(action) => (action.name, action.version),
            Self::Master(action) => (action.name, action.version),
        };
        ActionRef {
            name: name.to_owned(),
            version,
        }
    }

    /// The names of its arguments, in order.
    #[must_use]
    pub fn args(&self) -> &'static [&'static str] {
        match self {
            Self::Host(action) => action.args,
            Self::Master(action) => action.args,
        }
    }

    /// The results that a success always has.
    #[must_use]
    pub fn outputs(&self) -> &'static [&'static str] {
        match self {
            Self::Host(action) => action.outputs,
            Self::Master(action) => action.outputs,
        }
    }
}

/// All actions by name and version.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    actions: BTreeMap<ActionRef, Action>,
}

impl Registry {
    /// A registry of these actions. Of two with one name and version the later stands.
    #[must_use]
    pub fn new(actions: impl IntoIterator<Item = Action>) -> Self {
        let actions = actions
            .into_iter()
            .map(|action| (action.reference(), action))
            .collect();
        Self { actions }
    }

    /// The action called `reference`.
    #[must_use]
    pub fn find(&self, reference: &ActionRef) -> Option<Action> {
        self.actions.get(reference).copied()
    }

    /// All actions, by name and version.
    pub fn iter(&self) -> impl Iterator<Item = Action> + '_ {
        self.actions.values().copied()
    }
}

impl HostAction {
    /// The script of that side on a host with these drivers; none if the action has no such side.
    #[must_use]
    pub fn script(&self, side: Side, drivers: &Drivers) -> Option<Script> {
        let own = match side {
            Side::Probe => self.probe,
            Side::Do => self.do_,
            Side::Undo => self.undo,
        };
        if own.is_empty() {
            return None;
        }
        let libraries: Vec<&str> = self
            .needs
            .iter()
            .map(|&which: &Library| drivers.library(which))
            .collect();
        Some(Script::compose(format!("{}.{side}", self.name), &libraries, own))
    }
}
