//! The master: opens the store, takes up every open job, and serves the API on a Unix socket until it is told to stop.
//! Stopping it, however, stops no work: what is launched on hosts goes on, and the next master takes it up.

mod answer;
mod api;
mod asked;
mod by_hand;
mod clock;
mod desk;
mod generations;
mod held;
mod hosts;
mod house;
mod listen;
mod look;
mod openapi;
mod peer;
mod routes;
mod scan;
mod schedules;
mod stray;
mod stuck;
mod superseded;
mod survey;
mod templates;
mod tidy;
mod view;

use std::path::Path;
use std::sync::Arc;

use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use vsjob_engine::store::{self, Local, LocalOptions, Opened, Store, StoreError};
use vsjob_engine::{Actions, Actor, Clock, Engine, EngineError, Options};
use vsjob_workers::{HostError, Pool, Settings, Slaves};
use vsjob_workflows::{Generations, Site, registry, site_hosts};

use crate::Exit;
use crate::args::{Global, Start};
use crate::complaint::{Complaint, Stop};
use crate::message::Verified;
use crate::place::Files;
pub(crate) use house::House;
pub(crate) use peer::Peer;
pub(crate) use routes::routes;
pub(crate) use superseded::mark_restored;
pub(crate) use view::{moment, verified};

use desk::HouseDesk;

/// Runs the master until it is told to stop, another one takes over, or its store fails.
pub(crate) fn run(global: &Global, start: &Start, clock: Arc<dyn Clock>) -> Result<Exit, Stop> {
    tell_logs_to_standard_error();
    let files = Files::read(global)?;
    let settings = files.settings(global)?;
    files.operations_of(&settings)?;
    let slaves = files.slaves()?;
    let site = Site {
        state: settings.state.clone(),
        zone: iana_time_zone::get_timezone().unwrap_or_else(|_| "UTC".to_owned()),
        hosts: site_hosts(&slaves, &settings),
        generations: Generations::configured(&settings),
        networks: files.networks()?,
        defaults: files.create_defaults()?,
        backup_conf: files.backup_conf()?,
        ..Site::default()
    };
    // Before anything that runs: its lock is what tells that there is no other master.
    let opened = open(&settings, start.accept_loss)?;
    let take_over = superseded::admit(&settings.state, start.take_over)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| {
            Complaint::new("VSJ0511", Exit::Internal, "the master could not be set up").because(&e)
        })?;
    runtime.block_on(serve(&settings, slaves, site, opened, take_over, clock))
}

