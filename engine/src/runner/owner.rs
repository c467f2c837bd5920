//! The one owner of the state. Each turn it takes in all that has arrived, lets the core decide, makes the decisions
//! durable with one write and one fdatasync, and only then lets them have effects. What arrives during that fdatasync
//! is the next turn's batch, so a busy engine commits in groups by itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;

use super::schedules::{Waiting, Wanted};
use crate::core::{Core, Decided, Effect, Order, Ticket};
use crate::records;
use crate::store::{Head, Purpose, Store};
use crate::{
    ActionRef, Actions, Actor, Assertion, Class, Clock, EngineError, Failure, Forgotten, HostName, Job,
    JobId, NewJob, Outcome, Progress, Sighting, Status, Submitted, Work,
};

/// How long the index may wait for more changes when nothing else happens.
const INDEX_DELAY: Duration = Duration::from_millis(20);
/// How many entries may be ahead of the index before it is told at once.
const INDEX_LAG: u64 = 4096;
/// How many jobs more than are to be kept are known before some are forgotten.
const FORGETS_AFTER: u64 = 256;
/// How much is taken in at one turn.
const BATCH: usize = 4096;

/// Where an answer to a caller goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, EngineError>>;

/// Somebody who wants to see the state.
pub(super) type Look = Box<dyn FnOnce(View<'_>) + Send>;

/// What the owner is asked and told.
pub(super) enum Input {
    Submit {
        new: Box<NewJob>,
        purpose: Purpose,
        reply: Reply<Submitted>,
    },
    Command {
        job: JobId,
        command: Command,
        actor: Actor,
        reply: Reply<()>,
    },
    Place {
        seen: Sighting,
        actor: Actor,
        reply: Reply<bool>,
    },
    Accept {
        doubtful: Vec<(JobId, String)>,
        actor: Actor,
        reply: Reply<()>,
    },
    Maintain {
        host: HostName,
        on: bool,
        actor: Actor,
        reply: Reply<()>,
    },
    AcceptClock {
        actor: Actor,
        reply: Reply<()>,
    },
    Meet {
        host: HostName,
        machine: String,
        reply: Reply<()>,
    },
    ForgetHost {
        host: HostName,
        guests_are_lost: bool,
        actor: Actor,
        reply: Reply<Forgotten>,
    },
    Answer(Ticket, Outcome),
    /// This program does not have the action.
    Unreadable(Ticket, ActionRef),
    Schedule(Wanted),
    /// The store has failed by itself.
    StoreFailed,
    Look(Look),
    /// Somebody waits until the job is over or stuck.
    Await(JobId, oneshot::Sender<Job>),
    Close(Reply<()>),
}

/// What can be done to a job by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Take it back. Refused once it is past its pivot.
    Cancel,
    /// Let it stand still; a step under way ends first.
    Pause,
    /// Let it go on, or try again at once what waits or is stuck. Never changes its direction.
    Resume,
    /// Try the step again at once at which it is stuck, or whose next try it waits for.
    Retry,
    /// The step at which it gets nowhere counts as done, or as undone.
    Skip(Option<Assertion>),
    /// It is over, as it stands.
    Abandon(Option<Assertion>),
    /// Take it back although it has come to its pivot.
    TurnBack {
        /// The host where that acts is off and stays off.
        host_is_off: bool,
    },
}

/// What a look at the state sees: everything in it is durable.
pub(super) struct View<'a> {
    pub(super) core: &'a Core,
    pub(super) progress: &'a BTreeMap<JobId, watch::Sender<Progress>>,
}

