//! A master in a process of its own, that dies by SIGKILL where a test wants it to: right before or right after any of
//! its durable writes. Everything in it is real but its command line: the store on disk, the pool, the scripts.
//!
//! The test's own executable is that process: a test called `a_master` calls [`serve_if_asked`], and [`Life::run`]
//! starts the executable for it.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use vsjob_engine::store::{Head, Local, LocalOptions, Purpose, Put, Read, Store, StoreError};
use vsjob_engine::{
    ActionRef, Actions, Class, Clock, Engine, Entry, Event, Failure, HostName, JobEvent, JobId, Mode, Moment,
    Options, Outcome, Performing, Sighting, Sleep, Status, Step, StepNo, SystemClock, Timestamp, Work,
};
use vsjob_workers::{Action, HostAction, Pool, Registry, Settings, Slaves};

use crate::lab::Lab;
use crate::reception::{Reception, actor};
use crate::{lab_pool, paper};

/// The variable that makes the test's executable a master.
const ORDER: &str = "VSJOB_TEST_MASTER";
/// How often a life may look at its job before it gives up: a bound, not a measure.
const LONGEST: Duration = Duration::from_secs(600);

/// Where the master dies: at its `append`-th durable write of this life, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crash {
    /// Which write.
    pub append: u64,
    /// Right after the write, before its effects; otherwise right before it, when the effects of the last one are done.
    pub after: bool,
}

/// A step that fails for good, on hosts and on the master alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// Which step.
    pub step: StepNo,
    /// Its effect is done before it fails.
    pub late: bool,
}

/// A host reboots right before a step is performed, once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reboot {
    /// Before which step.
    pub step: StepNo,
    /// Before its undo; otherwise before what it does.
    pub undo: bool,
    /// Which host.
    pub host: HostName,
}

/// What of a step is launched on a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launches {
    /// Its action's name.
    pub action: String,
    /// What it does.
    pub does: bool,
    /// Its undo.
    pub undoes: bool,
    /// It has an undo, launched or not.
    pub has_undo: bool,
}

/// One life of a master: it opens the store in the pool's folder, submits the job if it is not there, and works until
/// the job is over or stuck, or until it dies.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Life {
    /// The pool's folder, with `slaves.conf` and `vsjob.toml`.
    pub folder: PathBuf,
    /// The operation.
    pub operation: String,
    /// Its arguments.
    pub args: Vec<(String, String)>,
    /// Guests that are placed before it is submitted.
    pub placed: Vec<(String, HostName)>,
    /// Templates that the master has.
    pub templates: Vec<(String, PathBuf)>,
    /// Where it dies.
    pub crash: Option<Crash>,
    /// Which step fails.
    pub failing: Option<Failing>,
    /// A reboot between two steps.
    pub reboot: Option<Reboot>,
    /// An action, and the longest that it may take, in seconds, in place of what it says itself.
    pub limit: Option<(String, u64)>,
    /// The folder of the lab whose hosts these are; on paper otherwise.
    pub lab: Option<PathBuf>,
    /// How many times faster its waits and time limits end than they say.
    pub hurry: u32,
    /// The folder of the paper host that is the machine of the master, with its LVM.
    pub machine: Option<PathBuf>,
}

/// How a life ended, if not by SIGKILL.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// How the job stands: over, or stuck.
    pub status: Status,
    /// The job's steps, in words.
    pub steps: Vec<String>,
    /// How many durable writes this life had until then.
    pub appends: u64,
    /// The number of the write with which the job began to unwind; 0 if it did not.
    pub unwinding_from: u64,
    /// Locks that somebody holds.
    pub locks: Vec<String>,
    /// What the job still owes.
    pub debts: usize,
    /// How many steps the plan has before its pivot.
    pub before_pivot: usize,
    /// The number of the job's steps.
    pub plan_steps: usize,
    /// What of each step is launched on a host.
    pub launches: Vec<Launches>,
    /// Whether the whole journal verified.
    pub verified: bool,
    /// Where guests live now.
    pub placement: Vec<(String, String)>,
}

