//! Hands what a move, a remove or a restore left behind to jobs of their own. The job is over without them, so no lock is held for days. One
//! waits for the end of the grace, and only then the purge is planned: by then the guest may live elsewhere again, and
//! the copy to be seen first is the one that placement names that day.

use std::time::Duration;

use vsjob_engine::{Class, Failure, Mode, Outcome, Outputs, Performing, Work};
use vsjob_workers::{Context, Successor};

use super::argument;
use crate::planner::master_action;
use crate::{GuestName, Leftover, Line, Ref, Span, VolumeName};

master_action! {
    /// Submits the `purge-later` of what is left, due after the grace. Done twice it is the same job.
    HandOver { guest: GuestName, host: Line, moved: Ref<VolumeName>, grace: Span } -> HandedOver {
        /// The job that will delete it.
        purge: String
    }
    "hand-over" version 1, "hand what is left to a purge after the grace", hand_over
}

master_action! {
    /// Submits the `purge` of what is left, now; of a guest that lives nowhere, another `purge-later`. Done twice it is the same job.
    BeginPurge { guest: GuestName, host: Line, moved: Leftover } -> PurgeBegun {
        /// The job that deletes it, or waits to.
        purge: String
    }
    "begin-purge" version 1, "begin to delete {moved}", begin_purge
}

master_action! {
    /// Its undo submits a `purge-later` of what is left: however a purge ends, what it was to delete has an owner.
    KeepForLater { guest: GuestName, host: Line, moved: Leftover } -> KeptForLater {}
    "keep-for-later" version 1, "see to it that {moved} is deleted later if it is not now", keep_for_later
}

master_action! {
    /// Takes back the `purge-later` of that key, as far as it can be: one that has begun finds nothing.
    WithdrawPurge { moved: Leftover, purge: Line } -> PurgeWithdrawn {}
    "withdraw-purge" version 1, "take the purge of {moved} back", withdraw_purge
}

/// How much later that is: the guest may just be on its way elsewhere, or its host be mended.
const LATER: Duration = Duration::from_secs(3600);

/// How much later what may be all that there is of a guest is looked at again.
const MUCH_LATER: Duration = Duration::from_secs(24 * 3600);

fn keep_for_later(context: Context, work: Work) -> Performing {
    Box::pin(async move {
        match work.mode {
            Mode::Do => Outcome::Done(Outputs::new()),
            Mode::Undo => submit(&context, &work, "purge-later", LATER).await,
        }
    })
}

fn hand_over(context: Context, work: Work) -> Performing {
    Box::pin(async move {
        match argument(&work, "grace").parse().map(Duration::from_millis) {
            Ok(grace) => submit(&context, &work, "purge-later", grace).await,
            Err(_) => Outcome::Failed(Failure::new(
                Class::Permanent,
                "VSJ0423",
                "the grace is not a number of milliseconds",
            )),
        }
    })
}

fn begin_purge(context: Context, work: Work) -> Performing {
    Box::pin(async move {
        match submit(&context, &work, "purge", Duration::ZERO).await {
            Outcome::Failed(failure) if failure.code == "VSJ0405" => {
                submit(&context, &work, "purge-later", MUCH_LATER).await
            }
            begun => begun,
        }
    })
}

fn withdraw_purge(context: Context, work: Work) -> Performing {
    Box::pin(async move {
        let key = argument(&work, "purge").to_owned();
        let withdrawn = async { context.desk()?.take_back(key, work.job).await };
        match withdrawn.await {
            Ok(()) => Outcome::Done(Outputs::new()),
            Err(failure) => Outcome::Failed(failure),
        }
    })
}

async fn submit(context: &Context, work: &Work, operation: &str, wait: Duration) -> Outcome {
    let args = [("name", "guest"), ("host", "host"), ("moved", "moved")]
        .map(|(parameter, known)| (parameter.to_owned(), argument(work, known).to_owned()));
    let successor = Successor {
        operation: operation.to_owned(),
        args: args.to_vec(),
        wait,
        key: format!("{operation}-of-{}", work.job),
        part_of: None,
        urgent: false,
    };
    let submitted = async { context.desk()?.submit(successor).await };
    match submitted.await {
        Ok(job) => Outcome::Done(Outputs::from([("purge".to_owned(), job.to_string())])),
        Err(failure) => Outcome::Failed(failure),
    }
}
