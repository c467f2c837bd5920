//! How a job moves: from whatever state it is in to its next intent, one decision at a time.

use std::time::Duration;

use super::{Core, Effect, Order, Ticket, backoff};
use crate::world::turn;
use crate::{
    Failure, HostName, Job, JobEvent, JobId, Mode, Retry, Status, StepNo, StepRecord, StepState, Timestamp,
    Value, Why,
};

impl Core {
    /// Decides the job's next move, if nothing is being performed for it. Every path into a job ends here.
    pub(super) fn advance(&mut self, id: JobId) {
        if self.world.held {
            return;
        }
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
                Status::Paused(_) | Status::Stuck { .. } | Status::Abandoned { .. } => {}
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
        if self.waits_for_its_time(id) {
            return;
        }
        let Some(job) = self.world.jobs.get(&id) else {
            return;
        };
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
                format!("step {no} failed past the point of no return: {failure}; mend the cause, then `vsjob retry`"),
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
                    format!("step {no} cannot be undone: {failure}; mend the cause, then `vsjob retry`"),
                );
            }
            _ => self.undo(id, no),
        }
    }

    /// What remains to be done for a job that is over.
    pub(super) fn part(&mut self, id: JobId) {
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
        let asked = self.unanswered.get(&id).map_or(0, |(times, _)| *times);
        let Some(no) = next_debt(job, asked) else {
            return;
        };
        if self.alarms.iter().any(|(_, other)| *other == id) {
            return;
        }
        if asked == 0 {
            let first = Failure::new(crate::Class::Transient, "VSJ0501", "the undo is owed");
            return self.ask_later(id, first);
        }
        let attempt = job.step(no).map_or(0, |record| record.undo_attempts) + asked;
        // It was performed before, so it is all there.
        let Ok(args) = resolve(job, no) else { return };
        self.perform(id, no, Mode::Undo, attempt, false, args);
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
        let args = match self.args(id, no) {
            Ok(args) => args,
            Err(reason) => return self.cannot_begin(id, no, reason),
        };
        let Some((turn, hosts)) = self.place_of(id, no) else {
            return;
        };
        // What the job has put out of service stands still until it goes on: then it waits for nobody. Nor does a step
        // that was under way before a restart and turned out to have done nothing: it had its turn.
        let goes_first = |job: &Job| {
            let had_its_turn = |record: &StepRecord| matches!(record.state, StepState::Started { .. });
            job.holds_something_up() || job.step(no).is_some_and(had_its_turn)
        };
        if self.world.jobs.get(&id).is_some_and(goes_first) {
            self.slots.force(turn, &hosts);
        } else if !self.slots.take(turn, &hosts) {
            return;
        }
        let attempt = self.attempts(id, no, Mode::Do) + 1;
        let epoch = self.epoch;
        let intent = JobEvent::StepStarted {
            step: no,
            attempt,
            epoch,
        };
        self.happen(id, intent);
        self.perform(id, no, Mode::Do, attempt, false, args);
    }

    /// The step has nothing to work with: nothing was intended, and nothing was done.
    fn cannot_begin(&mut self, id: JobId, no: StepNo, reason: String) {
        if self.world.jobs.get(&id).is_some_and(Job::is_past_pivot) {
            return self.stick(id, reason);
        }
        let failure = Failure::new(crate::Class::Permanent, "VSJ0008", reason);
        self.unwind(id, Why::Failed { step: no, failure });
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
        let args = match self.args(id, no) {
            Ok(args) => args,
            Err(reason) => return self.stick(id, reason),
        };
        let Some((turn, hosts)) = self.place_of(id, no) else {
            return;
        };
        self.slots.force(turn, &hosts);
        let attempt = self.attempts(id, no, Mode::Undo) + 1;
        let epoch = self.epoch;
        let intent = JobEvent::UndoStarted {
            step: no,
            attempt,
            epoch,
        };
        self.happen(id, intent);
        self.perform(id, no, Mode::Undo, attempt, false, args);
    }

    fn resume_step(&mut self, id: JobId, no: StepNo, mode: Mode, attempt: u32, interruptions: u32) {
        if self.unanswered.contains_key(&id) && self.alarms.iter().any(|(_, other)| *other == id) {
            return;
        }
        if interruptions >= self.options.poison_limit {
            return self.stick(
                id,
                format!("the master died {interruptions} times while step {no} was under way; `vsjob retry` tries again"),
            );
        }
        let args = match self.args(id, no) {
            Ok(args) => args,
            Err(reason) => return self.stick(id, reason),
        };
        let Some((turn, hosts)) = self.place_of(id, no) else {
            return;
        };
        self.slots.force(turn, &hosts);
        self.perform(id, no, mode, attempt, true, args);
    }

    /// Looked for before anything is intended, and before a slot is taken: what is not there is no attempt.
    fn args(&self, id: JobId, no: StepNo) -> Result<Args, String> {
        let job = self.world.jobs.get(&id).ok_or("there is no such job")?;
        resolve(job, no)
    }

    /// Hands a step out, whose intent is decided and whose slot is taken.
    fn perform(&mut self, id: JobId, no: StepNo, mode: Mode, attempt: u32, resume: bool, args: Args) {
        let Some(job) = self.world.jobs.get(&id) else {
            return;
        };
        let Some(step) = job.plan.step(no) else { return };
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
        self.free_slot(id, ticket.step);
    }

    /// Gives the slot of a step back, or its place in the line for one, and looks at those whose turn it may be now.
    fn free_slot(&mut self, id: JobId, no: StepNo) {
        let Some((turn, hosts)) = self.place_of(id, no) else {
            return;
        };
        for (_, _, next) in self.slots.free(&turn, &hosts) {
            if next != id {
                self.alarms.insert((self.now, next));
            }
        }
    }

    /// A job that stands still, or turns back, waits for no slot.
    pub(super) fn leave_line(&mut self, id: JobId) {
        if let Some(no) = self.world.jobs.get(&id).and_then(Job::current) {
            self.free_slot(id, no);
        }
    }

    pub(super) fn unwind(&mut self, id: JobId, why: Why) {
        self.leave_alone(id);
        self.happen(id, JobEvent::Unwinding { why });
    }

    /// Nobody waits any more for what the job does or waits for right now.
    pub(super) fn leave_alone(&mut self, id: JobId) {
        if self.performing.contains_key(&id) {
            self.end_performance(id);
            self.decided.effects.push(Effect::Abort(id));
        }
        self.leave_line(id);
        self.unanswered.remove(&id);
    }

    pub(super) fn stick(&mut self, id: JobId, reason: String) {
        self.happen(id, JobEvent::Stuck { reason });
    }

    /// Does `then` once `until` has come.
    fn at(&mut self, until: Timestamp, id: JobId, no: StepNo, then: fn(&mut Self, JobId, StepNo)) {
        let longest = self
            .world
            .jobs
            .get(&id)
            .and_then(|job| job.plan.step(no))
            .map_or(Duration::ZERO, |step| step.retry.longest_wait);
        // Farther away than any wait: it was said before the clock was set back.
        if until <= self.now || until.since(self.now) > longest * 2 {
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

/// The debt to pay next. What was done last on a host is undone first there, as always; and a host that stays away holds
/// up no other: they take turns.
fn next_debt(job: &Job, asked: u32) -> Option<StepNo> {
    let host = |no: StepNo| job.plan.step(no).and_then(|step| step.hosts.first());
    let mut last: Vec<StepNo> = Vec::new();
    for (no, _) in job.debts().rev() {
        if last.iter().all(|other| host(*other) != host(no)) {
            last.push(no);
        }
    }
    let turn = usize::try_from(asked).ok()?.checked_rem(last.len())?;
    last.get(turn).copied()
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

/// Names and values.
type Args = Vec<(String, String)>;

/// The arguments of a step, with the outputs of earlier steps in their places.
fn resolve(job: &Job, no: StepNo) -> Result<Args, String> {
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
