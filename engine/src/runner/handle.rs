//! The engine as others use it: a handle that can be cloned, whose every answer tells of what is durable.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

use super::owner::{Command, Input, Owner, View};
use super::replay;
use crate::core::{Core, Options};
use crate::records;
use crate::store::{Opened, Purpose, Read, Store};
use crate::world::ledger;
use crate::{
    Actions, Actor, Clock, EngineError, Entry, Epoch, Event, Failure, Forgotten, HostName, Job, JobId, Jump,
    KnownHost, NewJob, Object, Progress, Sighting, StepNo, Timestamp,
};

/// A handle to the running engine.
#[derive(Clone)]
pub struct Engine {
    post: mpsc::UnboundedSender<Input>,
    reader: Arc<dyn Read>,
    changes: watch::Receiver<u64>,
    epoch: Epoch,
}

/// A job that was taken in, or was there already under the same idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// Its id.
    pub id: JobId,
    /// It was not there before.
    pub new: bool,
}

/// A job and what is known of it only now.
#[derive(Clone, Debug)]
pub struct JobView {
    /// The job.
    pub job: Job,
    /// How far the step is that is being performed.
    pub progress: Option<Progress>,
    /// Why it does not go on right now.
    pub waits_for: Option<String>,
}

/// Which jobs.
#[derive(Clone, Copy, Debug)]
pub struct Filter {
    /// Only those that are not over, or owe an undo.
    pub open_only: bool,
    /// At most this many; the newest.
    pub limit: usize,
}

impl Filter {
    /// All that are not over, or owe an undo.
    pub const OPEN: Self = Self {
        open_only: true,
        limit: usize::MAX,
    };
}

/// A lock, for people.
#[derive(Clone, Debug)]
pub struct LockView {
    /// What is held.
    pub key: String,
    /// Whether it is shared.
    pub shared: bool,
    /// By whom.
    pub owner: JobId,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Who waits for it.
    pub waiting: Vec<JobId>,
}

/// How late it is.
#[derive(Clone, Copy, Debug)]
pub struct TimeView {
    /// By the engine.
    pub now: Timestamp,
    /// By the wall clock.
    pub wall: Timestamp,
    /// How long a master has been up over this store, in all.
    pub up: Duration,
    /// The wall clock is not followed.
    pub jump: Option<Jump>,
}

/// An undo that is owed.
#[derive(Clone, Debug)]
pub struct Debt {
    /// Whose.
    pub job: JobId,
    /// Of which step.
    pub step: StepNo,
    /// What that step did.
    pub title: String,
    /// Where.
    pub hosts: Vec<HostName>,
    /// Why it could not be undone.
    pub failure: Failure,
}

/// A line of a job's history.
#[derive(Clone, Debug)]
pub struct HistoryLine {
    /// The number of its entry in the journal.
    pub sequence: u64,
    /// The entry.
    pub entry: Entry,
}

