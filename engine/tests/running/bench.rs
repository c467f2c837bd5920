//! The engine on a store in memory and virtual time, with actions that do what the test says.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vsjob_engine::store::Memory;
use vsjob_engine::{
    ActionRef, Actions, Actor, Class, Command, Engine, Failure, HostName, JobId, Lock, Mode, NewJob, Options,
    Outcome, Outputs, Performing, Plan, Priority, Request, Retry, Step, Timestamp, UndoKind, VirtualClock,
    Work,
};

/// Answers what the test has put in line for an action; `Done` when the line is empty.
#[derive(Clone, Default)]
pub(crate) struct Script {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
pub(crate) struct Inner {
    answers: BTreeMap<(String, Mode), VecDeque<Answer>>,
    seen: Vec<Seen>,
    forgotten: Vec<JobId>,
    let_go: Vec<String>,
    unlearned: BTreeSet<String>,
    expected: BTreeMap<HostName, String>,
}

/// A performance that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) action: String,
    pub(crate) mode: Mode,
    pub(crate) attempt: u32,
    pub(crate) args: Vec<(String, String)>,
    pub(crate) claims: Vec<HostName>,
}

pub(crate) enum Answer {
    Outcome(Outcome),
    Never,
    Panic,
}

/// Notes that an action is let go before it has answered.
struct Held(Script, String);

impl Drop for Held {
    fn drop(&mut self) {
        let action = std::mem::take(&mut self.1);
        self.0.inner.lock().unwrap().let_go.push(action);
    }
}

impl Script {
    pub(crate) fn put(&self, action: &str, mode: Mode, answer: Answer) {
        self.inner
            .lock()
            .unwrap()
            .answers
            .entry((action.to_owned(), mode))
            .or_default()
            .push_back(answer);
    }

    /// The program does not have this action any more.
    pub(crate) fn unlearn(&self, action: &str) {
        self.inner.lock().unwrap().unlearned.insert(action.to_owned());
    }

    /// The program has all actions again.
    pub(crate) fn learn_all(&self) {
        self.inner.lock().unwrap().unlearned.clear();
    }

    /// Nothing is in line for this action any more.
    pub(crate) fn clear(&self, action: &str, mode: Mode) {
        let of = (action.to_owned(), mode);
        self.inner.lock().unwrap().answers.remove(&of);
    }

    /// Which machine the host has to be.
    pub(crate) fn expected(&self, host: &str) -> Option<String> {
        let host: HostName = host.parse().unwrap();
        self.inner.lock().unwrap().expected.get(&host).cloned()
    }

    /// The jobs that hosts were told to forget.
    pub(crate) fn forgotten(&self) -> Vec<JobId> {
        self.inner.lock().unwrap().forgotten.clone()
    }

    /// The actions that never answered, and that nobody waits for any more.
    pub(crate) fn let_go(&self) -> Vec<String> {
        self.inner.lock().unwrap().let_go.clone()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.inner.lock().unwrap().seen.clone()
    }
}

impl Actions for Script {
    fn knows(&self, action: &ActionRef) -> bool {
        action.name != "unheard-of" && !self.inner.lock().unwrap().unlearned.contains(&action.name)
    }

    fn perform(&self, work: Work) -> Performing {
        let mut inner = self.inner.lock().unwrap();
        inner.seen.push(Seen {
            action: work.action.name.clone(),
            mode: work.mode,
            attempt: work.attempt,
            args: work.args,
            claims: work.claims,
        });
        let (script, action) = (self.clone(), work.action.name.clone());
        let answer = inner
            .answers
            .get_mut(&(work.action.name, work.mode))
            .and_then(VecDeque::pop_front);
        Box::pin(async move {
            match answer {
                None => Outcome::Done(Outputs::from([("key".to_owned(), "value".to_owned())])),
                Some(Answer::Outcome(outcome)) => outcome,
                Some(Answer::Never) => {
                    let _held = Held(script, action);
                    std::future::pending().await
                }
                Some(Answer::Panic) => panic!("the action's own mistake"),
            }
        })
    }

