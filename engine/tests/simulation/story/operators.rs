//! What people do.

use vsjob_engine::{Core, EngineError, JobId, Status};

use super::{Said, Story};
use crate::jobs;
use crate::laws::Law;

impl Story {
    pub(super) fn operate(&mut self) -> Law {
        let known: Vec<JobId> = self.master.core.world().jobs.keys().copied().collect();
        let one = self.rng.choice(&known).copied();
        let host = jobs::host(self.rng.usize(..));
        let (dice, on) = (self.rng.u8(0..20), self.rng.bool());
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
            _ => {
                self.tell(|| "the master leaves in good order".to_owned());
                self.master.core.close();
                self.commit()?;
                self.begin_anew(false)?;
            }
        }
        Ok(())
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
        let stands_still = |status: &Status| matches!(status, Status::Paused(_) | Status::Stuck { .. });
        let all = core.world().jobs.values();
        let still: Vec<JobId> = all
            .filter(|job| stands_still(&job.status))
            .map(|job| job.id)
            .collect();
        for id in still {
            let _ = self.order("resume", id, Core::resume);
        }
    }
}