/// The owner thread's own.
pub(super) struct Owner {
    pub(super) core: Core,
    pub(super) store: Box<dyn Store>,
    pub(super) actions: Arc<dyn Actions>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) inbox: mpsc::UnboundedReceiver<Input>,
    pub(super) post: mpsc::UnboundedSender<Input>,
    pub(super) changes: watch::Sender<u64>,
    pub(super) runtime: Handle,
    pub(super) tasks: BTreeMap<JobId, AbortHandle>,
    /// How far the step of a job is, for as long as the job is open.
    pub(super) progress: BTreeMap<JobId, watch::Sender<Progress>>,
    pub(super) awaited: BTreeMap<JobId, Vec<oneshot::Sender<Job>>>,
    /// The last entry that the index was told.
    pub(super) indexed: u64,
    /// How many jobs stay known when they are over.
    pub(super) jobs_kept: u64,
    /// How many jobs are known when it is time to forget some.
    pub(super) forgets_at: u64,
    /// Who waits for what is due.
    pub(super) waiting: Waiting,
}

/// What waits until the turn's decisions are durable.
#[derive(Default)]
pub(super) struct Afterwards {
    pub(super) replies: Vec<Box<dyn FnOnce() + Send>>,
    looks: Vec<Look>,
    closing: Option<Reply<()>>,
}

impl Owner {
    /// Works until it is told to close. An error of the store that is not a refusal ends the process: what is durable
    /// is unknown from then on, and going on would act on what may never have been written.
    pub(super) fn run(mut self) {
        let runtime = self.runtime.clone();
        if let Err(error) = self.commit() {
            die(&error);
        }
        loop {
            let inputs = runtime.block_on(self.wait());
            let mut after = Afterwards::default();
            self.core.tick(self.clock.moment());
            for input in inputs {
                self.take(input, &mut after);
            }
            if after.closing.is_some() {
                self.core.close();
            }
            self.settle_schedules();
            if let Err(error) = self.commit() {
                die(&error);
            }
            self.tell_what_is_due();
            for reply in after.replies {
                reply();
            }
            for look in after.looks {
                look(View {
                    core: &self.core,
                    progress: &self.progress,
                });
            }
            if let Some(reply) = after.closing {
                return self.leave(reply);
            }
        }
    }

    /// The next inputs; none, if only time has passed. The owner has a sender itself, so there is always one.
    async fn wait(&mut self) -> Vec<Input> {
        let mut inputs = Vec::new();
        let stale = self.core.world().sequence > self.indexed;
        if stale && (self.inbox.is_empty() || self.core.world().sequence - self.indexed >= INDEX_LAG) {
            if self.inbox.is_empty() && self.idle(INDEX_DELAY, &mut inputs).await {
                return inputs;
            }
            if let Err(error) = self.tell_index() {
                die(&error);
            }
        }
        match self.core.next_wait(self.clock.moment()) {
            None => {
                self.inbox.recv_many(&mut inputs, BATCH).await;
            }
            Some(wait) if wait.is_zero() => {
                while inputs.len() < BATCH
                    && let Ok(input) = self.inbox.try_recv()
                {
                    inputs.push(input);
                }
            }
            Some(wait) => {
                self.idle(wait, &mut inputs).await;
            }
        }
        inputs
    }

    /// Waits for inputs, but not longer than `longest`; says whether there were any.
    async fn idle(&mut self, longest: Duration, inputs: &mut Vec<Input>) -> bool {
        let sleep = self.clock.sleep(longest);
        tokio::select! {
            biased;
            _ = self.inbox.recv_many(inputs, BATCH) => true,
            () = sleep => false,
        }
    }

