//! A master whose journal was archived, and whose archive is gone: it audits from where its journal begins, it starts, and
//! so does its backup on another machine, with every job.

use std::pin::Pin;
use std::sync::Arc;

use anyhow::ensure;
use serde_json::Value;
use vsjob_engine::store::{Local, LocalOptions};
use vsjob_engine::{
    ActionRef, Actions, Actor, Engine, HostName, JobId, NewJob, Options, Outcome, Outputs, Performing, Plan,
    Priority, Request, Retry, Status, Step, SystemClock, Work,
};
use vsjob_tests::program::Program;

/// Jobs of one life of the master, and how many lives there are.
const JOBS: usize = 10;
const LIVES: usize = 8;

struct Nothing;

impl Actions for Nothing {
    fn knows(&self, _: &ActionRef) -> bool {
        true
    }

    fn perform(&self, _: Work) -> Performing {
        Box::pin(async { Outcome::Done(Outputs::new()) })
    }

    fn forget(&self, _: JobId, _: Vec<HostName>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async {})
    }
}

fn job() -> NewJob {
    let actor = Actor {
        user: "root".to_owned(),
        from: "a test".to_owned(),
        reason: None,
    };
    let step = Step {
        title: "nothing".to_owned(),
        action: ActionRef {
            name: "nothing".to_owned(),
            version: 1,
        },
        args: Vec::new(),
        hosts: Vec::new(),
        undo: None,
        pivot: false,
        retry: Retry::default(),
        creates: Vec::new(),
        strikes: Vec::new(),
        places: Vec::new(),
    };
    let request = Request {
        operation: "test".to_owned(),
        args: Vec::new(),
        actor,
        key: None,
        priority: Priority::Normal,
        not_before: None,
    };
    NewJob {
        request,
        title: "nothing".to_owned(),
        plan: Plan {
            steps: vec![step.clone(), step],
        },
        locks: Vec::new(),
    }
}

/// A store of a master that left in good order several times, each time with a snapshot.
async fn archived(program: &Program) -> anyhow::Result<()> {
    for _ in 0..LIVES {
        let options = LocalOptions {
            segment_size: 8 << 10,
            reserve: 0,
            snapshot_every: 4 << 10,
            archive_limit: 8 << 10,
            ..LocalOptions::default()
        };
        let opened = Local::open(&program.state(), options)?;
        ensure!(opened.warnings.is_empty(), "{:?}", opened.warnings);
        let clock = Arc::new(SystemClock);
        let engine = Engine::open(opened.boxed(), Arc::new(Nothing), clock, Options::default())?;
        for _ in 0..JOBS {
            let id = engine.submit(job()).await?.id;
            ensure!(engine.ended(id).await?.status == Status::Succeeded);
        }
        engine.close().await?;
    }
    Ok(())
}

fn succeeded(program: &Program) -> anyhow::Result<usize> {
    let status = program
        .run(&["status", "--all", "--limit", "1000", "--json"])?
        .ok()?;
    Ok(status.matches("\"succeeded\"").count())
}

#[tokio::test]
async fn a_master_and_its_backup_start_without_what_was_archived() -> anyhow::Result<()> {
    let (here, there) = (Program::new("", "")?, Program::new("", "")?);
    archived(&here).await?;
    let verified: Value = here.run(&["audit", "verify", "--json"])?.json()?;
    let (first, records) = (verified["first"].as_u64(), verified["records"].as_u64());
    ensure!(verified["damage"].is_null() && first > Some(1), "{verified}");
    let said = here.run(&["audit", "verify"])?.ok()?;
    let last = first
        .zip(records)
        .map_or(0, |(first, records)| first + records - 1);
    let begin = format!("verified from {} to {last}: ", first.unwrap_or(0));
    ensure!(
        said.starts_with(&begin) && said.ends_with("; earlier archived"),
        "{said}"
    );

    let file = here.folder().join("backup.tar").display().to_string();
    here.run(&["backup-master", &file])?.ok()?;
    std::fs::remove_dir_all(here.state().join("archive"))?;
    std::fs::remove_dir_all(here.state().join("index"))?;
    let master = here.master()?;
    ensure!(succeeded(&here)? == LIVES * JOBS, "{}", here.log());
    ensure!(master.stop()?.success(), "{}", here.log());

    there.run(&["restore-master", &file])?.ok()?;
    let _other = there.master_with(&["--take-over"])?;
    ensure!(succeeded(&there)? == LIVES * JOBS, "{}", there.log());
    Ok(())
}
