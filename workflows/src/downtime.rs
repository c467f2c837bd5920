//! How long a guest stood still in a job. It stops on one host and is admitted on another, and the clocks of two hosts
//! need not agree; so the time is taken by one clock, the master's, as the journal has it: from the intent to stop it to
//! the moment in which the master knew that it was admitted, or went on where it was. That is never less than its users
//! saw, and more by what two orders take.

use std::time::Duration;

use vsjob_engine::{Job, StepState};

use crate::actions::admit_guest::AdmitGuest;
use crate::actions::go_on::GoOn;
use crate::actions::stop_guest::StopGuest;
use crate::actions::take_snapshot::TakeSnapshot;

/// How long the guest of the job stood still; none if it did not, or does still. One that is stopped for just its snapshot is
/// stopped and started by its host, which says how long that took.
#[must_use]
pub fn stood_still(job: &Job) -> Option<Duration> {
    let step = |name| {
        let (no, _) = job.plan.numbered().find(|(_, step)| step.action.name == name)?;
        job.step(no).filter(|record| record.state == StepState::Succeeded)
    };
    if let Some(taken) = step(TakeSnapshot::ACTION.name) {
        let down = taken.outputs.as_ref()?.get("down")?.parse().ok()?;
        return Some(Duration::from_millis(down)).filter(|down| !down.is_zero());
    }
    let stopped = step(StopGuest::ACTION.name)?;
    let (goes_on, key) = match step(AdmitGuest::ACTION.name) {
        Some(admitted) => (admitted, "admitted"),
        None => (step(GoOn::ACTION.name)?, "started"),
    };
    let ran = goes_on.outputs.as_ref()?.get(key)? == "yes";
    let took = goes_on.ended?.since(stopped.started?);
    ran.then_some(took)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vsjob_engine::{
        Actor, HostName, JobId, NewJob, Outputs, Plan, Priority, Request, StepNo, StepRecord, Timestamp,
    };

    use crate::{GuestName, Line, Planner, Ref, YesNo};

    fn plan() -> Plan {
        let (from, to): (HostName, HostName) = ("vsh-01".parse().unwrap(), "vsh-02".parse().unwrap());
        let guest: GuestName = "ldap".parse().unwrap();
        let mut p = Planner::default();
        p.on(
            &from,
            StopGuest {
                guest: guest.clone(),
                running: YesNo::Yes.into(),
            },
        );
        p.on(
            &to,
            AdmitGuest {
                guest,
                running: YesNo::Yes.into(),
                address: Line::of(&"10.0.1.5/16").unwrap().into(),
                job: Ref::new(StepNo(0), "job"),
            },
        );
        p.finish()
    }

    fn job() -> Job {
        let request = Request {
            operation: "move".to_owned(),
            args: Vec::new(),
            actor: Actor {
                user: "root".to_owned(),
                from: "a test".to_owned(),
                reason: None,
            },
            key: None,
            priority: Priority::Normal,
            not_before: None,
        };
        let new = NewJob {
            request,
            title: "move ldap".to_owned(),
            plan: plan(),
            locks: Vec::new(),
        };
        let at = Timestamp::from_millis(0);
        Job::new(JobId::new(at), new, at, 1)
    }

    /// Both steps are done, one after the other, in a second each.
    fn done(admitted: &str) -> Job {
        let mut job = job();
        for (begin, record) in (5..).zip(&mut job.steps) {
            *record = StepRecord {
                state: StepState::Succeeded,
                outputs: Some(Outputs::from([("admitted".to_owned(), admitted.to_owned())])),
                started: Some(Timestamp::from_millis(begin * 1000)),
                ended: Some(Timestamp::from_millis(begin * 1000 + 1000)),
                ..StepRecord::default()
            };
        }
        job
    }

    #[test]
    fn a_guest_stood_still_from_the_order_to_stop_it_until_it_was_known_to_be_admitted() {
        assert_eq!(stood_still(&job()), None);
        assert_eq!(stood_still(&done("yes")), Some(Duration::from_secs(2)));
        assert_eq!(stood_still(&done("no")), None, "a guest that did not run");
    }
}
