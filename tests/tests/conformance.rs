//! What a host must do, whichever way it is reached: run on paper hosts, and on real ones where there is a lab.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use uuid::Uuid;
use vsjob_engine::{
    ActionRef, Actions, Epoch, JobId, Mode, Outcome, Progress, StepNo, SystemClock, Timestamp, Work,
};
use vsjob_tests::paper::PaperPool;
use vsjob_workers::{Action, HostAction, Pool, Registry};

static WRITE: HostAction = HostAction {
    name: "test-write",
    args: &["path", "text"],
    outputs: &["wrote"],
    probe: r#"
        if [ -e "$R/root/$1" ]; then out state done; out wrote "$2"; else out state absent; fi"#,
    do_: r#"
        printf '%s' "$2" >"$R/root/$1"
        durable "$R/root/$1"
        out wrote "$2""#,
    undo: r#"
        rm -f "$R/root/$1"
        durable "$R/root/$1""#,
    limit: Duration::from_secs(60),
    ..HostAction::EMPTY
};

struct Bench {
    paper: PaperPool,
    pool: Pool,
    epoch: Epoch,
    job: JobId,
}

fn bench() -> anyhow::Result<Bench> {
    let paper = PaperPool::new(1)?;
    let pool = paper.pool(Registry::new([Action::Host(&WRITE)]), Arc::new(SystemClock))?;
    Ok(Bench {
        paper,
        pool,
        epoch: epoch(1),
        job: JobId::new(Timestamp::from_millis(1)),
    })
}

fn epoch(counter: u64) -> Epoch {
    Epoch {
        counter,
        id: Uuid::new_v4(),
    }
}

impl Bench {
    fn work(&self, action: &HostAction, args: &[&str]) -> Work {
        Work {
            job: self.job,
            step: StepNo(0),
            action: ActionRef {
                name: action.name.to_owned(),
                version: action.version,
            },
            mode: Mode::Do,
            attempt: 1,
            resume: false,
            args: std::iter::zip(action.args, args)
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            hosts: vec![self.paper.host(1).name.clone()],
            epoch: self.epoch,
            progress: watch::Sender::new(Progress::default()),
        }
    }
}

#[tokio::test]
async fn a_step_is_done_and_undone() -> anyhow::Result<()> {
    let bench = bench()?;
    let work = bench.work(&WRITE, &["a", "hello"]);
    let outcome = bench.pool.perform(work.clone()).await;
    let Outcome::Done(outputs) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(outputs.get("wrote").map(String::as_str), Some("hello"));
    assert_eq!(bench.paper.host(1).read("root/a")?, "hello");
    let undo = Work {
        mode: Mode::Undo,
        ..work
    };
    let outcome = bench.pool.perform(undo).await;
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    assert!(!bench.paper.host(1).has("root/a"));
    Ok(())
}