fn tell_logs_to_standard_error() {
    let filter = EnvFilter::try_from_env("VSJOB_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    // The journal of systemd has its own times.
    let set = match std::env::var_os("JOURNAL_STREAM") {
        Some(_) => logs.without_time().with_ansi(false).try_init(),
        None => logs
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .try_init(),
    };
    // It can only have been set before, and then it is set.
    drop(set);
}

fn open(settings: &Settings, accept_loss: bool) -> Result<Opened<Box<dyn Store>>, StoreError> {
    let options = LocalOptions {
        journal_limit: settings.store.journal_limit,
        snapshot_every: settings.store.snapshot_every,
        archive_limit: settings.store.archive_limit,
        accept_loss,
        ..LocalOptions::default()
    };
    let opened = Local::open(&settings.state, options)?;
    for warning in &opened.warnings {
        tracing::warn!("{warning}");
    }
    Ok(opened.boxed())
}

/// Walks the journal of a master that does not run. Changes nothing.
pub(crate) fn audit(state: &Path) -> Result<Verified, StoreError> {
    store::audit(state).map(|audit| view::verified(&audit))
}

async fn serve(
    settings: &Settings,
    slaves: Slaves,
    site: Site,
    opened: Opened<Box<dyn Store>>,
    take_over: Option<u64>,
    clock: Arc<dyn Clock>,
) -> Result<Exit, Stop> {
    let listener = listen::at(&settings.socket).await?;
    // Only one master has the store, so whoever left these connections is dead.
    if let Err(e) = vsjob_workers::end_leftovers(&settings.ssh.control_directory).await {
        tracing::warn!("connections of a killed master may be left: {e}");
    }
    let pool = Arc::new(Pool::configured(
        registry(),
        &slaves,
        settings,
        Arc::clone(&clock),
    ));
    let take_over = match take_over {
        Some(known) => Some(known.max(highest_epoch(&pool).await)),
        None => None,
    };
    let options = Options {
        slots_per_host: settings.slots_per_host.try_into().unwrap_or(usize::MAX),
        jobs_kept: settings.store.jobs_kept.into(),
        take_over,
        ..Options::default()
    };
    let actions = Arc::clone(&pool) as Arc<dyn Actions>;
    let engine = Engine::open(opened, actions, Arc::clone(&clock), options).map_err(|e| broken(&e))?;
    superseded::forget(&settings.state);
    let house = Arc::new(House {
        engine: engine.clone(),
        pool: Arc::clone(&pool),
        slaves,
        configured: site,
        clock,
    });
    pool.open_desk(Arc::new(HouseDesk(Arc::downgrade(&house))));
    engine
        .declare(settings.schedules.clone(), from_the_file())
        .await
        .map_err(|e| broken(&e))?;
    tokio::spawn(schedules::keep(Arc::clone(&house)));
    if let Some(claims) = pool.claims() {
        tokio::spawn(tidy::tidy(Arc::clone(&house), claims));
    }
    // Before anybody is told that it is ready: from then on it ends in order when it is asked to.
    let asked = asked_to_stop();
    let claiming = tokio::spawn(claim_all(Arc::clone(&pool), engine.clone()));
    tracing::info!(epoch = engine.epoch().counter, socket = %settings.socket.display(), "the master is ready");
    notify(&[NotifyState::Ready]);

    let mut superseded = pool.superseded();
    let mut changes = engine.changes();
    let ended = tokio::select! {
        served = listen::serve(listener, routes(house)) => Ended::Broken(served.err().map(|e| e.to_string())),
        () = asked => Ended::Asked,
        changed = superseded.changed() => {
            drop(changed);
            let by = superseded.borrow().clone();
            by.map_or(Ended::Broken(None), Ended::Superseded)
        }
        () = async { while changes.changed().await.is_ok() {} } => Ended::Broken(None),
    };
    notify(&[NotifyState::Stopping]);
    claiming.abort();
    // Nobody may find a socket that nobody answers.
    drop(std::fs::remove_file(&settings.socket));
    tracing::info!("the master stops; what is launched on hosts goes on");
    let closed = engine.close().await;
    match ended {
        Ended::Asked => closed.map(|()| Exit::Done).map_err(|e| broken(&e).into()),
        Ended::Superseded(by) => {
            superseded::remember(&settings.state, &by);
            Err(Complaint::from(by).into())
        }
        Ended::Broken(why) => Err(stopped(why).into()),
    }
}

/// Why the master stops.
enum Ended {
    /// It was told to.
    Asked,
    /// A host obeys another master.
    Superseded(HostError),
    /// The engine or the listener is gone.
    Broken(Option<String>),
}

fn from_the_file() -> Actor {
    Actor {
        user: "vsjob".to_owned(),
        from: "vsjob.toml".to_owned(),
        reason: None,
    }
}

fn stopped(why: Option<String>) -> Complaint {
    let mut complaint = Complaint::new("VSJ0512", Exit::Store, "the master had to stop");
    complaint.causes.extend(why);
    complaint
        .hint("the lines before this one say why; nothing acknowledged is lost, and the next start goes on")
}

fn broken(error: &EngineError) -> Complaint {
    Complaint::new(error.code(), Exit::Store, error.to_string()).hint(error.hint())
}

/// Claims every host at once, so that what an earlier master launched is found before a job needs it.
async fn claim_all(pool: Arc<Pool>, engine: vsjob_engine::Engine) {
    // Once it answers, the pool has been told which machine each host has to be.
    if engine.time().await.is_err() {
        return;
    }
    for (host, claim) in pool.claim(engine.epoch()).await {
        match claim {
            Ok(()) => tracing::info!(%host, "claimed"),
            Err(error) => tracing::warn!(%host, code = error.code(), "not claimed yet: {error}"),
        }
    }
}

/// The highest epoch that a host obeys. One that does not say may have a higher one still: then it refuses this master.
async fn highest_epoch(pool: &Pool) -> u64 {
    let (highest, silent) = pool.highest_epoch().await;
    for error in silent {
        tracing::warn!(code = error.code(), "a host does not say whom it obeys: {error}");
    }
    highest
}

/// Resolves when it is told to stop; from the call on, which is before it is awaited, no such signal ends it in another
/// way.
fn asked_to_stop() -> impl Future<Output = ()> {
    let handled = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
    let [terminate, interrupt] = handled.map(|signal| async move {
        match signal {
            Ok(mut signal) => drop(signal.recv().await),
            // Without handlers the signal ends the process, which is safe too.
            Err(_) => std::future::pending().await,
        }
    });
    async move {
        tokio::select! {
            () = terminate => {}
            () = interrupt => {}
        }
    }
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd was not told");
    }
}
