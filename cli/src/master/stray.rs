//! `gc` on the hosts: what carries our names there and belongs to no open job. Shown, never touched: a store that was
//! restored from a backup does not know what later jobs have made.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;
use vsjob_engine::{EngineError, Failure, Filter, HostName, Job, JobId, Object};

use vsjob_workers::RunName;

use super::house::House;
use super::{look, view};
use crate::message::{SilentHost, StrayLine};

/// How long after the end of a job its run directories may still be about to go.
const GOING: Duration = Duration::from_secs(60);

/// The strays of every host, and the hosts that did not say.
pub(crate) async fn strays(house: &House) -> Result<(Vec<StrayLine>, Vec<SilentHost>), EngineError> {
    let owners = Owners::of(
        &house.engine.jobs(Filter::OPEN).await?,
        &house.engine.ledger().await?,
    );
    let looks = house.slaves.hosts.iter().map(|slave| async {
        let objects = look::objects(house, &slave.name).await;
        (slave.name.clone(), objects)
    });
    let (mut strays, mut silent) = (Vec::new(), Vec::new());
    for (host, objects) in join_all(looks).await {
        match objects {
            Ok(objects) => {
                for stray in objects.into_iter().filter_map(|one| owners.stray(&host, one)) {
                    if !is_going(house, &stray).await? {
                        strays.push(stray);
                    }
                }
            }
            Err(failure) => silent.push(silent_host(&host, &failure)),
        }
    }
    Ok((strays, silent))
}

/// Whether it is the run directory of a job that has only just ended: it is about to go by itself.
async fn is_going(house: &House, stray: &StrayLine) -> Result<bool, EngineError> {
    let Ok(RunName { job, .. }) = stray.name.parse() else {
        return Ok(false);
    };
    let Some(known) = house.engine.job(job).await? else {
        return Ok(false);
    };
    let steps = known.job.steps.iter().map(|step| step.ended);
    let last = steps.chain([known.job.ended]).flatten().max();
    Ok(last.is_some_and(|last| house.clock.now().since(last) < GOING))
}

fn silent_host(host: &HostName, failure: &Failure) -> SilentHost {
    SilentHost {
        host: host.to_string(),
        trouble: view::failure(failure),
    }
}

/// An object's name in the ledger is that of the plan, which does not know its job.
pub(crate) fn name_of(object: &Object, job: JobId) -> String {
    object.name.replace("{job}", &job.short())
}

/// What open jobs own.
struct Owners {
    /// The ids that the names of what they make carry.
    jobs: Vec<String>,
    /// Names in the ledger, and names that they were asked to work on.
    names: BTreeSet<String>,
}

impl Owners {
    fn of(open: &[Job], ledger: &[(JobId, Object)]) -> Self {
        let asked = open.iter().flat_map(|job| &job.request.args);
        let made = ledger.iter().map(|(job, object)| name_of(object, *job));
        Self {
            jobs: open.iter().map(|job| job.id.short()).collect(),
            names: asked.map(|(_, value)| value.clone()).chain(made).collect(),
        }
    }

    fn stray(&self, host: &HostName, (kind, name): (String, String)) -> Option<StrayLine> {
        let owned = self.names.contains(&name) || self.jobs.iter().any(|job| name.contains(job.as_str()));
        (!owned).then(|| StrayLine {
            host: host.to_string(),
            kind,
            name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owners() -> Owners {
        Owners {
            jobs: vec!["1f2e3d4c".to_owned()],
            names: ["ldap.moved-00112233".to_owned(), "vsjob_q_ldap".to_owned()].into(),
        }
    }

    #[test]
    fn what_no_open_job_made_or_was_asked_about_is_a_stray() {
        let host: HostName = "vsh-01".parse().unwrap();
        let stray = |name: &str| {
            owners()
                .stray(&host, ("volume".to_owned(), name.to_owned()))
                .is_some()
        };
        assert!(!stray("web.partial-1f2e3d4c") && !stray(".vsjob-1f2e3d4c-1"));
        assert!(!stray("ldap.moved-00112233") && !stray("vsjob_q_ldap"));
        assert!(stray("ldap.moved-99999999") && stray("vsjob_q_web"));
    }
}
