//! Claiming a host for one life of the master: afterwards no older one can change anything on it.

use std::collections::BTreeSet;

use vsjob_engine::{Epoch, HostName, JobId};

use crate::HostError;
use crate::channel::Answer;

/// What was found on a host when it was claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The host.
    pub host: HostName,
    /// The run directories, of whatever job: those that our store does not know are for people to look at.
    pub runs: Vec<Run>,
}

/// A run directory, or the mark of a step that was stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// `<job>-<step>-<attempt>`, or `<job>-<step>-stop`.
    pub name: String,
    /// `finished`, `running`, `interrupted`, `dead`, `starting` or `stop`.
    pub state: String,
}

impl Claim {
    /// The jobs whose run directories were found.
    #[must_use]
    pub fn jobs(&self) -> BTreeSet<JobId> {
        let of = |run: &Run| {
            let mut parts = run.name.rsplitn(3, '-');
            parts.nth(2)?.parse().ok()
        };
        self.runs.iter().filter_map(of).collect()
    }
}

/// Reads the answer of `claim.sh`.
pub(crate) fn parse(host: &HostName, ours: Epoch, answer: &Answer) -> Result<Claim, HostError> {
    let bad = |why: &str| HostError::BadAnswer {
        host: host.clone(),
        what: "claim.sh".to_owned(),
        why: why.to_owned(),
    };
    if answer.code != 0 {
        return Err(bad(&answer.stderr.end(300)));
    }
    let text = answer
        .stdout
        .whole()
        .and_then(|bytes| std::str::from_utf8(bytes).ok());
    let mut lines = text.ok_or_else(|| bad("not a text"))?.lines();
    match lines
        .next()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .as_deref()
    {
        Some(["claimed"]) => {}
        Some(["refused", counter, id]) => {
            return Err(HostError::EpochRefused {
                host: host.clone(),
                have: format!("{counter}-{id}"),
                ours,
            });
        }
        _ => return Err(bad("neither claimed nor refused")),
    }
    let runs = lines
        .map(|line| match line.split(' ').collect::<Vec<_>>()[..] {
            ["run", name, state] => Ok(Run {
                name: crate::frame::printable(name),
                state: state.to_owned(),
            }),
            _ => Err(bad("a line that is no run directory")),
        })
        .collect::<Result<_, _>>()?;
    Ok(Claim {
        host: host.clone(),
        runs,
    })
}
