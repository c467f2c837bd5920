//! The API: HTTP with JSON on the Unix socket, a function a path. `/openapi.json` describes it. Whoever may connect may look; what changes
//! something asks for an [`Admin`], and is durable when it is answered.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use vsjob_engine::{Command, EngineError, Filter, JobId, JobView as Known, Request};

use super::answer::Refused;
use super::asked::{Json, Path, Query};
use super::house::{House, new_job};
use super::peer::Admin;
use super::{by_hand, held, scan, stray, view};
use crate::message::{
    AcceptScan, Accepted, Adopt, At, GuestLine, Guests, History, JobView, Jobs, Leftovers, LockLine, Locks,
    ObjectLine, PlanView, Reply, RunStep, Scanned, Submit, Verified, Who,
};
use crate::{Complaint, Exit};

/// The longest that a question may wait for a change.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

pub(super) type Answer<T> = Result<axum::Json<T>, Refused>;
pub(super) type Of = State<Arc<House>>;

/// What to wait for before answering.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
pub(crate) struct After {
    /// Answer as soon as there is a later durable change than this one.
    #[serde(default)]
    after: Option<u64>,
    /// Or after this many milliseconds.
    #[serde(default)]
    wait: u64,
}

/// Which jobs.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
pub(crate) struct Which {
    /// Only those that are not over, or owe an undo.
    #[serde(default)]
    open: bool,
    /// At most this many.
    #[serde(default = "usual_limit")]
    limit: usize,
    /// Answer as soon as there is a later durable change than this one.
    #[serde(default)]
    after: Option<u64>,
    /// Or after this many milliseconds.
    #[serde(default)]
    wait: u64,
}

fn usual_limit() -> usize {
    50
}

/// A job by its id, or by the end of it.
#[derive(Clone, Debug, Deserialize, IntoParams)]
pub(crate) struct Named {
    /// The id, or its end.
    job: String,
}

impl House {
    /// Waits for a change, if that was asked for; the number of the last one.
    async fn change(&self, After { after, wait }: After) -> u64 {
        let mut changes = self.engine.changes();
        let limit = Duration::from_millis(wait).min(LONGEST_WAIT);
        if let Some(after) = after {
            tokio::select! {
                change = changes.wait_for(|change| *change > after) => drop(change),
                () = self.clock.sleep(limit) => {}
            }
        }
        *changes.borrow()
    }

    /// A job, after a change, if that was asked for; and the number of the last change.
    async fn seen(&self, name: &str, after: After) -> Result<(u64, Known), Refused> {
        let id = self.find(name).await?;
        let change = self.change(after).await;
        let known = self.engine.job(id).await?;
        Ok((change, known.ok_or(EngineError::UnknownJob(id))?))
    }

    fn at<T: Serialize>(&self, change: u64, what: T) -> axum::Json<At<T>> {
        axum::Json(At {
            change,
            now: view::moment(self.clock.now()),
            what,
        })
    }
}

/// Jobs, newest first
#[utoipa::path(get, path = "/v1/jobs", params(Which), responses((status = 200, body = At<Jobs>)))]
pub(crate) async fn jobs(State(house): Of, Query(which): Query<Which>) -> Answer<At<Jobs>> {
    let Which {
        open,
        limit,
        after,
        wait,
    } = which;
    let change = house.change(After { after, wait }).await;
    let jobs = house
        .engine
        .jobs(Filter {
            open_only: open,
            limit,
        })
        .await?;
    let jobs = jobs.iter().map(view::line).collect();
    Ok(house.at(change, Jobs { jobs }))
}

/// A job with its steps
#[utoipa::path(get, path = "/v1/jobs/{job}", params(("job" = String, Path), After), responses((status = 200, body = At<JobView>)))]
pub(crate) async fn job(
    State(house): Of,
    Path(name): Path<String>,
    Query(after): Query<After>,
) -> Answer<At<JobView>> {
    let (change, known) = house.seen(&name, after).await?;
    let question = house.pool.consents().asked(known.job.id);
    Ok(house.at(change, view::job(&known, question)))
}

/// What has happened in a job
#[utoipa::path(get, path = "/v1/jobs/{job}/history", params(("job" = String, Path), After), responses((status = 200, body = At<History>)))]
pub(crate) async fn history(
    State(house): Of,
    Path(name): Path<String>,
    Query(after): Query<After>,
) -> Answer<At<History>> {
    let (change, Known { job, .. }) = house.seen(&name, after).await?;
    let lines = house.engine.history(job.id).await?;
    let events = lines.iter().map(|line| view::event(&job, line)).collect();
    let over = job.status.is_over();
    Ok(house.at(change, History { events, over }))
}

