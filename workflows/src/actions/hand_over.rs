//! Hands what a move left behind to a job of its own, which deletes it after the grace. The move is over without it, so
//! no lock is held for days.

use std::time::Duration;

use vsjob_engine::{Class, Failure, Outcome, Outputs, Performing, Work};
use vsjob_workers::Context;

use super::argument;
use crate::planner::master_action;
use crate::{GuestName, Line, Ref, Span, VolumeName};

master_action! {
    /// Submits the `purge` of what is left, due after the grace. Done twice it is the same job.
    HandOver { guest: GuestName, host: Line, moved: Ref<VolumeName>, grace: Span } -> HandedOver {
        /// The job that deletes it.
        purge: String
    }
    "hand-over" version 1, "hand what is left to a purge after the grace", hand_over
}

fn hand_over(context: Context, work: Work) -> Performing {
    Box::pin(async move {
        let Ok(grace) = argument(&work, "grace").parse().map(Duration::from_millis) else {
            return Outcome::Failed(Failure::new(
                Class::Permanent,
                "VSJ0423",
                "the grace is not a number of milliseconds",
            ));
        };
        let args = [("name", "guest"), ("host", "host"), ("moved", "moved")]
            .map(|(parameter, known)| (parameter.to_owned(), argument(&work, known).to_owned()));
        let key = format!("purge-of-{}", work.job);
        match context.submit("purge", args.to_vec(), grace, key).await {
            Ok(job) => Outcome::Done(Outputs::from([("purge".to_owned(), job.to_string())])),
            Err(failure) => Outcome::Failed(failure),
        }
    })
}
