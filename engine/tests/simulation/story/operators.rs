//! What people do.

use vsjob_engine::{
    Assertion, Command, Core, Direction, EngineError, Job, JobId, Mode, Status, StepNo, StepState,
    said_to_be_off,
};

use super::{Said, Story};
use crate::jobs;
use crate::laws::Law;

impl Story {
    pub(super) fn operate(&mut self) -> Law {
        let known: Vec<JobId> = self.master.core.world().jobs.keys().copied().collect();
        let one = self.rng.choice(&known).copied();
        let host = jobs::host(self.rng.usize(..));
        let (dice, on) = (self.rng.u8(0..24), self.rng.bool());
        match (dice, one) {
            (0..7, _) | (_, None) => self.submit(),
            (7..10, Some(id)) => self.cancel(id),
            (10..12, Some(id)) => {
                let _ = self.order("pause", id, Core::pause);
            }
            (12..15, Some(id)) => {
                let _ = self.order("resume", id, Core::resume);
            }
            (15, Some(id)) => {
                let doubtful = if self.rng.bool() {
                    vec![(id, "a doubt".to_owned())]
                } else {
                    Vec::new()
                };
                let _ = self.master.core.accept(doubtful, jobs::actor());
            }
            (16, _) => {
                let _ = self.master.core.accept_clock(jobs::actor());
            }
            (17, _) => {
                let struck = self.master.core.forget(host.clone(), true, jobs::actor());
                self.tell(|| format!("forget {host}: {struck:?}"));
                if struck.is_ok() {
                    self.lose_for_good(&host);
                }
            }
            (18, _) => self.master.core.maintain(host, on, jobs::actor()),
            (20.., Some(_)) => self.help_one(),
            _ => {
                self.tell(|| "the master leaves in good order".to_owned());
                self.master.core.close();
                self.commit()?;
                self.begin_anew(false)?;
            }
        }
        Ok(())
    }

    /// Somebody helps a job that seems to need it.
    fn help_one(&mut self) {
        let all = self.master.core.world().jobs.values();
        let idle: Vec<JobId> = all.filter(|job| seems_idle(job)).map(|job| job.id).collect();
        if let Some(id) = self.rng.choice(&idle).copied() {
            self.help(id);
        }
    }

    /// Somebody who knows better says so, and it is true.
    fn help(&mut self, id: JobId) {
        let said = [None, Some(Assertion::HostIsOff), Some(Assertion::DoneByHand)];
        let said = said[self.rng.usize(0..said.len())];
        let commands = [
            Command::Skip(said),
            Command::Abandon(said),
            Command::TurnBack {
                host_is_off: self.rng.bool(),
            },
            Command::Retry,
        ];
        let command = commands[self.rng.usize(0..commands.len())];
        let Some(job) = self.master.core.world().jobs.get(&id).cloned() else {
            return;
        };
        let (core, actor) = (&mut self.master.core, jobs::actor());
        let answer = match command {
            Command::Skip(said) => core.skip(id, said, actor),
            Command::Abandon(said) => core.abandon(id, said, actor),
            Command::TurnBack { host_is_off } => core.turn_back(id, host_is_off, actor),
            _ => core.retry(id, actor),
        };
        self.tell(|| format!("{command:?} {id}: {answer:?}"));
        if answer.is_err() {
            return;
        }
        for host in said_to_be_off(&job, command) {
            self.lose_for_good(&host);
        }
        match command {
            Command::Skip(said) => {
                self.helped.skipped += 1;
                if let (Some(Assertion::DoneByHand), Some((step, mode))) = (said, stands_at(&job)) {
                    self.stop_by_hand(id, Some(step));
                    self.pool.do_by_hand(id, step, mode);
                }
            }
            Command::Abandon(said) => {
                self.helped.abandoned += 1;
                if said == Some(Assertion::DoneByHand) {
                    self.stop_by_hand(id, None);
                }
            }
            Command::TurnBack { .. } => self.helped.turned_back += 1,
            _ => {}
        }
    }

    pub(super) fn submit(&mut self) {
        self.jobs += 1;
        let new = jobs::any(&mut self.rng, self.master.core.now());
        let answer = self.master.core.submit(jobs::id(self.jobs), new);
        self.tell(|| format!("submit: {answer:?}"));
        if let Ok((id, _)) = answer {
            self.unconfirmed.push(Said::Submitted(id));
        }
    }

    pub(super) fn cancel(&mut self, id: JobId) {
        if self.order("cancel", id, Core::cancel).is_ok() {
            self.unconfirmed.push(Said::Cancelled(id));
        }
    }

    pub(super) fn order(
        &mut self,
        word: &str,
        id: JobId,
        order: fn(&mut Core, JobId, vsjob_engine::Actor) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let answer = order(&mut self.master.core, id, jobs::actor());
        self.tell(|| format!("{word} {id}: {answer:?}"));
        answer
    }

    pub(super) fn mend(&mut self) {
        let core = &mut self.master.core;
        if core.world().held {
            let _ = core.accept(Vec::new(), jobs::actor());
        }
        if core.world().clock.jump.is_some() {
            let _ = core.accept_clock(jobs::actor());
        }
        let all = core.world().jobs.values();
        let still: Vec<JobId> = all.filter(|job| stands_still(job)).map(|job| job.id).collect();
        for id in still {
            if self.rng.bool() {
                self.help(id);
            }
            let _ = self.order("resume", id, Core::resume);
        }
    }
}

fn stands_still(job: &Job) -> bool {
    matches!(job.status, Status::Paused(_) | Status::Stuck { .. })
}

fn seems_idle(job: &Job) -> bool {
    let waits = |state: &StepState| {
        matches!(
            state,
            StepState::Waiting { .. }
                | StepState::UndoWaiting { .. }
                | StepState::Started { .. }
                | StepState::UndoStarted { .. }
        )
    };
    stands_still(job) || job.steps.iter().any(|step| waits(&step.state))
}

/// The step at which a job gets nowhere.
fn stands_at(job: &Job) -> Option<(StepNo, Mode)> {
    match &job.status {
        Status::Unwinding(_)
        | Status::Paused(Direction::Backward(_))
        | Status::Stuck {
            direction: Direction::Backward(_),
            ..
        } => Some((job.next_undo()?, Mode::Undo)),
        _ => Some((job.current()?, Mode::Do)),
    }
}