impl Life {
    /// A life of a master in that folder, undisturbed.
    #[must_use]
    pub fn new(folder: &Path, operation: &str, args: &[(&str, &str)]) -> Self {
        let args = args
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self {
            folder: folder.to_owned(),
            operation: operation.to_owned(),
            args: args.collect(),
            placed: Vec::new(),
            templates: Vec::new(),
            crash: None,
            failing: None,
            reboot: None,
            limit: None,
            lab: None,
            hurry: 20,
            machine: None,
        }
    }

    /// Runs it in a process of its own. `None`: it died by SIGKILL, as ordered.
    ///
    /// # Errors
    /// It ended in another way.
    pub fn run(&self) -> anyhow::Result<Option<Report>> {
        let report = self.folder.join("report.json");
        let _ = std::fs::remove_file(&report);
        let executable = std::env::current_exe()?;
        let mut command = match &self.lab {
            Some(lab) => {
                let mut command = Lab::tool_in(lab, "master");
                command.arg("--").arg(executable);
                command
            }
            None => {
                let mut command = Command::new(executable);
                command.env("PATH", paper::path_of_master());
                command.envs(
                    self.machine
                        .iter()
                        .flat_map(|root| paper::machine_of_master(root)),
                );
                command
            }
        };
        let output = command
            .args(["--exact", "a_master", "--nocapture"])
            .env(ORDER, serde_json::to_string(self)?)
            .output()?;
        if output.status.success() {
            let text = std::fs::read_to_string(&report).context("the master left no report")?;
            return Ok(Some(serde_json::from_str(&text)?));
        }
        let signal = std::os::unix::process::ExitStatusExt::signal(&output.status);
        if signal == Some(9) && self.crash.is_some() {
            return Ok(None);
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        bail!("the master of {self:?} ended with {}:\n{said}", output.status)
    }
}

/// Becomes a master if this process was started to be one, and then does not return to the test.
///
/// # Errors
/// The master could not work.
pub fn serve_if_asked() -> anyhow::Result<()> {
    let Ok(order) = std::env::var(ORDER) else {
        return Ok(());
    };
    let life: Life = serde_json::from_str(&order)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(serve(&life))
}

async fn serve(life: &Life) -> anyhow::Result<()> {
    let read = |name: &str| std::fs::read_to_string(life.folder.join(name));
    let slaves = Slaves::parse("slaves.conf", &read("slaves.conf")?)?;
    let settings = Settings::parse("vsjob.toml", &read("vsjob.toml")?)?;
    let clock: Arc<dyn Clock> = Arc::new(Hurried(life.hurry));
    let pool = Arc::new(Pool::configured(
        registry(life.limit.as_ref()),
        &slaves,
        &settings,
        Arc::clone(&clock),
    ));
    let opened = Local::open(
        &settings.state.join("store"),
        LocalOptions {
            segment_size: 1 << 20,
            ..LocalOptions::default()
        },
    )?;
    let writes = Arc::new(Writes::default());
    let store = Dying {
        inner: opened.store,
        crash: life.crash,
        writes: Arc::clone(&writes),
    };
    let opened = vsjob_engine::store::Opened {
        store,
        indexed: opened.indexed,
        warnings: opened.warnings,
    }
    .boxed();
    let actions: Arc<dyn Actions> = Arc::new(Troubled {
        inner: Arc::clone(&pool),
        failing: life.failing,
        reboot: life.reboot.clone(),
        folder: life.folder.clone(),
        lab: life.lab.clone(),
    });
    let options = Options {
        poison_limit: 1000,
        ..Options::default()
    };
    let engine = Engine::open(opened, actions, Arc::clone(&clock), options)?;

    pool.open_desk(Arc::new(Reception {
        engine: engine.clone(),
        life: life.clone(),
        slaves: slaves.clone(),
        settings: settings.clone(),
    }));

    let id = submit(&engine, life, &slaves, &settings).await?;
    let report = follow(&engine, id, &writes).await?;
    std::fs::write(life.folder.join("report.json"), serde_json::to_vec(&report)?)?;
    Ok(engine.close().await?)
}

async fn submit(engine: &Engine, life: &Life, slaves: &Slaves, settings: &Settings) -> anyhow::Result<JobId> {
    // A world may have been lived in before, by another job.
    let key = format!("the {} of this test", life.operation);
    if let Some(id) = engine.by_key(&key).await? {
        return Ok(id);
    }
    let known = engine.placement().await?;
    for (guest, host) in &life.placed {
        if !known.contains_key(guest) {
            let seen = Sighting {
                guest: guest.clone(),
                host: host.clone(),
                placed: None,
                lock: format!("guest/{guest}"),
            };
            engine.place(seen, actor()).await?;
        }
    }
    let reception = Reception {
        engine: engine.clone(),
        life: life.clone(),
        slaves: slaves.clone(),
        settings: settings.clone(),
    };
    let new = reception
        .planned(&life.operation, life.args.clone(), &key, None)
        .await?;
    Ok(engine.submit(new).await?.id)
}

/// The program's actions, one of them with another limit if that is asked for.
fn registry(limit: Option<&(String, u64)>) -> Registry {
    let actions = vsjob_workflows::registry();
    let Some((name, seconds)) = limit else {
        return actions;
    };
    Registry::new(actions.iter().map(|action| match action {
        Action::Host(host) if host.name == name => Action::Host(Box::leak(Box::new(HostAction {
            limit: Duration::from_secs(*seconds),
            ..host.clone()
        }))),
        other => other,
    }))
}

fn launches(step: &Step) -> Launches {
    let mut launches = Launches {
        action: step.action.name.clone(),
        has_undo: step.undo.is_some(),
        ..Launches::default()
    };
    if let Some(Action::Host(action)) = vsjob_workflows::registry().find(&step.action) {
        launches.does = !action.read_only;
        launches.undoes = launches.has_undo && !action.undo.is_empty();
    }
    launches
}

/// Follows the job until it is over and owes nothing, or is stuck.
async fn follow(engine: &Engine, id: JobId, writes: &Writes) -> anyhow::Result<Report> {
    let mut changes = engine.changes();
    loop {
        let job = engine.job(id).await?.context("the job is gone")?.job;
        let debts = job.debts().count();
        if (job.status.is_over() && debts == 0) || matches!(job.status, Status::Stuck { .. }) {
            let steps = job
                .numbered()
                .map(|(no, step)| format!("{no} {}: {:?}", job.plan.steps[no.index()].title, step.state));
            let pivot = job.plan.pivot().map_or(job.plan.steps.len(), StepNo::index);
            let audit = engine.reader().verify()?;
            return Ok(Report {
                steps: steps.collect(),
                appends: writes.appends.load(Ordering::SeqCst),
                unwinding_from: writes.unwinding_from.load(Ordering::SeqCst),
                locks: engine.locks().await?.into_iter().map(|lock| lock.key).collect(),
                debts,
                before_pivot: pivot,
                plan_steps: job.plan.steps.len(),
                launches: job.plan.steps.iter().map(launches).collect(),
                verified: audit.damage.is_none(),
                placement: engine
                    .placement()
                    .await?
                    .into_iter()
                    .map(|(guest, host)| (guest, host.to_string()))
                    .collect(),
                status: job.status,
            });
        }
        match tokio::time::timeout(LONGEST, changes.changed()).await {
            Ok(changed) => changed?,
            Err(_) => bail!("nothing happened any more: {job:#?}"),
        }
    }
}

/// The machine's clock, but everything that is waited for comes so many times as soon.
struct Hurried(u32);

impl Clock for Hurried {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn moment(&self) -> Moment {
        SystemClock.moment()
    }

