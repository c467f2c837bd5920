//! What a master holds back after it took over. Its store may be older than what the hosts have seen: each open job is held
//! against the run directories on its hosts, which stay there for as long as a job is open. Where the two tell the
//! same, the job goes on once the scan is accepted; where they do not, it will be stuck, and a person gives it up.

use std::collections::BTreeMap;

use futures::future::join_all;
use vsjob_engine::{
    Actor, EngineError, Failure, Filter, HostName, Job, Mode, Status, StepNo, StepRecord, StepState,
};
use vsjob_workers::{Action, Registry, Run, RunName};

use super::answer::Refused;
use super::house::House;
use super::{look, scan};
use crate::message::{Held, HeldJob, Scanned};
use crate::{Complaint, Exit};

/// How the reason of a job begins that was in doubt when the scan was accepted.
const IN_DOUBT: &str = "its hosts and this store do not tell the same: ";

/// What is held, beside what the scan has found; `None` if nothing is.
pub(crate) async fn held(house: &House, scanned: &Scanned) -> Result<Option<Held>, EngineError> {
    if !house.engine.is_held().await? {
        return Ok(None);
    }
    let hosts = runs(house).await;
    let open = house.engine.jobs(Filter::OPEN).await?.into_iter();
    let jobs = open.filter(|job| !job.status.is_over()).map(|job| HeldJob {
        job: job.id.to_string(),
        doubt: doubt(&job, &hosts, house.pool.registry()),
        state: job.status.word().to_owned(),
        title: job.title,
    });
    let jobs: Vec<HeldJob> = jobs.collect();
    let seal = seal(scanned, &jobs);
    Ok(Some(Held { jobs, seal }))
}

/// Lets go of what is held, if the hosts are still as the scan with this seal has shown them.
pub(crate) async fn accept(house: &House, seal: &str, actor: Actor) -> Result<(), Refused> {
    let Some(held) = scan::scan(house).await?.held else {
        return Err(EngineError::NotHeld.into());
    };
    if held.seal != seal {
        return Err(Refused::conflicting(
            Complaint::new(
                "VSJ0550",
                Exit::Refused,
                "the hosts, or the jobs, are not as that scan has shown them",
            )
            .hint("read `vsjob scan` again, and accept what it shows now"),
        ));
    }
    let doubtful = held
        .jobs
        .into_iter()
        .filter_map(|job| Some((job.job.parse().ok()?, format!("{IN_DOUBT}{}", job.doubt?))));
    Ok(house.engine.accept(doubtful.collect(), actor).await?)
}

/// Refuses to move a job that is in doubt still: it may be over, and taken back it would bring to life again what lives
/// elsewhere by now. Once its hosts are claimed nothing of it begins there any more, so what they show holds.
pub(crate) async fn is_settled(house: &House, job: &Job) -> Result<(), Refused> {
    let was_in_doubt = matches!(&job.status, Status::Stuck { reason, .. } if reason.starts_with(IN_DOUBT));
    if !was_in_doubt {
        return Ok(());
    }
    match doubt(job, &runs(house).await, house.pool.registry()) {
        None => Ok(()),
        Some(doubt) => {
            let message = format!("nobody knows how far job {} has come", job.id.short());
            let mut complaint = Complaint::new("VSJ0555", Exit::Refused, message);
            complaint.causes.push(doubt);
            Err(Refused::conflicting(complaint.hint(
                "see with `vsjob scan` and `vsjob gc` how its guest is, then give the job up: `vsjob abandon JOB`",
            )))
        }
    }
}

/// Stands for everything that is shown, except words that change by themselves.
fn seal(scanned: &Scanned, jobs: &[HeldJob]) -> String {
    let silent: Vec<&str> = scanned.silent.iter().map(|one| one.host.as_str()).collect();
    let shown = serde_json::to_vec(&(&scanned.guests, silent, jobs)).unwrap_or_default();
    blake3::hash(&shown).to_hex()[..12].to_owned()
}

/// The run directories on each host, or why it did not say.
type Runs = BTreeMap<HostName, Result<Vec<RunName>, Failure>>;

async fn runs(house: &House) -> Runs {
    let looks = house
        .slaves
        .hosts
        .iter()
        .map(|slave| async { (slave.name.clone(), runs_on(house, &slave.name).await) });
    join_all(looks).await.into_iter().collect()
}

/// Looked at once the host is claimed: nothing of another master begins there any more.
async fn runs_on(house: &House, name: &HostName) -> Result<Vec<RunName>, Failure> {
    let claimed = async { house.pool.host(name)?.claim(house.engine.epoch()).await };
    claimed.await.map_err(|e| e.failure())?;
    let objects = look::objects(house, name).await?;
    let names = objects.into_iter().filter_map(|(_, name)| name.parse().ok());
    Ok(names.collect())
}

/// Why the job cannot simply go on: its hosts know something else of it than the store.
fn doubt(job: &Job, hosts: &Runs, registry: &Registry) -> Option<String> {
    job.plan
        .hosts()
        .into_iter()
        .find_map(|host| match hosts.get(host) {
            Some(Ok(runs)) => ahead(job, host, runs).or_else(|| behind(job, host, runs, registry)),
            Some(Err(_)) => Some(format!(
                "{host} does not answer: nobody knows how far this job has come there"
            )),
            None => Some(format!("{host} is not in slaves.conf")),
        })
}

/// The host has seen more of the job than the store knows.
fn ahead(job: &Job, host: &HostName, runs: &[RunName]) -> Option<String> {
    let ours = runs.iter().filter(|run| run.job == job.id);
    let unknown = ours.filter(|run| {
        let known = job.step(run.step);
        !known.is_some_and(|record| match run.run {
            Run::Attempt(Mode::Do, attempt) => attempt <= record.attempts,
            Run::Attempt(Mode::Undo, attempt) => attempt <= record.undo_attempts,
            Run::Stopped => record.undo_attempts > 0,
        })
    });
    let first = unknown.min_by_key(|run| run.step)?;
    Some(format!(
        "{host} has seen more of this job than this master knows, from step {} on: it may be over, or taken back",
        first.step
    ))
}

/// The host no longer has what it keeps for as long as a job is open.
fn behind(job: &Job, host: &HostName, runs: &[RunName], registry: &Registry) -> Option<String> {
    let gone = |(no, record): &(StepNo, &StepRecord)| {
        record.state == StepState::Succeeded
            && is_launched_on(job, *no, host, registry)
            && !runs.iter().any(|run| {
                (run.job, run.step, run.run) == (job.id, *no, Run::Attempt(Mode::Do, record.attempts))
            })
    };
    let (no, _) = job.numbered().find(gone)?;
    Some(format!(
        "{host} has nothing left of step {no}, which was done there: the job may be over, or taken back"
    ))
}

fn is_launched_on(job: &Job, no: StepNo, host: &HostName, registry: &Registry) -> bool {
    let Some(step) = job.plan.step(no) else {
        return false;
    };
    let launched = registry.find(&step.action);
    step.hosts.first() == Some(host) && matches!(launched, Some(Action::Host(action)) if !action.read_only)
}