impl Engine {
    /// Opens the engine over `opened`: brings the index up to the journal, resumes every open job, and begins to work.
    /// Must be called within a tokio runtime, which performs the actions.
    ///
    /// # Errors
    /// The store cannot be read, or holds entries of a newer program.
    pub fn open(
        opened: Opened<Box<dyn Store>>,
        actions: Arc<dyn Actions>,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Result<Self, EngineError> {
        let mut store = opened.store;
        let reader = store.reader();
        let world = replay::replay(&mut *store, opened.indexed)?;
        let last = world.epoch.map_or(0, |last| last.counter);
        let counter = match options.take_over {
            Some(known) => last.max(known).saturating_add(Epoch::SKIPPED),
            None => last.saturating_add(1),
        };
        let epoch = Epoch {
            counter,
            id: Uuid::new_v4(),
        };
        let jobs_kept = options.jobs_kept;
        let core = Core::open(world, epoch, options, clock.moment(), fastrand::u64(..));
        let (post, inbox) = mpsc::unbounded_channel();
        let (changed, changes) = watch::channel(0);
        let (failing, told) = (store.failing(), post.downgrade());
        Handle::current().spawn(async move {
            failing.notified().await;
            if let Some(post) = told.upgrade() {
                // The owner is gone only when the master leaves.
                let _ = post.send(Input::StoreFailed);
            }
        });
        let owner = Owner {
            core,
            store,
            actions,
            clock,
            inbox,
            post: post.clone(),
            changes: changed,
            runtime: Handle::current(),
            tasks: BTreeMap::new(),
            progress: BTreeMap::new(),
            awaited: BTreeMap::new(),
            indexed: opened.indexed.sequence,
            jobs_kept,
            forgets_at: jobs_kept + 1,
            waiting: Vec::new(),
        };
        std::thread::Builder::new()
            .name("vsjob-engine".to_owned())
            .spawn(move || owner.run())
            .map_err(|_| EngineError::Closed)?;
        Ok(Self {
            post,
            reader,
            changes,
            epoch,
        })
    }

    /// The epoch of this life of the master.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Takes in a job. When it answers, the job is durable.
    ///
    /// # Errors
    /// The plan is not one, the idempotency key belongs to another request, or there is no room for new work.
    pub async fn submit(&self, new: NewJob) -> Result<Submitted, EngineError> {
        self.take_in(new, Purpose::NewWork).await
    }

    /// Takes in a job without which another one cannot end; also when there is no room for new work.
    ///
    /// # Errors
    /// The plan is not one, or the idempotency key belongs to another request.
    pub async fn succeed(&self, new: NewJob) -> Result<Submitted, EngineError> {
        self.take_in(new, Purpose::Finish).await
    }

    async fn take_in(&self, new: NewJob, purpose: Purpose) -> Result<Submitted, EngineError> {
        self.ask(|reply| Input::Submit {
            new: Box::new(new),
            purpose,
            reply,
        })
        .await
    }

    /// Gives an order to a job by hand.
    ///
    /// # Errors
    /// It is unknown or over, or it cannot be done as the job stands: see [`EngineError`].
    pub async fn command(&self, job: JobId, command: Command, actor: Actor) -> Result<(), EngineError> {
        let answer = self
            .ask(|reply| Input::Command {
                job,
                command,
                actor,
                reply,
            })
            .await;
        match answer {
            Err(EngineError::UnknownJob(_)) => match records::job(&*self.reader, job)? {
                Some(over) => Err(EngineError::Over {
                    job,
                    state: over.status.word(),
                }),
                None => answer,
            },
            _ => answer,
        }
    }

    /// An administrator says that a guest lives where it was seen. See [`Core::place`].
    ///
    /// # Errors
    /// The master is stopping.
    pub async fn place(&self, seen: Sighting, actor: Actor) -> Result<bool, EngineError> {
        self.ask(|reply| Input::Place { seen, actor, reply }).await
    }

    /// Somebody has seen how the hosts are after a take-over. See [`Core::accept`].
    ///
    /// # Errors
    /// There was no take-over, or it has been accepted.
    pub async fn accept(&self, doubtful: Vec<(JobId, String)>, actor: Actor) -> Result<(), EngineError> {
        self.ask(|reply| Input::Accept {
            doubtful,
            actor,
            reply,
        })
        .await
    }

    /// Whether every job is held until a take-over is accepted.
    ///
    /// # Errors
    /// The master is stopping.
    pub async fn is_held(&self) -> Result<bool, EngineError> {
        self.look(|view| view.core.world().held).await
    }

    /// The job `id`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn job(&self, id: JobId) -> Result<Option<JobView>, EngineError> {
        let found = self
            .look(move |view| {
                let job = view.core.world().jobs.get(&id)?.clone();
                let under_way = crate::recovery::under_way(&job).is_some();
                let progress = view
                    .progress
                    .get(&id)
                    .filter(|_| under_way)
                    .map(|seen| seen.borrow().clone());
                Some(JobView {
                    job,
                    progress,
                    waits_for: view.core.waits_for(id),
                })
            })
            .await?;
        if found.is_some() {
            return Ok(found);
        }
        let known = records::job(&*self.reader, id)?;
        Ok(known.map(|job| JobView {
            job,
            progress: None,
            waits_for: None,
        }))
    }