    fn forget(&self, job: JobId, _: Vec<HostName>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.inner.lock().unwrap().forgotten.push(job);
        Box::pin(async {})
    }

    fn expect(&self, host: &HostName, machine: Option<String>) {
        let expected = &mut self.inner.lock().unwrap().expected;
        match machine {
            Some(machine) => drop(expected.insert(host.clone(), machine)),
            None => drop(expected.remove(host)),
        }
    }
}

pub(crate) fn step(action: &str) -> Step {
    Step {
        title: action.to_owned(),
        action: ActionRef {
            name: action.to_owned(),
            version: 1,
        },
        args: Vec::new(),
        hosts: vec!["vsh-01".parse().unwrap()],
        undo: Some(UndoKind::Cleaning),
        pivot: false,
        retry: Retry {
            attempts: 3,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(4),
        },
        creates: Vec::new(),
        strikes: Vec::new(),
        places: Vec::new(),
    }
}

pub(crate) fn job(key: Option<&str>, lock: &str, steps: Vec<Step>) -> NewJob {
    NewJob {
        request: Request {
            operation: "test".to_owned(),
            args: vec![("name".to_owned(), "ldap".to_owned())],
            actor: actor(),
            key: key.map(str::to_owned),
            priority: Priority::Normal,
            not_before: None,
        },
        title: "a test".to_owned(),
        plan: Plan { steps },
        locks: vec![Lock {
            key: lock.to_owned(),
            shared: false,
        }],
    }
}

pub(crate) fn actor() -> Actor {
    Actor {
        user: "root".to_owned(),
        from: "a test".to_owned(),
        reason: Some("to see".to_owned()),
    }
}

pub(crate) fn failed(class: Class) -> Answer {
    Answer::Outcome(Outcome::Failed(Failure::new(class, "T1", "it did not work")))
}

pub(crate) fn open(store: &Memory, script: &Script, clock: &VirtualClock) -> Engine {
    open_as(store, script, clock, Options::default())
}

pub(crate) fn open_as(store: &Memory, script: &Script, clock: &VirtualClock, options: Options) -> Engine {
    // A new master knows nothing but what the store tells it.
    script.inner.lock().unwrap().expected.clear();
    let actions: Arc<dyn Actions> = Arc::new(script.clone());
    Engine::open(store.open().boxed(), actions, Arc::new(clock.clone()), options).unwrap()
}

pub(crate) struct Bench {
    pub(crate) store: Memory,
    pub(crate) script: Script,
    pub(crate) clock: VirtualClock,
    pub(crate) engine: Engine,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let (store, script) = (Memory::new(), Script::default());
        let clock = VirtualClock::at(Timestamp::from_millis(1_700_000_000_000));
        let engine = open(&store, &script, &clock);
        Self {
            store,
            script,
            clock,
            engine,
        }
    }

    /// Lets virtual time pass until the job is as wanted.
    pub(crate) async fn until(
        &self,
        id: JobId,
        wanted: impl Fn(&vsjob_engine::Job) -> bool,
    ) -> vsjob_engine::Job {
        for _ in 0..20_000 {
            let job = self.engine.job(id).await.unwrap().unwrap().job;
            if wanted(&job) {
                return job;
            }
            self.clock.advance(Duration::from_millis(50));
            tokio::task::yield_now().await;
        }
        panic!("it never came to be: {:#?}", self.engine.job(id).await);
    }

    pub(crate) async fn end(&self, id: JobId) -> vsjob_engine::Job {
        self.until(id, |job| job.status.is_over()).await
    }

    pub(crate) async fn order(&self, id: JobId, command: Command) {
        self.engine.command(id, command, actor()).await.unwrap();
    }

    pub(crate) async fn submit(&self, new: NewJob) -> JobId {
        self.engine.submit(new).await.unwrap().id
    }
}
