//! A request as it comes in, from the command line or as JSON: parameters by name, all text. Operations read it into
//! their own types, which is where rules are checked.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use crate::Refusal;

/// Parameters by name. What was not given is not there; a switch that is on is `true`.
pub type Parameters = BTreeMap<String, String>;

/// A parameter that an operation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// As in `--name`.
    pub name: &'static str,
    /// What stands for its value in a help text; empty: it is a switch.
    pub value: &'static str,
    /// Whether it must be given.
    pub required: bool,
    /// What it is for, in one line.
    pub help: &'static str,
}

impl Parameter {
    /// The guest that an operation is about.
    pub(crate) const GUEST: Self = Self::required("name", "GUEST", "the guest");

    /// The guest that an operation is about, where `--all` may stand in its place.
    pub(crate) const GUEST_OR_ALL: Self = Self::optional("name", "GUEST", "the guest");
    /// See [`Parameter::GUEST_OR_ALL`].
    pub(crate) const ALL: Self = Self::switch("all", "every guest, each as a job of its own");

    /// What every operation takes that copies guests, and can wait.
    pub(crate) const ANY_HOUR: Self = Self::switch(
        "any-hour",
        "begin now, whatever hours slaves.conf has for large copies (window=)",
    );

    /// One that must be given.
    pub(crate) const fn required(name: &'static str, value: &'static str, help: &'static str) -> Self {
        let required = true;
        Self {
            name,
            value,
            required,
            help,
        }
    }

    /// One that may be given.
    pub(crate) const fn optional(name: &'static str, value: &'static str, help: &'static str) -> Self {
        let required = false;
        Self {
            name,
            value,
            required,
            help,
        }
    }

    /// One that is there or not.
    pub(crate) const fn switch(name: &'static str, help: &'static str) -> Self {
        Self::optional(name, "", help)
    }
}

/// The parameters of one operation, being read.
pub struct Reading<'a> {
    operation: &'static str,
    given: &'a Parameters,
}

impl<'a> Reading<'a> {
    /// # Errors
    /// Refuses parameters that the operation does not have, and required ones that are missing.
    pub fn begin(
        operation: &'static str,
        known: &'static [Parameter],
        given: &'a Parameters,
    ) -> Result<Self, Refusal> {
        for name in given.keys() {
            if !known.iter().any(|parameter| parameter.name == name) {
                return Err(Refusal::UnknownParameter {
                    operation,
                    name: name.chars().take(80).collect(),
                    nearest: nearest(name, known.iter().map(|parameter| parameter.name)),
                });
            }
        }
        match known
            .iter()
            .find(|parameter| parameter.required && !given.contains_key(parameter.name))
        {
            Some(missing) => Err(Refusal::MissingParameter {
                operation,
                name: missing.name,
            }),
            None => Ok(Self { operation, given }),
        }
    }

    /// All that was given.
    pub(crate) fn given(&self) -> &Parameters {
        self.given
    }

    /// The parameter `name`, which must be there.
    ///
    /// # Errors
    /// It is not, or it is not a `T`.
    pub fn required<T: FromStr<Err: Display>>(&self, name: &'static str) -> Result<T, Refusal> {
        self.optional(name)?.ok_or(Refusal::MissingParameter {
            operation: self.operation,
            name,
        })
    }

    /// The parameter `name`, if it is there.
    ///
    /// # Errors
    /// It is not a `T`.
    pub fn optional<T: FromStr<Err: Display>>(&self, name: &'static str) -> Result<Option<T>, Refusal> {
        self.given
            .get(name)
            .map(|text| text.parse().map_err(|why| Refusal::bad(name, &why)))
            .transpose()
    }

    /// Whether the switch `name` is on.
    ///
    /// # Errors
    /// It is neither `true` nor `false`.
    pub fn switch(&self, name: &'static str) -> Result<bool, Refusal> {
        Ok(self.optional::<bool>(name)?.unwrap_or(false))
    }
}

/// The candidate that looks most like `name`, if one does.
pub(crate) fn nearest(name: &str, candidates: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    candidates
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
