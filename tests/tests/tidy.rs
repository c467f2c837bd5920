//! A master that dies in the moment in which a job ends leaves the job's run directories on its hosts. The next one
//! removes them, and nothing of a job that its store does not know.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use serde_json::Value;
use vsjob_engine::store::{Local, LocalOptions};
use vsjob_engine::{
    ActionRef, Actions, Actor, Arg, Engine, HostName, JobId, NewJob, Options, Performing, Plan, Priority,
    Request, Retry, Status, Step, SystemClock, UndoKind, Work,
};
use vsjob_tests::hosts::{Host as _, World as _};
use vsjob_tests::paper::{PaperHost, PaperPool};
use vsjob_tests::program::Program;
use vsjob_workers::{Action, HostAction, Pool, Registry};

/// Fails if it is told to; what it does takes no effect.
static TRY: HostAction = HostAction {
    name: "test-try",
    args: &["code"],
    probe: "out state absent",
    do_: r#"exit "$1""#,
    ..HostAction::EMPTY
};

const UNKNOWN: &str = "0190a6f2-5c1e-7000-8000-0123456789ab";

/// A master that never gets to remove anything: it dies before.
struct DiesBefore(Pool);

impl Actions for DiesBefore {
    fn knows(&self, action: &ActionRef) -> bool {
        self.0.knows(action)
    }

    fn perform(&self, work: Work) -> Performing {
        self.0.perform(work)
    }

    fn forget(&self, _: JobId, _: Vec<HostName>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async {})
    }
}

fn job(host: &HostName, code: &str) -> NewJob {
    let actor = Actor {
        user: "root".to_owned(),
        from: "a test".to_owned(),
        reason: None,
    };
    let step = Step {
        title: "try".to_owned(),
        action: Action::Host(&TRY).reference(),
        args: vec![Arg {
            name: "code".to_owned(),
            value: vsjob_engine::Value::Text(code.to_owned()),
        }],
        hosts: vec![host.clone()],
        undo: Some(UndoKind::Cleaning),
        pivot: false,
        retry: Retry::default(),
        creates: Vec::new(),
        strikes: Vec::new(),
        places: Vec::new(),
    };
    NewJob {
        request: Request {
            operation: "test".to_owned(),
            args: Vec::new(),
            actor,
            key: None,
            priority: Priority::Normal,
            not_before: None,
        },
        title: "try".to_owned(),
        plan: Plan { steps: vec![step] },
        locks: Vec::new(),
    }
}

/// Jobs that have ended well and badly, under a master that died right then.
async fn ended(program: &Program, paper: &PaperPool) -> anyhow::Result<Vec<JobId>> {
    let pool = paper.pool(Registry::new([Action::Host(&TRY)]), Arc::new(SystemClock))?;
    let opened = Local::open(&program.state(), LocalOptions::default())?;
    let engine = Engine::open(
        opened.boxed(),
        Arc::new(DiesBefore(pool)),
        Arc::new(SystemClock),
        Options::default(),
    )?;
    let mut ended = Vec::new();
    for code in ["0", "78"] {
        let id = engine.submit(job(&paper.paper_host(1).name, code)).await?.id;
        let job = engine.ended(id).await?;
        ensure!((job.status == Status::Succeeded) == (code == "0"), "{job:?}");
        ended.push(id);
    }
    engine.close().await?;
    Ok(ended)
}

/// What the host has of a job.
fn runs(host: &PaperHost, job: &str) -> anyhow::Result<usize> {
    let mut found = 0;
    for entry in std::fs::read_dir(host.path("var/lib/vsjob/run"))? {
        found += usize::from(entry?.file_name().to_string_lossy().starts_with(job));
    }
    Ok(found)
}

fn strays(program: &Program) -> anyhow::Result<Vec<String>> {
    let left: Value = program.run(&["gc", "--json"])?.json()?;
    let strays = left["strays"].as_array().into_iter().flatten();
    Ok(strays
        .map(|stray| format!("{} {}", stray["kind"], stray["name"]))
        .collect())
}

#[tokio::test]
async fn run_directories_of_jobs_that_are_over_go_at_the_next_start_and_no_others() -> anyhow::Result<()> {
    let paper = PaperPool::new(1)?;
    let host = paper.paper_host(1);
    let settings = format!("[paper]\ndirectory = \"{}\"\n", paper.folder().display());
    let program = Program::new(&settings, "vsh-01\n")?;
    let jobs = ended(&program, &paper).await?;
    for job in &jobs {
        ensure!(runs(host, &job.to_string())? > 0, "nothing was left of {job}");
    }
    host.write(&format!("var/lib/vsjob/run/{UNKNOWN}-1-1/exit"), "0\n")?;

    let _master = program.master()?;
    let mut left = usize::MAX;
    for _ in 0..2000 {
        left = jobs
            .iter()
            .map(|job| runs(host, &job.to_string()))
            .sum::<anyhow::Result<usize>>()?;
        if left == 0 {
            break;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    ensure!(left == 0, "{left} are still there: {}", program.log());
    ensure!(
        runs(host, UNKNOWN)? == 1,
        "what the store does not know was touched"
    );
    ensure!(strays(&program)? == [format!("\"run\" \"{UNKNOWN}-1-1\"")]);

    host.run(&format!("rm -r \"$R/var/lib/vsjob/run/{UNKNOWN}-1-1\""), &[])?;
    ensure!(strays(&program)?.is_empty());
    Ok(())
}
