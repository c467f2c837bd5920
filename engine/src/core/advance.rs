//! How a job moves: from whatever state it is in to its next intent, one decision at a time.

use std::time::Duration;

use super::{Core, Effect, Order, Ticket, backoff};
use crate::world::turn;
use crate::{
    Failure, HostName, Job, JobEvent, JobId, Mode, Retry, Status, StepNo, StepState, Timestamp, Value, Why,
};

impl Core {
    /// Decides the job's next move, if nothing is being performed for it. Every path into a job ends here.
    pub(super) fn advance(&mut self, id: JobId) {
        loop {
            if self.performing.contains_key(&id) {
                return;
            }
            let Some(job) = self.world.jobs.get(&id) else {
                return;
            };
            let before = self.world.sequence;
            match &job.status {
                Status::Queued => self.advance_queued(id),
                Status::Running => self.advance_forward(id),
                Status::Unwinding(_) => self.advance_backward(id),
                Status::Succeeded | Status::RolledBack(_) | Status::Cancelled => self.pay_debt(id),
                Status::Paused(_) | Status::Stuck { .. } => {}
            }
            self.wake();
            if self.world.sequence == before {
                return;
            }
        }
    }

    /// Looks at the jobs whose locks may have become free.
    fn wake(&mut self) {
        while let Some((_, _, id)) = self.world.woken.pop_first() {
            if self
                .world
                .jobs
                .get(&id)
                .is_some_and(|job| job.status == Status::Queued)
            {
                self.advance_queued(id);
                self.advance(id);
            }
        }
    }

    fn advance_queued(&mut self, id: JobId) {
        let Some(job) = self.world.jobs.get(&id) else {
            return;
        };
        if let Some(at) = job.request.not_before
            && at > self.now
        {
            self.alarms.insert((at, id));
            return;
        }
        self.world.locks.wait(turn(job), &job.locks);
        if self.world.locks.are_free(&turn(job), &job.locks) {
            self.happen(id, JobEvent::Started);
        }
    }

    fn advance_forward(&mut self, id: JobId) {
        let Some(job) = self.world.jobs.get(&id) else {
            return;
        };
        let Some(no) = job.current() else {
            self.happen(id, JobEvent::Succeeded);
            return self.part(id);
        };
        let Some(record) = job.step(no) else { return };
        match record.state.clone() {
            StepState::Planned | StepState::Retrying => self.start(id, no),
            StepState::Waiting { until, .. } => self.at(until, id, no, Self::start),
            StepState::Started { attempt, .. } => self.resume_step(id, no, Mode::Do, attempt, record.interruptions),
            StepState::Failed(failure) if job.is_past_pivot() => self.stick(
                id,
                format!("step {no} failed past the point of no return: {failure}; mend the cause, then `vsjob resume`"),
            ),
            StepState::Failed(failure) => self.unwind(id, Why::Failed { step: no, failure }),
            other => self.stick(id, format!("step {no} is {}, which no forward step can be", other.word())),
        }
    }

    fn advance_backward(&mut self, id: JobId) {
        let Some(job) = self.world.jobs.get(&id) else {
            return;
        };
        let Some(no) = job.next_undo() else {
            self.happen(id, JobEvent::RolledBack);
            return self.part(id);
        };
        let Some(record) = job.step(no) else { return };
        match record.state.clone() {
            StepState::UndoWaiting { until, .. } => self.at(until, id, no, Self::undo),
            StepState::UndoStarted { attempt, .. } => {
                self.resume_step(id, no, Mode::Undo, attempt, record.interruptions);
            }
            StepState::UndoFailed(failure) => {
                self.stick(
                    id,
                    format!("step {no} cannot be undone: {failure}; mend the cause, then `vsjob resume`"),
                );
            }
            _ => self.undo(id, no),
        }
    }

    /// What remains to be done for a job that is over.
    fn part(&mut self, id: JobId) {
        let Some(job) = self.world.jobs.get(&id) else {
            return;
        };
        if job.debts().next().is_some() {
            return;
        }
        let hosts: Vec<HostName> = job.plan.hosts().into_iter().cloned().collect();
        if !hosts.is_empty() {
            self.decided.effects.push(Effect::Forget(id, hosts));
        }
    }

    fn pay_debt(&mut self, id: JobId) {
        let Some(job) = self.world.jobs.get(&id) else {
            return;
        };
        let Some(no) = job.debts().map(|(no, _)| no).next() else {
            return;
        };
        if self.alarms.iter().any(|(_, other)| *other == id) {
            return;
        }
        let asked = self.unanswered.get(&id).map_or(0, |(times, _)| *times);
        if asked == 0 {
            let first = Failure::new(crate::Class::Transient, "VSJ0501", "the undo is owed");
            return self.ask_later(id, first);
        }
        let attempt = job.step(no).map_or(0, |record| record.undo_attempts) + asked;
        self.perform(id, no, Mode::Undo, attempt, false);
    }

    /// Performs the step for the first time, or once more. A job that was paused meanwhile does so when it is resumed.
    pub(super) fn start(&mut self, id: JobId, no: StepNo) {
        if self
            .world
            .jobs
            .get(&id)
            .is_none_or(|job| job.status != Status::Running)
        {
            return;
        }
        let Some((turn, hosts)) = self.place_of(id, no) else {
            return;
        };
        if !self.slots.take(turn, &hosts) {
            return;
        }
        let attempt = self.attempts(id, no, Mode::Do) + 1;
        let epoch = self.epoch;
        self.intend(
            id,
            no,
            Mode::Do,
            attempt,
            JobEvent::StepStarted {
                step: no,
                attempt,
                epoch,
            },
        );
    }

