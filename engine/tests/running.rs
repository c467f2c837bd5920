//! The engine at work on a store in memory and virtual time, with actions that do what the test says.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vsjob_engine::store::Memory;
use vsjob_engine::{
    ActionRef, Actions, Actor, Arg, Class, Command, Engine, EngineError, Failure, Filter, HostName, JobId,
    Lock, Mode, NewJob, Options, Outcome, Outputs, Performing, Placing, Plan, Priority, Request, Retry,
    Status, Step, StepNo, StepState, Timestamp, UndoKind, Value, VirtualClock, Work,
};

/// Answers what the test has put in line for an action; `Done` when the line is empty.
#[derive(Clone, Default)]
struct Script {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    answers: BTreeMap<(String, Mode), VecDeque<Answer>>,
    seen: Vec<Seen>,
    forgotten: Vec<JobId>,
}

/// A performance that was asked for.
#[derive(Clone, Debug)]
struct Seen {
    action: String,
    mode: Mode,
    attempt: u32,
    args: Vec<(String, String)>,
    claims: Vec<HostName>,
}

enum Answer {
    Outcome(Outcome),
    Never,
    Panic,
}

impl Script {
    fn put(&self, action: &str, mode: Mode, answer: Answer) {
        self.inner
            .lock()
            .unwrap()
            .answers
            .entry((action.to_owned(), mode))
            .or_default()
            .push_back(answer);
    }

    fn seen(&self) -> Vec<Seen> {
        self.inner.lock().unwrap().seen.clone()
    }
}

impl Actions for Script {
    fn knows(&self, action: &ActionRef) -> bool {
        action.name != "unheard-of"
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
        let answer = inner
            .answers
            .get_mut(&(work.action.name, work.mode))
            .and_then(VecDeque::pop_front);
        Box::pin(async move {
            match answer {
                None => Outcome::Done(Outputs::from([("key".to_owned(), "value".to_owned())])),
                Some(Answer::Outcome(outcome)) => outcome,
                Some(Answer::Never) => std::future::pending().await,
                Some(Answer::Panic) => panic!("the action's own mistake"),
            }
        })
    }

    fn forget(&self, job: JobId, _: Vec<HostName>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.inner.lock().unwrap().forgotten.push(job);
        Box::pin(async {})
    }
}

