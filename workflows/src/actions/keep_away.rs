//! Puts a host into maintenance for a job. Whoever has put it there before stays the one who did; and nobody but a person ends it.

use vsjob_engine::{Mode, Outcome, Outputs, Performing, Work};
use vsjob_workers::Context;

use super::argument;
use crate::Line;
use crate::planner::master_action;

master_action! {
    /// From now on nothing new is sent to the host. Done twice it is done once.
    KeepAway { host: Line } -> KeptAway {}
    "keep-away" version 1, "send nothing new to {host}", keep_away
}

fn keep_away(context: Context, work: Work) -> Performing {
    Box::pin(async move {
        let host = argument(&work, "host").to_owned();
        let begun = async {
            match work.mode {
                Mode::Do => context.desk()?.keep_away(host, work.job).await,
                Mode::Undo => Ok(()),
            }
        };
        match begun.await {
            Ok(()) => Outcome::Done(Outputs::new()),
            Err(failure) => Outcome::Failed(failure),
        }
    })
}
