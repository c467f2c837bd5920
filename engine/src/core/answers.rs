//! What becomes of an answer: a step or an undo is done, is tried again, is owed, or its host is asked again later.

use super::{Core, Ticket, backoff, failure_of_debt};
use crate::{ActionRef, Failure, Job, JobEvent, JobId, Mode, Outcome, Status, StepNo, Timestamp, Why};

impl Core {
    /// Whether the answer to this ticket is still of use.
    #[must_use]
    pub(crate) fn awaits(&self, ticket: Ticket) -> bool {
        self.performing.get(&ticket.job) == Some(&ticket)
    }

    /// Takes in how a performance ended. An answer to a ticket that is not open any more is late, and ignored.
    pub fn answer(&mut self, ticket: Ticket, outcome: Outcome) {
        if !self.awaits(ticket) {
            return;
        }
        self.end_performance(ticket.job);
        let id = ticket.job;
        let Some(job) = self.world.jobs.get(&id) else {
            return;
        };
        if job.status.is_over() {
            self.debt_answered(ticket, outcome);
            return;
        }
        if !matches!(outcome, Outcome::Unknown(_)) {
            self.unanswered.remove(&id);
        }
        match ticket.mode {
            Mode::Do => self.do_answered(ticket, outcome),
            Mode::Undo => self.undo_answered(ticket, outcome),
        }
    }

    /// This program does not have the action that it was to perform: the job is stuck, as it stands, until a program
    /// that has it resumes it. A debt stays owed until then.
    pub fn unreadable(&mut self, ticket: Ticket, action: &ActionRef) {
        if !self.awaits(ticket) {
            return;
        }
        self.end_performance(ticket.job);
        let ActionRef { name, version } = action;
        let reason = format!(
            "step {} needs action `{name}` of version {version}, which this version of vsjob does not have",
            ticket.step
        );
        let is_over = |job: &Job| job.status.is_over();
        if self.world.jobs.get(&ticket.job).is_some_and(is_over) {
            self.ask_later(
                ticket.job,
                Failure::new(crate::Class::Transient, "VSJ0316", reason),
            );
        } else {
            self.stick(ticket.job, reason);
        }
    }

    fn do_answered(&mut self, ticket: Ticket, outcome: Outcome) {
        let Ticket { job: id, step, .. } = ticket;
        match outcome {
            Outcome::Done(outputs) => self.happen(id, JobEvent::StepSucceeded { step, outputs }),
            Outcome::NotDone => return self.start(id, step),
            Outcome::Failed(failure) => {
                let retry_at = self.retry_at(id, step, &failure);
                self.happen(
                    id,
                    JobEvent::StepFailed {
                        step,
                        failure,
                        retry_at,
                    },
                );
            }
            Outcome::Unknown(failure) => return self.ask_later(id, failure),
        }
        self.advance(id);
    }

    fn undo_answered(&mut self, ticket: Ticket, outcome: Outcome) {
        let Ticket { job: id, step, .. } = ticket;
        let cleaning = self.world.jobs.get(&id).is_some_and(|job| job.is_cleaning(step));
        match outcome {
            Outcome::Done(_) => self.happen(id, JobEvent::Undone { step }),
            Outcome::NotDone => return self.undo(id, step),
            Outcome::Failed(failure) => {
                let retry_at = self.retry_at(id, step, &failure);
                if retry_at.is_none() && cleaning && failure.class.retryable() {
                    self.happen(id, JobEvent::UndoOwed { step, failure });
                } else {
                    self.happen(
                        id,
                        JobEvent::UndoFailed {
                            step,
                            failure,
                            retry_at,
                        },
                    );
                }
            }
            Outcome::Unknown(failure) => {
                let asked = self.unanswered.get(&id).map_or(1, |(times, _)| times + 1);
                if !cleaning || asked < self.patience(id, step) {
                    return self.ask_later(id, failure);
                }
                self.unanswered.remove(&id);
                self.happen(id, JobEvent::UndoOwed { step, failure });
            }
        }
        self.advance(id);
    }

    /// How often the host of a step is asked for its undo before that is owed. A host that has been waited for once in
    /// this job, or is off for good, is not waited for again: what is still to be undone elsewhere may be a guest's start.
    fn patience(&self, id: JobId, step: StepNo) -> u32 {
        let Some(job) = self.world.jobs.get(&id) else {
            return self.options.patience;
        };
        let host = |no: StepNo| job.plan.step(no).and_then(|step| step.hosts.first());
        let is_off = matches!(
            job.status,
            Status::Unwinding(Why::TurnedBack {
                host_is_off: true,
                ..
            })
        );
        match is_off || job.debts().any(|(no, _)| host(no) == host(step)) {
            true => 1,
            false => self.options.patience,
        }
    }

    fn debt_answered(&mut self, ticket: Ticket, outcome: Outcome) {
        let Ticket { job: id, step, .. } = ticket;
        match outcome {
            Outcome::Done(_) => {
                self.unanswered.remove(&id);
                self.happen(id, JobEvent::DebtPaid { step });
                self.part(id);
                self.advance(id);
            }
            Outcome::Failed(failure) | Outcome::Unknown(failure) => self.ask_later(id, failure),
            Outcome::NotDone => self.ask_later(id, failure_of_debt()),
        }
    }

    /// When the attempt that just failed is repeated; `None`: never.
    fn retry_at(&mut self, id: JobId, no: StepNo, failure: &Failure) -> Option<Timestamp> {
        let job = self.world.jobs.get(&id)?;
        let retry = job.plan.step(no)?.retry;
        let failures = job.step(no)?.failures + 1;
        let again = failure.class.retryable() && failures < retry.attempts;
        again.then(|| self.now + backoff(&retry, failures, &mut self.random))
    }
}