fn step(action: &str) -> Step {
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

fn job(key: Option<&str>, lock: &str, steps: Vec<Step>) -> NewJob {
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

fn actor() -> Actor {
    Actor {
        user: "root".to_owned(),
        from: "a test".to_owned(),
        reason: Some("to see".to_owned()),
    }
}

fn failed(class: Class) -> Answer {
    Answer::Outcome(Outcome::Failed(Failure::new(class, "T1", "it did not work")))
}

fn open(store: &Memory, script: &Script, clock: &VirtualClock) -> Engine {
    let actions: Arc<dyn Actions> = Arc::new(script.clone());
    Engine::open(
        store.open().boxed(),
        actions,
        Arc::new(clock.clone()),
        Options::default(),
    )
    .unwrap()
}

struct Bench {
    store: Memory,
    script: Script,
    clock: VirtualClock,
    engine: Engine,
}

impl Bench {
    fn new() -> Self {
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
    async fn until(&self, id: JobId, wanted: impl Fn(&vsjob_engine::Job) -> bool) -> vsjob_engine::Job {
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

    async fn end(&self, id: JobId) -> vsjob_engine::Job {
        self.until(id, |job| job.status.is_over()).await
    }

    async fn submit(&self, new: NewJob) -> JobId {
        self.engine.submit(new).await.unwrap().id
    }
}

#[tokio::test]
async fn outputs_of_a_step_are_arguments_of_a_later_one() {
    let bench = Bench::new();
    let mut second = step("second");
    let output = Value::Output {
        step: StepNo(0),
        key: "key".to_owned(),
    };
    second.args = vec![Arg {
        name: "from".to_owned(),
        value: output,
    }];
    let id = bench
        .submit(job(None, "guest/ldap", vec![step("first"), second]))
        .await;
    assert_eq!(bench.end(id).await.status, Status::Succeeded);
    assert_eq!(
        bench.script.seen()[1].args,
        vec![("from".to_owned(), "value".to_owned())]
    );
    let history = bench.engine.history(id).await.unwrap();
    assert!(history.windows(2).all(|pair| pair[0].sequence < pair[1].sequence));
    assert_eq!(
        history.len(),
        7,
        "submitted, started, two steps of two entries, succeeded"
    );
}

#[tokio::test]
async fn the_same_key_gives_the_same_job_also_after_a_restart() {
    let bench = Bench::new();
    let first = bench
        .engine
        .submit(job(Some("k"), "guest/ldap", vec![step("a")]))
        .await
        .unwrap();
    let again = bench
        .engine
        .submit(job(Some("k"), "guest/ldap", vec![step("a")]))
        .await
        .unwrap();
    assert!(first.new && !again.new);
    assert_eq!(first.id, again.id);
    bench.end(first.id).await;

    let mut other = job(Some("k"), "guest/ldap", vec![step("a")]);
    other.request.args[0].1 = "www".to_owned();
    assert!(matches!(
        bench.engine.submit(other).await,
        Err(EngineError::KeyInUse { .. })
    ));

    bench.engine.clone().close().await.unwrap();
    let engine = open(&bench.store, &bench.script, &bench.clock);
    let later = engine
        .submit(job(Some("k"), "guest/ldap", vec![step("a")]))
        .await
        .unwrap();
    assert_eq!((later.id, later.new), (first.id, false));
    assert_eq!(engine.by_key("k").await.unwrap(), Some(first.id));
}

#[tokio::test]
async fn a_transient_failure_is_tried_again_with_new_attempt_numbers_and_a_permanent_one_is_not() {
    let bench = Bench::new();
    bench.script.put("a", Mode::Do, failed(Class::Transient));
    bench.script.put("a", Mode::Do, failed(Class::Transient));
    let id = bench.submit(job(None, "guest/ldap", vec![step("a")])).await;
    assert_eq!(bench.end(id).await.status, Status::Succeeded);
    let attempts: Vec<u32> = bench.script.seen().iter().map(|seen| seen.attempt).collect();
    assert_eq!(attempts, [1, 2, 3]);

    bench.script.put("b", Mode::Do, failed(Class::Permanent));
    let id = bench
        .submit(job(None, "guest/ldap", vec![step("a"), step("b")]))
        .await;
    let end = bench.end(id).await;
    assert!(matches!(end.status, Status::RolledBack(_)));
    assert!(end.steps.iter().all(|step| step.state == StepState::Undone));
    let undone: Vec<String> = bench
        .script
        .seen()
        .into_iter()
        .filter(|seen| seen.mode == Mode::Undo)
        .map(|seen| seen.action)
        .collect();
    assert_eq!(undone, ["b", "a"]);
}

#[tokio::test]
async fn a_panic_of_an_action_fails_its_step_and_nothing_else() {
    let bench = Bench::new();
    bench.script.put("a", Mode::Do, Answer::Panic);
    let id = bench.submit(job(None, "guest/ldap", vec![step("a")])).await;
    let end = bench.end(id).await;
    let Status::RolledBack(failure) = end.status else {
        panic!("{:?}", end.status)
    };
    assert_eq!(failure.code, "VSJ0012");
    let id = bench.submit(job(None, "guest/ldap", vec![step("a")])).await;
    assert_eq!(bench.end(id).await.status, Status::Succeeded);
}

#[tokio::test]
async fn an_action_that_this_program_does_not_have_makes_its_job_stuck_and_no_other() {
    let bench = Bench::new();
    let id = bench
        .submit(job(None, "guest/ldap", vec![step("unheard-of")]))
        .await;
    let stuck = bench
        .until(id, |job| matches!(job.status, Status::Stuck { .. }))
        .await;
    assert!(matches!(stuck.status, Status::Stuck { reason, .. } if reason.contains("unheard-of")));
    assert!(bench.script.seen().is_empty(), "something was performed");
    let id = bench.submit(job(None, "guest/www", vec![step("a")])).await;
    assert_eq!(bench.end(id).await.status, Status::Succeeded);
}

#[tokio::test]
async fn before_the_pivot_a_step_needs_every_host_of_its_job_and_an_undo_or_a_later_one_only_its_own() {
    let bench = Bench::new();
    let on = |action: &str, hosts: &[&str]| Step {
        hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
        ..step(action)
    };
    let steps = || {
        let mut pivot = on("pivot", &["vsh-02"]);
        pivot.pivot = true;
        let here = Step {
            hosts: Vec::new(),
            ..step("here")
        };
        vec![
            on("first", &["vsh-01"]),
            here,
            on("both", &["vsh-02", "vsh-01"]),
            pivot,
            on("last", &["vsh-01"]),
        ]
    };
    let done = bench.submit(job(None, "guest/ldap", steps())).await;
    assert_eq!(bench.end(done).await.status, Status::Succeeded);
    bench.script.put("pivot", Mode::Do, Answer::Never);
    let mut cancelled = job(None, "guest/ldap", steps());
    cancelled.plan.steps[3].pivot = false;
    let cancelled = bench.submit(cancelled).await;
    bench
        .until(cancelled, |job| {
            matches!(job.steps[3].state, StepState::Started { .. })
        })
        .await;
    bench
        .engine
        .command(cancelled, Command::Cancel, actor())
        .await
        .unwrap();
    bench.end(cancelled).await;

    let claims: Vec<(String, Mode, String)> = bench
        .script
        .seen()
        .into_iter()
        .map(|seen| {
            let claims: Vec<&str> = seen.claims.iter().map(HostName::as_str).collect();
            (seen.action, seen.mode, claims.join(" "))
        })
        .collect();
    let expected = |action: &str, mode, claims: &str| (action.to_owned(), mode, claims.to_owned());
    assert_eq!(
        claims,
        [
            expected("first", Mode::Do, "vsh-01 vsh-02"),
            expected("here", Mode::Do, "vsh-01 vsh-02"),
            expected("both", Mode::Do, "vsh-01 vsh-02"),
            expected("pivot", Mode::Do, "vsh-02"),
            expected("last", Mode::Do, "vsh-01"),
            expected("first", Mode::Do, "vsh-01 vsh-02"),
            expected("here", Mode::Do, "vsh-01 vsh-02"),
            expected("both", Mode::Do, "vsh-01 vsh-02"),
            expected("pivot", Mode::Do, "vsh-01 vsh-02"),
            expected("pivot", Mode::Undo, "vsh-02"),
            expected("both", Mode::Undo, "vsh-02"),
            expected("here", Mode::Undo, ""),
            expected("first", Mode::Undo, "vsh-01"),
        ]
    );
}

#[tokio::test]
async fn cancel_abandons_what_is_under_way_and_takes_it_back() {
    let bench = Bench::new();
    bench.script.put("b", Mode::Do, Answer::Never);
    let id = bench
        .submit(job(None, "guest/ldap", vec![step("a"), step("b")]))
        .await;
    bench
        .until(id, |job| matches!(job.steps[1].state, StepState::Started { .. }))
        .await;
    bench.engine.command(id, Command::Cancel, actor()).await.unwrap();
    assert_eq!(bench.end(id).await.status, Status::Cancelled);
    assert!(matches!(
        bench.engine.command(id, Command::Cancel, actor()).await,
        Err(EngineError::Over { .. })
    ));
}

#[tokio::test]
async fn pause_lets_the_step_under_way_end_and_resume_goes_on() {
    let bench = Bench::new();
    let id = {
        bench.script.put("a", Mode::Do, failed(Class::Transient));
        bench
            .submit(job(None, "guest/ldap", vec![step("a"), step("b")]))
            .await
    };
    bench
        .until(id, |job| matches!(job.steps[0].state, StepState::Waiting { .. }))
        .await;
    bench.engine.command(id, Command::Pause, actor()).await.unwrap();
    for _ in 0..100 {
        bench.clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
    let paused = bench.engine.job(id).await.unwrap().unwrap().job;
    assert!(matches!(paused.status, Status::Paused(_)));
    assert!(matches!(paused.steps[0].state, StepState::Waiting { .. }));
    bench.engine.command(id, Command::Resume, actor()).await.unwrap();
    assert_eq!(bench.end(id).await.status, Status::Succeeded);
}

#[tokio::test]
async fn a_gating_undo_waits_for_its_host_and_a_cleaning_one_becomes_a_debt_that_is_paid() {
    let bench = Bench::new();
    let away = || {
        Answer::Outcome(Outcome::Unknown(Failure::new(
            Class::Transient,
            "T3",
            "vsh-01 does not answer",
        )))
    };
    let mut gate = step("gate");
    gate.undo = Some(UndoKind::Gating);
    for _ in 0..20 {
        bench.script.put("gate", Mode::Undo, away());
    }
    for _ in 0..7 {
        bench.script.put("clean", Mode::Undo, away());
    }
    bench.script.put("fail", Mode::Do, failed(Class::Permanent));
    let id = bench
        .submit(job(
            None,
            "guest/ldap",
            vec![step("first"), gate, step("clean"), step("fail")],
        ))
        .await;
    let end = bench.end(id).await;
    assert!(matches!(end.status, Status::RolledBack(_)));
    assert_eq!(end.steps[1].state, StepState::Undone);
    assert!(
        matches!(end.steps[2].state, StepState::Owed(_)),
        "{:?}",
        end.steps[2].state
    );
    assert_eq!(bench.engine.debts().await.unwrap().len(), 1);
    assert!(
        bench.engine.locks().await.unwrap().is_empty(),
        "a job that is over holds no lock"
    );

    bench
        .until(id, |job| job.steps[2].state == StepState::Undone)
        .await;
    assert!(bench.engine.debts().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_lock_is_handed_on_in_the_order_of_asking() {
    let bench = Bench::new();
    bench.script.put("slow", Mode::Do, Answer::Never);
    let first = bench.submit(job(None, "guest/ldap", vec![step("slow")])).await;
    bench.until(first, |job| job.status == Status::Running).await;
    let second = bench.submit(job(None, "guest/ldap", vec![step("a")])).await;
    let view = bench.engine.job(second).await.unwrap().unwrap();
    assert_eq!(view.job.status, Status::Queued);
    assert!(view.waits_for.unwrap().contains("guest/ldap"));
    bench
        .engine
        .command(first, Command::Cancel, actor())
        .await
        .unwrap();
    assert_eq!(bench.end(second).await.status, Status::Succeeded);
}

#[tokio::test]
async fn a_job_that_is_due_later_holds_up_nobody_and_runs_when_its_time_has_come() {
    let bench = Bench::new();
    let mut later = job(None, "guest/ldap", vec![step("a")]);
    later.request.not_before = Some(Timestamp::from_millis(1_700_000_000_000) + Duration::from_secs(300));
    let later = bench.submit(later).await;
    let now = bench.submit(job(None, "guest/ldap", vec![step("b")])).await;
    assert_eq!(bench.end(now).await.status, Status::Succeeded);
    assert_eq!(
        bench.engine.job(later).await.unwrap().unwrap().job.status,
        Status::Queued
    );
    let end = bench.end(later).await;
    assert!(end.started.unwrap() >= end.request.not_before.unwrap());
}

#[tokio::test]
async fn a_full_store_refuses_new_work_and_finishes_what_runs() {
    let bench = Bench::new();
    bench.script.put("a", Mode::Do, failed(Class::Transient));
    let id = bench.submit(job(None, "guest/ldap", vec![step("a")])).await;
    bench.store.fill();
    let refused = bench.engine.submit(job(None, "guest/www", vec![step("a")])).await;
    assert!(matches!(refused, Err(EngineError::Store(_))), "{refused:?}");
    assert_eq!(bench.end(id).await.status, Status::Succeeded);
    bench.store.make_room();
    let id = bench.submit(job(None, "guest/www", vec![step("a")])).await;
    assert_eq!(bench.end(id).await.status, Status::Succeeded);
}

#[tokio::test]
async fn placement_follows_the_steps_that_place() {
    let bench = Bench::new();
    let mut admit = step("admit");
    admit.places = vec![Placing::Place {
        guest: "ldap".to_owned(),
        host: "vsh-02".parse().unwrap(),
    }];
    let id = bench.submit(job(None, "guest/ldap", vec![admit])).await;
    bench.end(id).await;
    let everything = Filter {
        open_only: false,
        limit: 10,
    };
    assert_eq!(bench.engine.jobs(everything).await.unwrap().len(), 1);
    bench.engine.clone().close().await.unwrap();
    let engine = open(&bench.store, &bench.script, &bench.clock);
    assert_eq!(engine.placement().await.unwrap()["ldap"].as_str(), "vsh-02");
    assert_eq!(
        engine.jobs(everything).await.unwrap()[0].status,
        Status::Succeeded
    );
    assert_eq!(engine.epoch().counter, 2);
}
