//! Where jobs leave work to other jobs: the purge after a move, which is the master's own housekeeping, and the jobs of a
//! batch, each in the name of who asked for the whole.

use std::sync::{Arc, Weak};

use vsjob_engine::{Actor, Class, Command, EngineError, Failure, HostName, Job, JobId, Priority, Request};
use vsjob_workers::{Desk, Doing, Successor};

use super::house::{House, new_job};
use super::{held, hosts};

/// The desk of the house, for as long as there is one.
pub(crate) struct HouseDesk(pub Weak<House>);

impl HouseDesk {
    fn house(&self) -> Result<Arc<House>, Failure> {
        let gone = || failed(Class::Transient, &"the master is stopping");
        self.0.upgrade().ok_or_else(gone)
    }
}

impl Desk for HouseDesk {
    fn submit(&self, successor: Successor) -> Doing<JobId> {
        let house = self.house();
        Box::pin(async move { submit(&*house?, successor).await })
    }

    fn rest(&self, job: JobId) -> Doing<String> {
        let house = self.house();
        Box::pin(async move {
            let job = house?.engine.ended(job).await.map_err(unanswered)?;
            Ok(job.status.word().to_owned())
        })
    }

    fn is_off(&self, host: String) -> Doing<()> {
        let house = self.house();
        Box::pin(async move {
            let house = house?;
            let bad = |why| failed(Class::Permanent, &why);
            let host: HostName = host.parse().map_err(|why: vsjob_engine::BadName| bad(why))?;
            match hosts::answers(&house, &host).await {
                None => Ok(()),
                Some(how) => Err(Failure::new(Class::Permanent, "VSJ0544", how)),
            }
        })
    }

    fn lives(&self, guest: String) -> Doing<Option<String>> {
        let house = self.house();
        Box::pin(async move {
            let places = house?.engine.placement().await.map_err(unanswered)?;
            Ok(places.get(&guest).map(ToString::to_string))
        })
    }

    fn keep_away(&self, host: String, job: JobId) -> Doing<()> {
        let house = self.house();
        Box::pin(async move {
            let house = house?;
            let bad = |why| failed(Class::Permanent, &why);
            let host = host.parse().map_err(|why: vsjob_engine::BadName| bad(why))?;
            let whole = whole(house.engine.job(job).await)?;
            let actor = whole.request.actor.clone();
            house.engine.maintain(host, true, actor).await.map_err(unanswered)
        })
    }

    fn take_back(&self, key: String, part_of: JobId) -> Doing<()> {
        let house = self.house();
        Box::pin(async move {
            let house = house?;
            let engine = &house.engine;
            let Some(job) = engine.by_key(&key).await.map_err(unanswered)? else {
                return Ok(());
            };
            // What is in doubt is left to a person, like what is past its pivot.
            if let Some(known) = engine.job(job).await.map_err(unanswered)?
                && held::is_settled(&house, &known.job).await.is_err()
            {
                return Ok(());
            }
            let actor = part(&key, &whole(engine.job(part_of).await)?);
            match engine.command(job, Command::Cancel, actor).await {
                Ok(())
                | Err(
                    EngineError::Over { .. }
                    | EngineError::AlreadyUnwinding(_)
                    | EngineError::PastPivot { .. },
                ) => Ok(()),
                Err(why) => Err(unanswered(why)),
            }
        })
    }
}

async fn submit(house: &House, successor: Successor) -> Result<JobId, Failure> {
    let Successor {
        operation,
        args,
        wait,
        key,
        part_of,
        urgent,
    } = successor;
    if let Some(known) = house.engine.by_key(&key).await.map_err(unanswered)? {
        return Ok(known);
    }
    let (actor, priority) = match part_of {
        None if urgent => (housekeeping(&key), Priority::High),
        None => (housekeeping(&key), Priority::Low),
        Some(id) => {
            let whole = whole(house.engine.job(id).await)?;
            (part(&key, &whole), whole.request.priority)
        }
    };
    let site = house.site().await.map_err(unanswered)?;
    let planned = vsjob_workflows::operation(&operation)
        .and_then(|known| known.plan(&args.iter().cloned().collect(), &site))
        .map_err(|refusal| Failure::new(Class::Permanent, refusal.code(), refusal.to_string()))?;
    let now = house.engine.time().await.map_err(unanswered)?.now;
    let request = Request {
        operation,
        args,
        actor,
        key: Some(key),
        priority,
        not_before: (!wait.is_zero()).then(|| now + wait),
    };
    let new = new_job(request, planned);
    let submitted = match part_of {
        // A job that leaves work to it has to end on a full disk, too.
        None => house.engine.succeed(new).await,
        Some(_) => house.engine.submit(new).await,
    };
    submitted.map(|job| job.id).map_err(unanswered)
}

fn housekeeping(key: &str) -> Actor {
    Actor {
        user: "vsjob".to_owned(),
        from: "another job".to_owned(),
        reason: Some(key.to_owned()),
    }
}

fn part(key: &str, whole: &Job) -> Actor {
    let asked = &whole.request.actor;
    let reason = match &asked.reason {
        Some(reason) => format!("{key}: {reason}"),
        None => key.to_owned(),
    };
    Actor {
        reason: Some(reason),
        ..asked.clone()
    }
}

fn whole(known: Result<Option<vsjob_engine::JobView>, EngineError>) -> Result<Job, Failure> {
    let gone = || {
        failed(
            Class::Permanent,
            &"the job that this one is a part of is not known",
        )
    };
    Ok(known.map_err(unanswered)?.ok_or_else(gone)?.job)
}

/// What a full store or a master that stops did not take in now, it may take in later.
fn unanswered(why: EngineError) -> Failure {
    let class = match why {
        EngineError::Store(_) | EngineError::Closed => Class::Transient,
        _ => Class::Permanent,
    };
    failed(class, &why)
}

fn failed(class: Class, why: &dyn std::fmt::Display) -> Failure {
    Failure::new(class, "VSJ0317", why.to_string())
}