/// The job that is meant by an id or by the end of one
#[utoipa::path(get, path = "/v1/find", params(Named), responses((status = 200, body = Accepted)))]
pub(crate) async fn find(State(house): Of, Query(named): Query<Named>) -> Answer<Accepted> {
    Ok(accepted(house.find(&named.job).await?, false))
}

pub(super) fn accepted(id: JobId, new: bool) -> axum::Json<Accepted> {
    axum::Json(Accepted {
        job: id.to_string(),
        short: id.short(),
        new,
    })
}

/// Submit a job
#[utoipa::path(post, path = "/v1/jobs", request_body = Submit, responses((status = 200, body = Accepted)))]
pub(crate) async fn submit(State(house): Of, admin: Admin, Json(submit): Json<Submit>) -> Answer<Accepted> {
    let request = Request {
        operation: submit.operation.clone(),
        args: submit.parameters.clone().into_iter().collect(),
        actor: admin.actor(submit.who.clone()),
        key: submit.key.clone(),
        priority: view::class(submit.priority),
        not_before: None,
    };
    if let Some(known) = house.known(&request).await? {
        return Ok(accepted(known, false));
    }
    let planned = house.plan(&submit).await?;
    let reason = request.actor.reason.as_deref().unwrap_or_default();
    if submit.is_vouched() && reason.trim().is_empty() {
        return Err(EngineError::NoReason.into());
    }
    let submitted = house.engine.submit(new_job(request, planned)).await?;
    Ok(accepted(submitted.id, submitted.new))
}

/// What a request would do
#[utoipa::path(post, path = "/v1/plan", request_body = Submit, responses((status = 200, body = PlanView)))]
pub(crate) async fn plan(State(house): Of, Json(submit): Json<Submit>) -> Answer<PlanView> {
    let planned = house.plan(&submit).await?;
    Ok(axum::Json(view::plan(&planned, &house.pool)))
}

/// Run one action as a job of one step
#[utoipa::path(post, path = "/v1/steps", request_body = RunStep, responses((status = 200, body = Accepted)))]
pub(crate) async fn run_step(State(house): Of, admin: Admin, Json(run): Json<RunStep>) -> Answer<Accepted> {
    let (request, planned) = by_hand::job(&house, &run, admin.actor(run.who.clone()))?;
    let submitted = house.engine.submit(new_job(request, planned)).await?;
    Ok(accepted(submitted.id, submitted.new))
}

/// Take a job back
#[utoipa::path(post, path = "/v1/jobs/{job}/cancel", params(("job" = String, Path)), request_body = Who, responses((status = 200, body = Accepted)))]
pub(crate) async fn cancel(house: Of, admin: Admin, name: Path<String>, who: Json<Who>) -> Answer<Accepted> {
    command(house, admin, name, who, Command::Cancel).await
}

/// Let a job stand still
#[utoipa::path(post, path = "/v1/jobs/{job}/pause", params(("job" = String, Path)), request_body = Who, responses((status = 200, body = Accepted)))]
pub(crate) async fn pause(house: Of, admin: Admin, name: Path<String>, who: Json<Who>) -> Answer<Accepted> {
    command(house, admin, name, who, Command::Pause).await
}

/// Let a job go on
#[utoipa::path(post, path = "/v1/jobs/{job}/resume", params(("job" = String, Path)), request_body = Who, responses((status = 200, body = Accepted)))]
pub(crate) async fn resume(house: Of, admin: Admin, name: Path<String>, who: Json<Who>) -> Answer<Accepted> {
    command(house, admin, name, who, Command::Resume).await
}

async fn command(
    State(house): Of,
    admin: Admin,
    Path(name): Path<String>,
    Json(who): Json<Who>,
    command: Command,
) -> Answer<Accepted> {
    let id = house.find(&name).await?;
    if command != Command::Pause
        && let Some(known) = house.engine.job(id).await?
    {
        held::is_settled(&house, &known.job).await?;
    }
    house.engine.command(id, command, admin.actor(who)).await?;
    Ok(accepted(id, false))
}

/// Answer what a job asks
#[utoipa::path(post, path = "/v1/jobs/{job}/answer", params(("job" = String, Path)), request_body = Reply, responses((status = 200, body = Accepted)))]
pub(crate) async fn answer(
    State(house): Of,
    admin: Admin,
    Path(name): Path<String>,
    Json(reply): Json<Reply>,
) -> Answer<Accepted> {
    let id = house.find(&name).await?;
    house.answer(id, reply.yes, &admin.actor(reply.who)).await?;
    Ok(accepted(id, false))
}