    fn sleep(&self, for_how_long: Duration) -> Sleep {
        SystemClock.sleep(for_how_long / self.0)
    }
}

/// A store whose master dies at a certain write.
struct Dying {
    inner: Local,
    crash: Option<Crash>,
    writes: Arc<Writes>,
}

/// The durable writes of a life.
#[derive(Default)]
struct Writes {
    appends: AtomicU64,
    unwinding_from: AtomicU64,
}

impl Store for Dying {
    fn append(&mut self, frames: &[Vec<u8>], purpose: Purpose) -> Result<Head, StoreError> {
        let now = self.writes.appends.load(Ordering::SeqCst) + 1;
        let dies = self.crash.filter(|crash| crash.append == now);
        if dies.is_some_and(|crash| !crash.after) {
            die();
        }
        let head = self.inner.append(frames, purpose)?;
        if dies.is_some() {
            die();
        }
        if frames.iter().any(|frame| begins_unwinding(frame)) {
            self.writes.unwinding_from.store(now, Ordering::SeqCst);
        }
        self.writes.appends.store(now, Ordering::SeqCst);
        Ok(head)
    }

    fn admits(&mut self, purpose: Purpose) -> Result<(), StoreError> {
        self.inner.admits(purpose)
    }

    fn index(&mut self, head: Head, puts: Vec<Put>) {
        self.inner.index(head, puts);
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.inner.flush()
    }

