//! Claiming a host for one life of the master: afterwards no older one can change anything on it.

use std::collections::BTreeSet;

use vsjob_engine::{Epoch, HostName, JobId};

use crate::channel::Answer;
use crate::frame::printable;
use crate::{HostError, RunName};

/// What was found on a host when it was claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The host.
    pub host: HostName,
    /// Which machine it said it is, as in its /etc/machine-id; empty if it has none.
    pub machine: String,
    /// Whose run directories are there, of whatever job: those that our store does not know are for people to look at.
    pub runs: Vec<RunName>,
}

impl Claim {
    /// The jobs whose run directories were found.
    #[must_use]
    pub fn jobs(&self) -> BTreeSet<JobId> {
        self.runs.iter().map(|run| run.job).collect()
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
                have: printable(&format!("{counter}-{id}")),
                ours,
            });
        }
        _ => return Err(bad("neither claimed nor refused")),
    }
    let runs = lines
        .map(|line| match line.split(' ').collect::<Vec<_>>()[..] {
            // What is none of ours is nothing to us.
            ["run", name] => Ok(name.parse().ok()),
            _ => Err(bad("a line that is no run directory")),
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Claim {
        host: host.clone(),
        machine: String::new(),
        runs: runs.into_iter().flatten().collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Capture;

    #[test]
    fn a_host_that_refuses_with_an_escape_sequence_cannot_act_on_the_terminal() {
        let answer = Answer {
            code: 0,
            stdout: Capture::of(b"refused 9 \x1b[2J\n"),
            stderr: Capture::default(),
        };
        let ours = Epoch {
            counter: 7,
            id: uuid::Uuid::nil(),
        };
        let error = parse(&"vsh-01".parse().unwrap(), ours, &answer).unwrap_err();
        assert!(matches!(error, HostError::EpochRefused { have, .. } if have == "9-\\u{1b}[2J"));
    }
}