/// Tell a waiting `demo` job to go on
#[utoipa::path(post, path = "/v1/demo/{job}/go", params(("job" = String, Path)), request_body = Who, responses((status = 200, body = Accepted)))]
pub(crate) async fn demo_go(
    State(house): Of,
    _: Admin,
    Path(name): Path<String>,
    Json(_): Json<Who>,
) -> Answer<Accepted> {
    let id = house.find(&name).await?;
    let folder = house.configured.state.join("demo").join(id.to_string());
    std::fs::write(folder.join("go"), "").map_err(|e| {
        Refused::absent(
            Complaint::new(
                "VSJ0518",
                Exit::Refused,
                format!("job {name} is no demo job that waits"),
            )
            .because(&e)
            .hint("`vsjob status` shows which jobs wait"),
        )
    })?;
    Ok(accepted(id, false))
}

/// Who holds what
#[utoipa::path(get, path = "/v1/locks", responses((status = 200, body = At<Locks>)))]
pub(crate) async fn locks(State(house): Of) -> Answer<At<Locks>> {
    let change = house.change(After::default()).await;
    let locks = house.engine.locks().await?.into_iter().map(|lock| LockLine {
        key: lock.key,
        shared: lock.shared,
        job: lock.owner.short(),
        since: view::moment(lock.since.unwrap_or_else(|| house.clock.now())),
        waiting: lock.waiting.iter().map(JobId::short).collect(),
    });
    Ok(house.at(
        change,
        Locks {
            locks: locks.collect(),
        },
    ))
}

/// What jobs have left on hosts
#[utoipa::path(get, path = "/v1/leftovers", responses((status = 200, body = Leftovers)))]
pub(crate) async fn leftovers(State(house): Of) -> Answer<Leftovers> {
    let debts = house.engine.debts().await?.into_iter().map(view::debt);
    let objects = house
        .engine
        .ledger()
        .await?
        .into_iter()
        .map(|(job, object)| ObjectLine {
            job: job.short(),
            host: Some(object.host.to_string()),
            name: stray::name_of(&object, job),
            kind: object.kind,
        });
    let (strays, silent) = stray::strays(&house).await?;
    Ok(axum::Json(Leftovers {
        debts: debts.collect(),
        objects: objects.collect(),
        strays,
        silent,
    }))
}

/// Walk the whole journal
#[utoipa::path(get, path = "/v1/audit", responses((status = 200, body = Verified)))]
pub(crate) async fn audit(State(house): Of) -> Answer<Verified> {
    let reader = house.engine.reader();
    // It reads the whole journal, which must hold up nobody.
    let audit = tokio::task::spawn_blocking(move || reader.verify()).await;
    match audit {
        Ok(audit) => Ok(axum::Json(view::verified(&audit?))),
        Err(_) => Err(EngineError::Closed.into()),
    }
}

/// Guests and where they live
#[utoipa::path(get, path = "/v1/guests", responses((status = 200, body = Guests)))]
pub(crate) async fn guests(State(house): Of) -> Answer<Guests> {
    let placement = house.engine.placement().await?;
    let guests = placement.into_iter().map(|(guest, host)| GuestLine {
        guest,
        host: host.to_string(),
    });
    Ok(axum::Json(Guests {
        guests: guests.collect(),
    }))
}

/// Take guests into placement that are on exactly one host; changes nothing on hosts
#[utoipa::path(post, path = "/v1/guests/adopt", request_body = Adopt, responses((status = 200, body = Guests)))]
pub(crate) async fn adopt(State(house): Of, admin: Admin, Json(adopt): Json<Adopt>) -> Answer<Guests> {
    let actor = admin.actor(adopt.who);
    Ok(axum::Json(
        scan::adopt(&house, adopt.host.as_deref(), &actor).await?,
    ))
}

/// Look at every host and compare with placement
#[utoipa::path(get, path = "/v1/scan", responses((status = 200, body = Scanned)))]
pub(crate) async fn scan_all(State(house): Of) -> Answer<Scanned> {
    Ok(axum::Json(scan::scan(&house).await?))
}

/// After a take-over: let the held jobs go on, having seen how the hosts are
#[utoipa::path(post, path = "/v1/scan/accept", request_body = AcceptScan, responses((status = 200, body = Jobs)))]
pub(crate) async fn accept_scan(
    State(house): Of,
    admin: Admin,
    Json(accept): Json<AcceptScan>,
) -> Answer<Jobs> {
    held::accept(&house, &accept.seal, admin.actor(accept.who)).await?;
    let jobs = house.engine.jobs(Filter::OPEN).await?;
    Ok(axum::Json(Jobs {
        jobs: jobs.iter().map(view::line).collect(),
    }))
}