    fn head(&self) -> Head {
        self.inner.head()
    }

    fn failing(&self) -> Arc<Notify> {
        self.inner.failing()
    }

    fn reader(&self) -> Arc<dyn Read> {
        self.inner.reader()
    }
}

fn begins_unwinding(frame: &[u8]) -> bool {
    let event = Entry::decode(frame).map(|entry| entry.event);
    matches!(
        event,
        Ok(Event::Job {
            event: JobEvent::Unwinding { .. },
            ..
        })
    )
}

fn die() {
    // It cannot fail, and there is nobody to tell.
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    std::process::abort();
}

/// Actions of which one fails, or before one of which a host reboots.
struct Troubled {
    inner: Arc<Pool>,
    failing: Option<Failing>,
    reboot: Option<Reboot>,
    folder: PathBuf,
    lab: Option<PathBuf>,
}

impl Troubled {
    /// Reboots the host if this is the moment, and leaves a mark in the folder that it did.
    fn reboot_before(&self, work: &Work) {
        let mark = self.folder.join(REBOOTED);
        let due = self.reboot.as_ref().filter(|reboot| {
            reboot.step == work.step && reboot.undo == (work.mode == Mode::Undo) && !mark.exists()
        });
        let rebooted = due.map(|reboot| match &self.lab {
            Some(lab) => lab_pool::reboot(lab, &reboot.host),
            None => paper::reboot(&self.folder.join(reboot.host.as_str())),
        });
        if matches!(rebooted, Some(Ok(()))) {
            // A mark that cannot be made fails the test, which looks for it.
            let _ = std::fs::write(mark, "");
        }
    }
}

/// The mark in the pool's folder of a reboot that was ordered and has happened.
pub const REBOOTED: &str = "rebooted";

impl Actions for Troubled {
    fn knows(&self, action: &ActionRef) -> bool {
        self.inner.knows(action)
    }

    fn perform(&self, work: Work) -> Performing {
        self.reboot_before(&work);
        let fails = self
            .failing
            .filter(|failing| work.mode == Mode::Do && failing.step == work.step);
        let ordered = || Outcome::Failed(Failure::new(Class::Permanent, "VSJ0999", "a fault was ordered"));
        match fails {
            None => self.inner.perform(work),
            Some(Failing { late: false, .. }) => Box::pin(async move { ordered() }),
            Some(Failing { late: true, .. }) => {
                let performing = self.inner.perform(work);
                Box::pin(async move {
                    match performing.await {
                        Outcome::Done(_) => ordered(),
                        other => other,
                    }
                })
            }
        }
    }

    fn forget(&self, job: JobId, hosts: Vec<HostName>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.inner.forget(job, hosts)
    }
}