    /// Waits until the job is over or stuck, and returns it.
    ///
    /// # Errors
    /// There is no such job, or the master is stopping.
    pub async fn ended(&self, id: JobId) -> Result<Job, EngineError> {
        let (reply, answer) = oneshot::channel();
        self.post
            .send(Input::Await(id, reply))
            .map_err(|_| EngineError::Closed)?;
        match answer.await {
            Ok(job) => Ok(job),
            Err(_) if self.post.is_closed() => Err(EngineError::Closed),
            Err(_) => records::job(&*self.reader, id)?.ok_or(EngineError::UnknownJob(id)),
        }
    }

    /// The newest jobs, newest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn jobs(&self, filter: Filter) -> Result<Vec<Job>, EngineError> {
        let Filter { open_only, limit } = filter;
        let mut jobs: BTreeMap<JobId, Job> = self
            .look(move |view| {
                let open = |job: &&Job| !open_only || !job.status.is_over() || job.debts().next().is_some();
                let newest = view.core.world().jobs.values().rev().filter(open).take(limit);
                newest.map(|job| (job.id, job.clone())).collect()
            })
            .await?;
        if !open_only {
            for job in records::newest(&*self.reader, limit)? {
                jobs.entry(job.id).or_insert(job);
            }
        }
        Ok(jobs.into_values().rev().take(limit).collect())
    }

    /// Who holds what.
    ///
    /// # Errors
    /// The master is stopping.
    pub async fn locks(&self) -> Result<Vec<LockView>, EngineError> {
        self.look(|view| {
            let world = view.core.world();
            let held = world.locks.iter().flat_map(|(key, holders, waiting)| {
                holders.into_iter().map(move |(owner, shared)| LockView {
                    key: key.to_owned(),
                    shared,
                    owner,
                    since: world.jobs.get(&owner).and_then(|job| job.started),
                    waiting: waiting.clone(),
                })
            });
            held.collect()
        })
        .await
    }

    /// Where guests live.
    ///
    /// # Errors
    /// The master is stopping.
    pub async fn placement(&self) -> Result<BTreeMap<String, HostName>, EngineError> {
        self.look(|view| view.core.world().placement.clone()).await
    }

    /// From now on nothing new is sent to the host, or it may be used again; durable when it answers.
    ///
    /// # Errors
    /// The master is stopping.
    pub async fn maintain(&self, host: HostName, on: bool, actor: Actor) -> Result<(), EngineError> {
        self.ask(|reply| Input::Maintain {
            host,
            on,
            actor,
            reply,
        })
        .await
    }

    /// The engine's time and the wall clock's, which are the same but for corrections; and a jump that nobody has
    /// accepted yet.
    ///
    /// # Errors
    /// The master is stopping.
    pub async fn time(&self) -> Result<TimeView, EngineError> {
        self.look(|view| TimeView {
            now: view.core.now(),
            wall: view.core.wall(),
            up: view.core.up(),
            jump: view.core.world().clock.jump,
        })
        .await
    }

    /// The wall clock, which jumped, is right. See [`Core::accept_clock`].
    ///
    /// # Errors
    /// It has not jumped.
    pub async fn accept_clock(&self, actor: Actor) -> Result<(), EngineError> {
        self.ask(|reply| Input::AcceptClock { actor, reply }).await
    }

    /// A host was claimed, and said which machine it is. See [`Core::meet`].
    ///
    /// # Errors
    /// The master is stopping.
    pub async fn meet(&self, host: HostName, machine: String) -> Result<(), EngineError> {
        self.ask(|reply| Input::Meet { host, machine, reply }).await
    }

    /// A host is gone for good. See [`Core::forget`].
    ///
    /// # Errors
    /// An open job works on it, or guests live there and are not said to be lost.
    pub async fn forget_host(
        &self,
        host: HostName,
        guests_are_lost: bool,
        actor: Actor,
    ) -> Result<Forgotten, EngineError> {
        self.ask(|reply| Input::ForgetHost {
            host,
            guests_are_lost,
            actor,
            reply,
        })
        .await
    }

    /// What is known of hosts; nothing is, of one that was never met and is in service.
    ///
    /// # Errors
    /// The master is stopping.
    pub async fn hosts(&self) -> Result<BTreeMap<HostName, KnownHost>, EngineError> {
        self.look(|view| view.core.world().hosts.clone()).await
    }

    /// The undos that are owed.
    ///
    /// # Errors
    /// The master is stopping.
    pub async fn debts(&self) -> Result<Vec<Debt>, EngineError> {
        self.look(|view| {
            let jobs = view.core.world().jobs.values();
            let debts = jobs.flat_map(|job| {
                job.debts().filter_map(|(no, failure)| {
                    let step = job.plan.step(no)?;
                    let (title, hosts) = (step.title.clone(), step.hosts.clone());
                    Some(Debt {
                        job: job.id,
                        step: no,
                        title,
                        hosts,
                        failure: failure.clone(),
                    })
                })
            });
            debts.collect()
        })
        .await
    }

    /// What open jobs may have on hosts.
    ///
    /// # Errors
    /// The master is stopping.
    pub async fn ledger(&self) -> Result<Vec<(JobId, Object)>, EngineError> {
        self.look(|view| {
            let jobs = view.core.world().jobs.values();
            let open = jobs.filter(|job| !job.status.is_over() || job.debts().next().is_some());
            open.flat_map(|job| ledger(job).into_iter().map(|object| (job.id, object.clone())))
                .collect()
        })
        .await
    }

    /// The entries of one job, oldest first.
    ///
    /// # Errors
    /// There is no such job, or the journal cannot be read.
    pub async fn history(&self, id: JobId) -> Result<Vec<HistoryLine>, EngineError> {
        let job = self.job(id).await?.ok_or(EngineError::UnknownJob(id))?.job;
        let mut lines = Vec::new();
        for frame in self.reader.frames_after(job.first - 1) {
            let frame = frame?;
            if frame.head.sequence > job.last {
                break;
            }
            let entry = Entry::decode(&frame.payload)?;
            let ours = match &entry.event {
                Event::Job { job, .. } | Event::Submitted { job, .. } => *job == id,
                _ => false,
            };
            if ours {
                lines.push(HistoryLine {
                    sequence: frame.head.sequence,
                    entry,
                });
            }
        }
        Ok(lines)
    }

    /// The job with this idempotency key.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn by_key(&self, key: &str) -> Result<Option<JobId>, EngineError> {
        let wanted = key.to_owned();
        match self
            .look(move |view| view.core.world().keys.get(&wanted).copied())
            .await?
        {
            Some(job) => Ok(Some(job)),
            None => records::by_key(&*self.reader, key),
        }
    }

    /// The number of the last durable entry; changes whenever anything does.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.clone()
    }

    /// The store, for reading.
    #[must_use]
    pub fn reader(&self) -> Arc<dyn Read> {
        self.reader.clone()
    }

    /// Leaves in good order: what is launched on hosts goes on, and the next master takes it up.
    ///
    /// # Errors
    /// The store could not be flushed; nothing acknowledged is lost.
    pub async fn close(self) -> Result<(), EngineError> {
        self.ask(Input::Close).await
    }

    pub(super) async fn ask<T>(
        &self,
        input: impl FnOnce(super::owner::Reply<T>) -> Input,
    ) -> Result<T, EngineError> {
        let (reply, answer) = oneshot::channel();
        self.post.send(input(reply)).map_err(|_| EngineError::Closed)?;
        answer.await.map_err(|_| EngineError::Closed)?
    }

    pub(super) async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(View<'_>) -> T + Send + 'static,
    ) -> Result<T, EngineError> {
        let (reply, answer) = oneshot::channel();
        let look = Box::new(move |view: View<'_>| drop(reply.send(look(view))));
        self.post
            .send(Input::Look(look))
            .map_err(|_| EngineError::Closed)?;
        answer.await.map_err(|_| EngineError::Closed)
    }
}
