//! The desk of a master that a test makes: what a job hands to jobs of their own is taken in there, planned as things
//! stand.

use vsjob_engine::{
    Actor, Class, Clock, Command, Engine, EngineError, Failure, JobId, NewJob, Priority, Request,
    SystemClock, Timestamp,
};
use vsjob_workers::{Desk, Doing, Settings, Slaves, Successor};
use vsjob_workflows::{Generations, Parameters, Site, Template, site_hosts};

use crate::master::Life;

/// Takes in what a job hands to a job of its own.
#[derive(Clone)]
pub(crate) struct Reception {
    pub engine: Engine,
    pub life: Life,
    pub slaves: Slaves,
    pub settings: Settings,
}

/// Who gives the commands of a test.
pub(crate) fn actor() -> Actor {
    Actor {
        user: "root".to_owned(),
        from: "a test".to_owned(),
        reason: None,
    }
}

impl Reception {
    /// Plans an operation as things stand now.
    pub(crate) async fn planned(
        &self,
        operation: &str,
        args: Vec<(String, String)>,
        key: &str,
        not_before: Option<Timestamp>,
    ) -> anyhow::Result<NewJob> {
        let placement = self
            .engine
            .placement()
            .await?
            .into_iter()
            .map(|(guest, host)| Ok((guest.parse()?, host)));
        let more = self.life.templates.iter().map(|(name, archive)| {
            let bytes = std::fs::metadata(archive)?.len();
            anyhow::Ok((
                name.parse()?,
                Template {
                    archive: archive.clone(),
                    bytes,
                },
            ))
        });
        let mut templates = vsjob_workflows::templates(&self.settings.state);
        for one in more {
            let (name, template) = one?;
            templates.insert(name, template);
        }
        let site = Site {
            state: self.settings.state.clone(),
            placement: placement.collect::<anyhow::Result<_>>()?,
            generations: Generations::configured(&self.settings),
            hosts: site_hosts(&self.slaves, &self.settings),
            templates,
            removed: vsjob_workflows::removed(&self.engine).await?,
            ..Site::default()
        };
        let given: Parameters = args.iter().cloned().collect();
        let planned = vsjob_workflows::operation(operation)?.plan(&given, &site)?;
        let request = Request {
            operation: operation.to_owned(),
            args,
            actor: actor(),
            key: Some(key.to_owned()),
            priority: Priority::Normal,
            not_before,
        };
        Ok(NewJob {
            request,
            title: planned.title,
            plan: planned.plan,
            locks: planned.locks,
        })
    }
}

impl Desk for Reception {
    fn submit(&self, successor: Successor) -> Doing<JobId> {
        let here = self.clone();
        Box::pin(async move {
            let Successor {
                operation, args, key, ..
            } = successor;
            let due = Some(SystemClock.now() + successor.wait);
            let new = here.planned(&operation, args, &key, due).await;
            let submitted = here.engine.submit(new.map_err(|error| failure(&error))?).await;
            submitted
                .map(|submitted| submitted.id)
                .map_err(|error| failure(&error))
        })
    }

    fn rest(&self, _: JobId) -> Doing<String> {
        Box::pin(async { Err(failure(&"no operation of these tests waits for another job")) })
    }

    fn is_off(&self, _: String) -> Doing<()> {
        Box::pin(async { Ok(()) })
    }

    fn lives(&self, guest: String) -> Doing<Option<String>> {
        let engine = self.engine.clone();
        Box::pin(async move {
            let places = engine.placement().await.map_err(|why| failure(&why))?;
            Ok(places.get(&guest).map(ToString::to_string))
        })
    }

    fn keep_away(&self, _: String, _: JobId) -> Doing<()> {
        Box::pin(async { Err(failure(&"no operation of these tests keeps anything away")) })
    }

    fn take_back(&self, key: String, _: JobId) -> Doing<()> {
        let engine = self.engine.clone();
        Box::pin(async move {
            let Some(job) = engine.by_key(&key).await.map_err(|why| failure(&why))? else {
                return Err(failure(&"there is no job to be taken back"));
            };
            match engine.command(job, Command::Cancel, actor()).await {
                Ok(()) | Err(EngineError::Over { .. } | EngineError::AlreadyUnwinding(_)) => Ok(()),
                Err(why) => Err(failure(&why)),
            }
        })
    }
}

fn failure(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Class::Permanent, "VSJ0999", error.to_string())
}
