//! The commands: each is a client of the master, except `master` itself and those that need none.

mod audit;
mod backup;
mod clock;
mod config;
mod demo;
mod explain;
mod gc;
mod generation;
mod guest;
mod host;
mod job;
mod locks;
mod logs;
mod manual;
mod scan;
mod schedule;
mod status;
mod step;
mod submit;
mod template;

use std::sync::Arc;

use vsjob_engine::SystemClock;

use crate::args::{Command, CommandLine, YesOrNo};
use crate::client::Client;
use crate::complaint::{Complaint, Stop};
use crate::output::Output;
use crate::place::Files;
use crate::session::Session;
use crate::{Exit, master};

/// Does what the command line says.
///
/// # Errors
/// It could not be done; nothing more has happened than the message says.
pub(crate) fn perform(line: &CommandLine, output: Output) -> Result<Exit, Stop> {
    match &line.command {
        Command::Explain { code } => explain::explain(output, code.as_deref()),
        Command::Completions { shell } => manual::completions(output, *shell),
        Command::Man { folder } => manual::pages(output, folder.as_deref()),
        Command::Step(crate::args::Step::List) => step::list(output),
        Command::Config(crate::args::Config::Check) => config::check(output, &line.global),
        Command::BackupMaster { file } => backup::backup(output, &line.global, file),
        Command::RestoreMaster { file } => backup::restore(output, &line.global, file),
        Command::Master(start) => master::run(&line.global, start, Arc::new(SystemClock)),
        command => {
            let settings = Files::read(&line.global)?.settings(&line.global)?;
            let session = Session {
                output,
                client: Client::new(&settings.socket),
                global: line.global.clone(),
            };
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|e| {
                    Complaint::new("VSJ0511", Exit::Internal, "the program could not be set up").because(&e)
                })?;
            runtime.block_on(order(&session, command))
        }
    }
}

async fn order(session: &Session, command: &Command) -> Result<Exit, Stop> {
    match command {
        Command::Submit(submission) => submit::submit(session, submission).await,
        Command::Status {
            job: Some(job),
            watch,
            ..
        } => status::one(session, job, *watch).await,
        Command::Status {
            watch, all, limit, ..
        } => status::all(session, *watch, *all, *limit).await,
        Command::Resume(which) => job::order(session, "resume", which).await,
        Command::Pause(which) => job::order(session, "pause", which).await,
        Command::Cancel(which) => job::order(session, "cancel", which).await,
        Command::Retry(which) => job::order(session, "retry", which).await,
        Command::Skip { which } => job::skip(session, which).await,
        Command::Abandon { which, to } => job::abandon(session, which, to.is_some()).await,
        Command::Answer { which, answer } => job::answer(session, which, *answer == YesOrNo::Yes).await,
        Command::Logs { job, follow } => logs::logs(session, job, *follow).await,
        Command::Locks => locks::locks(session).await,
        Command::Gc => gc::gc(session).await,
        Command::Audit(crate::args::Audit::Verify) => audit::verify(session).await,
        Command::Guest(guest) => guest::guest(session, guest).await,
        Command::Clock(clock) => clock::clock(session, clock).await,
        Command::Host(host) => host::host(session, host).await,
        Command::Scan { accept: None, .. } => scan::scan(session).await,
        Command::Scan {
            accept: Some(seal),
            reason,
        } => scan::accept(session, seal, reason.as_ref()).await,
        Command::Generation(which) => generation::generation(session, which).await,
        Command::Schedule(which) => schedule::schedule(session, which).await,
        Command::Step(step) => step::run(session, step).await,
        Command::Template(which) => template::template(session, which).await,
        Command::Demo(crate::args::Demo::Go { job }) => demo::go(session, job).await,
        // The rest needs no session.
        _ => Ok(Exit::Done),
    }
}