    fn take(&mut self, input: Input, after: &mut Afterwards) {
        match input {
            Input::Answer(ticket, outcome) => {
                if self.core.awaits(ticket) {
                    self.tasks.remove(&ticket.job);
                }
                self.core.answer(ticket, outcome);
            }
            Input::Unreadable(ticket, action) => self.core.unreadable(ticket, &action),
            Input::Submit { new, purpose, reply } => {
                let result = self.submit(*new, purpose);
                after.replies.push(Box::new(move || drop(reply.send(result))));
            }
            Input::Command {
                job,
                command,
                actor,
                reply,
            } => {
                let result = match command {
                    Command::Cancel => self.core.cancel(job, actor),
                    Command::Pause => self.core.pause(job, actor),
                    Command::Resume => self.core.resume(job, actor),
                    Command::Retry => self.core.retry(job, actor),
                    Command::Skip(assertion) => self.core.skip(job, assertion, actor),
                    Command::Abandon(assertion) => self.core.abandon(job, assertion, actor),
                    Command::TurnBack { host_is_off } => self.core.turn_back(job, host_is_off, actor),
                };
                after.replies.push(Box::new(move || drop(reply.send(result))));
            }
            Input::Place { seen, actor, reply } => {
                let placed = self.core.place(seen, actor);
                after.replies.push(Box::new(move || drop(reply.send(Ok(placed)))));
            }
            Input::Accept {
                doubtful,
                actor,
                reply,
            } => {
                let result = self.core.accept(doubtful, actor);
                after.replies.push(Box::new(move || drop(reply.send(result))));
            }
            Input::Maintain {
                host,
                on,
                actor,
                reply,
            } => {
                self.core.maintain(host, on, actor);
                after.replies.push(Box::new(move || drop(reply.send(Ok(())))));
            }
            Input::AcceptClock { actor, reply } => {
                let result = self.core.accept_clock(actor);
                after.replies.push(Box::new(move || drop(reply.send(result))));
            }
            Input::Meet { host, machine, reply } => {
                self.core.meet(host, machine);
                after.replies.push(Box::new(move || drop(reply.send(Ok(())))));
            }
            Input::ForgetHost {
                host,
                guests_are_lost,
                actor,
                reply,
            } => {
                let result = self.core.forget(host, guests_are_lost, actor);
                after.replies.push(Box::new(move || drop(reply.send(result))));
            }
            Input::Schedule(wanted) => self.take_schedule(wanted, after),
            Input::StoreFailed => {
                if let Err(error) = self.store.admits(Purpose::Finish) {
                    die(&error.into());
                }
            }
            Input::Look(look) => after.looks.push(look),
            Input::Await(job, reply) => self.await_end(job, reply),
            Input::Close(reply) => after.closing = Some(reply),
        }
    }

    /// A job that is no longer in memory is over; whoever asked finds it in the index.
    fn await_end(&mut self, id: JobId, reply: oneshot::Sender<Job>) {
        match self.core.world().jobs.get(&id) {
            Some(job) if job.status.is_over() || matches!(job.status, Status::Stuck { .. }) => {
                let _ = reply.send(job.clone());
            }
            Some(_) => self.awaited.entry(id).or_default().push(reply),
            None => drop(reply),
        }
    }

    pub(super) fn submit(&mut self, new: NewJob, purpose: Purpose) -> Result<Submitted, EngineError> {
        if let Some(key) = &new.request.key
            && !self.core.world().keys.contains_key(key)
            && let Some(id) = records::by_key(&*self.store.reader(), key)?
            && let Some(known) = records::job(&*self.store.reader(), id)?
        {
            return if known.request.asks_the_same(&new.request) {
                Ok(Submitted { id, new: false })
            } else {
                Err(EngineError::KeyInUse {
                    key: key.clone(),
                    job: id,
                })
            };
        }
        self.store.admits(purpose)?;
        let (id, new) = self.core.submit(JobId::new(self.core.now()), new)?;
        Ok(Submitted { id, new })
    }

