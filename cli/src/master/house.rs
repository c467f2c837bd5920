//! What the API works on: the engine, the pool, and the site that requests are resolved against.

use std::sync::Arc;

use vsjob_engine::{Actor, Clock, Engine, EngineError, HostName, JobId, Mode, NewJob, Request, StepNo};
use vsjob_workers::{Pool, Said, Slaves};
use vsjob_workflows::{
    Parameters, Planned, Site, TemplateName, jobs_of_template, operation, removed, templates,
};

use super::answer::Refused;
use super::hosts;
use super::survey::survey;
use crate::message::Submit;
use crate::{Complaint, Exit};

/// Short ids are looked for among this many of the newest jobs.
const FINDABLE: usize = 10_000;
/// The shortest end of an id that names a job.
const SHORTEST: usize = 4;

/// All that the API needs.
pub(crate) struct House {
    /// Keeps the jobs.
    pub engine: Engine,
    /// Reaches the hosts.
    pub pool: Arc<Pool>,
    /// The hosts as configured.
    pub slaves: Slaves,
    /// What requests are resolved against, without what changes: placement and templates.
    pub configured: Site,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl House {
    /// The pool as it is known now.
    pub(crate) async fn site(&self) -> Result<Site, EngineError> {
        let placement = self.engine.placement().await?;
        let known = self.engine.hosts().await?.into_iter();
        let maintenance = known.filter(|(_, known)| known.maintenance.is_some());
        Ok(Site {
            placement: placement
                .into_iter()
                .filter_map(|(guest, host)| Some((guest.parse().ok()?, host)))
                .collect(),
            templates: templates(&self.configured.state),
            sealed: self.configured.generations.names(),
            maintenance: maintenance.map(|(host, _)| host).collect(),
            now: self.engine.time().await?.now,
            ..self.configured.clone()
        })
    }

    /// What the request would do.
    pub(crate) async fn plan(&self, submit: &Submit) -> Result<Planned, Refused> {
        let operation = operation(&submit.operation)?;
        operation.takes(&submit.parameters)?;
        if let Some((host, said)) = self.given_up(submit).await? {
            hosts::is_dead(self, &host, said).await?;
        }
        let site = self.site_for(operation.name, &submit.parameters).await?;
        Ok(operation.plan(&submit.parameters, &site)?)
    }

    /// The host whose guests the request brings back elsewhere without asking it, and whether somebody says that it is off.
    async fn given_up(&self, submit: &Submit) -> Result<Option<(HostName, bool)>, EngineError> {
        let given = |name: &str| submit.parameters.get(name);
        let said = submit.is_vouched();
        let host = match submit.operation.as_str() {
            "recover" => given("host").and_then(|host| host.parse().ok()),
            _ if said => {
                let mut placement = self.engine.placement().await?;
                given("name").and_then(|guest| placement.remove(guest))
            }
            _ => None,
        };
        Ok(host.map(|host| (host, said)))
    }

    /// The pool, with what only this operation asks for: it is a look at all open jobs, or at the hosts.
    pub(crate) async fn site_for(&self, operation: &str, given: &Parameters) -> Result<Site, EngineError> {
        let mut site = self.site().await?;
        match operation {
            "undelete" => site.removed = removed(&self.engine).await?,
            "template-remove" => {
                let name = given.get("name");
                if let Some(name) = name.and_then(|name| name.parse::<TemplateName>().ok()) {
                    site.template_jobs = jobs_of_template(&self.engine, &name).await?;
                }
            }
            _ => {}
        }
        site.survey = survey(self, operation, given, &site).await;
        Ok(site)
    }

    /// The job that this request, sent before with the same key, has made. Asked before planning: what was right then
    /// may be refused now.
    pub(crate) async fn known(&self, request: &Request) -> Result<Option<JobId>, Refused> {
        let Some(key) = &request.key else {
            return Ok(None);
        };
        let Some(id) = self.engine.by_key(key).await? else {
            return Ok(None);
        };
        match self.engine.job(id).await? {
            Some(known) if !known.job.request.asks_the_same(request) => Err(EngineError::KeyInUse {
                key: key.clone(),
                job: id,
            }
            .into()),
            _ => Ok(Some(id)),
        }
    }

    /// Answers what the job asks. The answer is durable when the step that asked has its outcome.
    pub(crate) async fn answer(&self, id: JobId, yes: bool, actor: &Actor) -> Result<(), Refused> {
        let asking = self.under_way(id).await?;
        let by = match &actor.reason {
            Some(reason) => format!("{} from {}: {reason}", actor.user, actor.from),
            None => format!("{} from {}", actor.user, actor.from),
        };
        if !self.pool.consents().answer(id, Said { yes, by }) {
            return Err(Refused::conflicting(
                Complaint::new(
                    "VSJ0521",
                    Exit::Refused,
                    format!("job {} asks nothing", id.short()),
                )
                .hint("`vsjob status JOB` shows what it waits for"),
            ));
        }
        let mut changes = self.engine.changes();
        loop {
            changes.borrow_and_update();
            if self.under_way(id).await? != asking {
                return Ok(());
            }
            if changes.changed().await.is_err() {
                return Err(EngineError::Closed.into());
            }
        }
    }

    async fn under_way(&self, id: JobId) -> Result<Option<(StepNo, Mode)>, EngineError> {
        let known = self.engine.job(id).await?;
        Ok(known.and_then(|known| vsjob_engine::under_way(&known.job)))
    }

    /// The job with this id, or the one whose id ends in this.
    pub(crate) async fn find(&self, name: &str) -> Result<JobId, Refused> {
        if let Ok(id) = name.parse::<JobId>() {
            return match self.engine.job(id).await? {
                Some(_) => Ok(id),
                None => Err(EngineError::UnknownJob(id).into()),
            };
        }
        let all = vsjob_engine::Filter {
            open_only: false,
            limit: FINDABLE,
        };
        let jobs = self.engine.jobs(all).await?;
        let mut fitting = jobs
            .iter()
            .map(|job| job.id)
            .filter(|id| id.short().ends_with(&name.to_lowercase()));
        match (fitting.next(), fitting.next()) {
            _ if name.len() < SHORTEST => {
                Err(unclear(name, "name at least the last four characters of its id"))
            }
            (Some(id), None) => Ok(id),
            (Some(_), Some(_)) => Err(unclear(name, "more than one job's id ends so: give more of it")),
            (None, _) => Err(Refused::absent(
                Complaint::new("VSJ0505", Exit::Refused, format!("there is no job `{name}`"))
                    .hint("`vsjob status --all` lists the jobs"),
            )),
        }
    }
}

fn unclear(name: &str, hint: &str) -> Refused {
    Refused::malformed(
        Complaint::new(
            "VSJ0515",
            Exit::Refused,
            format!("`{name}` does not name one job"),
        )
        .hint(hint),
    )
}

/// The job that a request becomes.
pub(crate) fn new_job(mut request: Request, planned: Planned) -> NewJob {
    request.not_before = request.not_before.max(planned.not_before);
    NewJob {
        request,
        title: planned.title,
        locks: planned.locks,
        plan: planned.plan,
    }
}