    pub(super) fn undo(&mut self, id: JobId, no: StepNo) {
        if self
            .world
            .jobs
            .get(&id)
            .is_none_or(|job| !matches!(job.status, Status::Unwinding(_)))
        {
            return;
        }
        let Some((turn, hosts)) = self.place_of(id, no) else {
            return;
        };
        self.slots.force(turn, &hosts);
        let attempt = self.attempts(id, no, Mode::Undo) + 1;
        let epoch = self.epoch;
        self.intend(
            id,
            no,
            Mode::Undo,
            attempt,
            JobEvent::UndoStarted {
                step: no,
                attempt,
                epoch,
            },
        );
    }

    /// Makes the intent durable, then acts.
    fn intend(&mut self, id: JobId, no: StepNo, mode: Mode, attempt: u32, intent: JobEvent) {
        self.happen(id, intent);
        self.perform(id, no, mode, attempt, false);
    }

    fn resume_step(&mut self, id: JobId, no: StepNo, mode: Mode, attempt: u32, interruptions: u32) {
        if self.unanswered.contains_key(&id) && self.alarms.iter().any(|(_, other)| *other == id) {
            return;
        }
        if interruptions >= self.options.poison_limit {
            return self.stick(
                id,
                format!("the master died {interruptions} times while step {no} was under way; `vsjob resume` tries again"),
            );
        }
        let Some((turn, hosts)) = self.place_of(id, no) else {
            return;
        };
        self.slots.force(turn, &hosts);
        self.perform(id, no, mode, attempt, true);
    }

    fn perform(&mut self, id: JobId, no: StepNo, mode: Mode, attempt: u32, resume: bool) {
        let Some(job) = self.world.jobs.get(&id) else {
            return;
        };
        let Some(step) = job.plan.step(no) else { return };
        let args = match resolve(job, no) {
            Ok(args) => args,
            Err(reason) => return self.stick(id, reason),
        };
        let ticket = Ticket {
            job: id,
            step: no,
            mode,
            attempt,
        };
        let order = Order {
            ticket,
            action: step.action.clone(),
            resume,
            args,
            hosts: step.hosts.clone(),
            claims: claims(job, no, mode),
        };
        self.performing.insert(id, ticket);
        self.decided.effects.push(Effect::Perform(order));
    }

    pub(super) fn end_performance(&mut self, id: JobId) {
        let Some(ticket) = self.performing.remove(&id) else {
            return;
        };
        let Some((turn, hosts)) = self.place_of(id, ticket.step) else {
            return;
        };
        for (_, _, next) in self.slots.free(&turn, &hosts) {
            if next != id {
                self.alarms.insert((self.now, next));
            }
        }
    }

    pub(super) fn unwind(&mut self, id: JobId, why: Why) {
        if self.performing.contains_key(&id) {
            self.end_performance(id);
            self.decided.effects.push(Effect::Abort(id));
        }
        if let Some(job) = self.world.jobs.get(&id)
            && let Some(no) = job.current()
            && let Some((turn, hosts)) = self.place_of(id, no)
        {
            self.slots.free(&turn, &hosts);
        }
        self.unanswered.remove(&id);
        self.happen(id, JobEvent::Unwinding { why });
    }

    pub(super) fn stick(&mut self, id: JobId, reason: String) {
        self.happen(id, JobEvent::Stuck { reason });
    }

    /// Does `then` once `until` has come.
    fn at(&mut self, until: Timestamp, id: JobId, no: StepNo, then: fn(&mut Self, JobId, StepNo)) {
        if until <= self.now {
            then(self, id, no);
        } else {
            self.alarms.insert((until, id));
        }
    }

    /// The host did not answer: ask again later, without end.
    pub(super) fn ask_later(&mut self, id: JobId, failure: Failure) {
        let asked = self
            .unanswered
            .get(&id)
            .map_or(1, |(times, _)| times.saturating_add(1));
        let wait = Retry {
            attempts: u32::MAX,
            first_wait: self.options.ask_again,
            longest_wait: Duration::from_secs(60).max(self.options.ask_again),
        };
        let until = self.now + backoff(&wait, asked, &mut self.random);
        self.unanswered.insert(id, (asked, failure));
        self.alarms.insert((until, id));
    }
}

/// A job changes nothing until all its hosts are claimed: an older master could still be at work on the one that is
/// away. But what takes back, and what goes forward from the pivot on, needs only where it acts: a host that is gone
/// for good must hold up neither the start of the guest on the other, nor what follows once the guest has been admitted.
fn claims(job: &Job, no: StepNo, mode: Mode) -> Vec<HostName> {
    let hosts = job.plan.step(no).map_or(&[][..], |step| &step.hosts);
    match mode {
        Mode::Undo => hosts.iter().take(1).cloned().collect(),
        Mode::Do if job.plan.pivot().is_some_and(|pivot| no >= pivot) => hosts.to_vec(),
        Mode::Do => job.plan.hosts().into_iter().cloned().collect(),
    }
}

/// The arguments of a step, with the outputs of earlier steps in their places.
fn resolve(job: &Job, no: StepNo) -> Result<Vec<(String, String)>, String> {
    let step = job
        .plan
        .step(no)
        .ok_or_else(|| format!("there is no step {no}"))?;
    let value = |value: &Value| match value {
        Value::Text(text) => Ok(text.clone()),
        Value::Output { step: from, key } => job
            .step(*from)
            .and_then(|record| record.outputs.as_ref()?.get(key).cloned())
            .ok_or_else(|| format!("step {no} needs `{key}` of step {from}, which did not answer it")),
    };
    step.args
        .iter()
        .map(|arg| Ok((arg.name.clone(), value(&arg.value)?)))
        .collect()
}
