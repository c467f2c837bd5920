//! What keeps a guest from living twice when its host was given up and comes back: nobody is brought back elsewhere while
//! the host answers, and what it has of a guest that was is fenced by a job of its own.

use std::time::Duration;

use vsjob_engine::{Class, Failure, Mode, Outcome, Outputs, Performing, Work};
use vsjob_workers::{Context, Successor};

use super::argument;
use crate::planner::master_action;
use crate::{GuestName, Line};

master_action! {
    /// The host that somebody has vouched for does not answer.
    CheckOff { host: Line } -> IsOff {}
    "check-off" version 1, "see that {host} is still off", check_off
}

master_action! {
    /// The guest does not live on that host. It is fenced there next, so this is looked at when all that could bring it there waits.
    CheckElsewhere { guest: GuestName, host: Line } -> LivesElsewhere {}
    "check-elsewhere" version 1, "see that {guest} lives elsewhere", check_elsewhere
}

master_action! {
    /// Submits the job that fences what the host has of the guest. Done twice it is the same job.
    FenceReturned { guest: GuestName, host: Line } -> FenceHandedOver {
        /// That job.
        fence: String
    }
    "fence-returned" version 1, "have {guest} fenced on {host} when that comes back", fence_returned
}

fn check_off(context: Context, work: Work) -> Performing {
    Box::pin(async move {
        let host = argument(&work, "host").to_owned();
        let looked = async { context.desk()?.is_off(host).await.map(|()| Outputs::new()) };
        looked_at(&work, looked).await
    })
}

fn check_elsewhere(context: Context, work: Work) -> Performing {
    Box::pin(async move {
        let (guest, host) = (argument(&work, "guest"), argument(&work, "host"));
        let looked = async {
            match context.desk()?.lives(guest.to_owned()).await? {
                Some(place) if place == host => Err(Failure::new(
                    Class::Permanent,
                    "VSJ0408",
                    format!("{guest} lives on {host}: it is not fenced there"),
                )),
                _ => Ok(Outputs::new()),
            }
        };
        looked_at(&work, looked).await
    })
}

/// To have looked changed nothing, so there is nothing to be taken back.
async fn looked_at(work: &Work, looked: impl Future<Output = Result<Outputs, Failure>>) -> Outcome {
    match work.mode {
        Mode::Undo => Outcome::Done(Outputs::new()),
        Mode::Do => looked.await.map_or_else(Outcome::Failed, Outcome::Done),
    }
}

fn fence_returned(context: Context, work: Work) -> Performing {
    Box::pin(async move {
        let args = [("name", "guest"), ("host", "host")]
            .map(|(parameter, known)| (parameter.to_owned(), argument(&work, known).to_owned()));
        let successor = Successor {
            operation: "fence".to_owned(),
            args: args.to_vec(),
            wait: Duration::ZERO,
            key: format!("fence-of-{}", work.job),
            part_of: None,
            urgent: true,
        };
        let submitted = async { context.desk()?.submit(successor).await };
        match submitted.await {
            Ok(job) => Outcome::Done(Outputs::from([("fence".to_owned(), job.to_string())])),
            Err(failure) => Outcome::Failed(failure),
        }
    })
}