    /// Makes what was decided durable, then lets it have its effects.
    fn commit(&mut self) -> Result<(), EngineError> {
        let Decided {
            entries,
            effects,
            ended,
        } = self.core.take_decided();
        if !entries.is_empty() {
            let frames = entries
                .iter()
                .map(crate::Entry::encode)
                .collect::<Result<Vec<_>, _>>()?;
            self.store.append(&frames, Purpose::Finish)?;
            self.changes.send_replace(self.core.world().sequence);
        }
        for id in ended {
            self.progress.remove(&id);
            if let Some((waiters, job)) = self.awaited.remove(&id).zip(self.core.world().jobs.get(&id)) {
                for waiter in waiters {
                    // Whoever waited may have left.
                    let _ = waiter.send(job.clone());
                }
            }
        }
        for effect in effects {
            match effect {
                Effect::Perform(order) => self.perform(order),
                Effect::Abort(job) => self.abort(job),
                Effect::Forget(job, hosts) => {
                    self.progress.remove(&job);
                    self.runtime.spawn(self.actions.forget(job, hosts));
                }
                Effect::Expect(host, machine) => self.actions.expect(&host, machine),
            }
        }
        Ok(())
    }

    fn perform(&mut self, order: Order) {
        let ticket = order.ticket;
        if !self.actions.knows(&order.action) {
            // Fails only when the owner itself is gone.
            let _ = self.post.send(Input::Unreadable(ticket, order.action));
            return;
        }
        let progress = self.progress.entry(ticket.job).or_default().clone();
        progress.send_replace(Progress::default());
        let work = Work {
            job: ticket.job,
            step: ticket.step,
            action: order.action,
            mode: ticket.mode,
            attempt: ticket.attempt,
            resume: order.resume,
            args: order.args,
            hosts: order.hosts,
            claims: order.claims,
            epoch: self.core.epoch(),
            progress,
        };
        let (actions, post) = (self.actions.clone(), self.post.clone());
        let task = self.runtime.spawn(async move {
            let outcome = std::panic::AssertUnwindSafe(async { actions.perform(work).await })
                .catch_unwind()
                .await
                .unwrap_or_else(|panic| Outcome::Failed(failure_of(&*panic)));
            // The owner is gone only when the master leaves; the step is then resumed by the next one.
            let _ = post.send(Input::Answer(ticket, outcome));
        });
        self.tasks.insert(ticket.job, task.abort_handle());
    }

    fn abort(&mut self, job: JobId) {
        if let Some(task) = self.tasks.remove(&job) {
            task.abort();
        }
    }

    fn tell_index(&mut self) -> Result<(), EngineError> {
        let head = self.store.head();
        let puts = records::take_changes(self.core.world_mut())?;
        let told = puts.len();
        self.store.index(head, puts);
        self.indexed = head.sequence;
        self.forget_jobs(head, told)
    }

    /// What is over for long is forgotten, many jobs at once: each time is a look at the oldest.
    fn forget_jobs(&mut self, head: Head, told: usize) -> Result<(), EngineError> {
        let world = self.core.world_mut();
        if world.known_jobs < self.forgets_at {
            return Ok(());
        }
        let puts = records::forget(world, &*self.store.reader(), self.jobs_kept, told)?;
        let from = if puts.is_empty() {
            world.known_jobs
        } else {
            self.jobs_kept
        };
        self.forgets_at = from + FORGETS_AFTER;
        if !puts.is_empty() {
            self.store.index(head, puts);
        }
        Ok(())
    }

    /// Leaves in good order. What was launched on hosts goes on; only the lines to it are let go.
    fn leave(mut self, reply: Reply<()>) {
        for (_, task) in std::mem::take(&mut self.tasks) {
            task.abort();
        }
        let left = self.tell_index().and_then(|()| Ok(self.store.flush()?));
        let Self { store, .. } = self;
        drop(store);
        // Whoever asked may not wait for the answer.
        let _ = reply.send(left);
    }
}

fn failure_of(panic: &(dyn std::any::Any + Send)) -> Failure {
    let said = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    Failure::new(
        Class::Permanent,
        "VSJ0012",
        format!("the action panicked: {said}"),
    )
}

/// The store failed in a way that leaves open what is durable.
fn die(error: &EngineError) -> ! {
    tracing::error!(code = error.code(), %error, "the store failed; the master ends at once, and nothing acknowledged is lost");
    std::process::abort()
}
