//! The two steps that a batch has for each of its guests: its job is submitted, and waited for. A guest's job that does not
//! get on, or cannot be submitted at all, is that guest's affair: both steps succeed, and tell what became of it.

use std::collections::BTreeMap;

use vsjob_engine::{Class, Failure, JobId, Mode, Outcome, Outputs, Performing, Work};
use vsjob_workers::{Context, Successor};

use super::argument;
use crate::planner::master_action;
use crate::{GuestName, Line, Ref};

master_action! {
    /// Submits the job of one guest, with these parameters, as JSON. Done twice it is the same job; its undo takes that back,
    /// as far as it can be, and does not wait for it.
    BeginPart { operation: Line, guest: GuestName, parameters: Line } -> PartBegun {
        /// The job; empty: none.
        job: String,
        /// Why there is none.
        refused: String
    }
    "begin-part" version 1, "{operation} {guest}", begin_part
}

master_action! {
    /// Submits nothing: when the batch was planned it was plain already that nothing can be done for that guest.
    RefusePart { guest: GuestName, why: Line } -> PartRefused {
        /// Empty: there is no job.
        job: String,
        /// Why there is none.
        refused: String
    }
    "refuse-part" version 1, "leave {guest} where it is", refuse_part
}

master_action! {
    /// Waits until that job is over, or stuck.
    AwaitPart { guest: GuestName, job: Ref<String> } -> PartEnded {
        /// How it is then: `succeeded`, `rolled back`, `cancelled`, `abandoned`, `stuck`, or `refused` if there is none.
        ended: String
    }
    "await-part" version 1, "wait for {guest}", await_part
}

fn begin_part(context: Context, work: Work) -> Performing {
    Box::pin(async move {
        let key = format!("{}-in-{}", argument(&work, "guest"), work.job);
        let begun = |job: String, refused: String| {
            Outcome::Done(Outputs::from([
                ("job".to_owned(), job),
                ("refused".to_owned(), refused),
            ]))
        };
        let done = match work.mode {
            Mode::Undo => take_back(&context, key, work.job).await.map(|()| String::new()),
            Mode::Do => submit(&context, &work, key).await.map(|job| job.to_string()),
        };
        match done {
            Ok(job) => begun(job, String::new()),
            Err(why) if why.class == Class::Permanent && work.mode == Mode::Do => {
                begun(String::new(), format!("{} {}", why.code, why.message))
            }
            Err(why) => Outcome::Failed(why),
        }
    })
}

fn refuse_part(_: Context, work: Work) -> Performing {
    Box::pin(async move {
        Outcome::Done(Outputs::from([
            ("job".to_owned(), String::new()),
            ("refused".to_owned(), argument(&work, "why").to_owned()),
        ]))
    })
}

async fn submit(context: &Context, work: &Work, key: String) -> Result<JobId, Failure> {
    let args: BTreeMap<String, String> = serde_json::from_str(argument(work, "parameters"))
        .map_err(|why| Failure::new(Class::Permanent, "VSJ0423", why.to_string()))?;
    let successor = Successor {
        operation: argument(work, "operation").to_owned(),
        args: args.into_iter().collect(),
        wait: std::time::Duration::ZERO,
        key,
        part_of: Some(work.job),
        urgent: false,
    };
    context.desk()?.submit(successor).await
}

async fn take_back(context: &Context, key: String, whole: JobId) -> Result<(), Failure> {
    context.desk()?.take_back(key, whole).await
}

fn await_part(context: Context, work: Work) -> Performing {
    Box::pin(async move {
        let ended = match argument(&work, "job").parse() {
            // To have waited changed nothing.
            _ if work.mode == Mode::Undo => Ok(String::new()),
            Ok(job) => rest(&context, job).await,
            Err(_) => Ok("refused".to_owned()),
        };
        match ended {
            Ok(ended) => Outcome::Done(Outputs::from([("ended".to_owned(), ended)])),
            Err(why) => Outcome::Failed(why),
        }
    })
}

async fn rest(context: &Context, job: JobId) -> Result<String, Failure> {
    context.desk()?.rest(job).await
}
