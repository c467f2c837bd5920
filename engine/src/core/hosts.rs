//! What people and claims say about hosts: in maintenance, met, gone for good.

use std::collections::BTreeSet;

use super::{Core, Effect};
use crate::{Actor, EngineError, Event, Forgotten, HostEvent, HostName, Job, JobEvent, JobId, StepNo};

impl Core {
    /// Whoever acts is told which machines are meant, before anything else is asked of it.
    pub(super) fn expect_all(&mut self) {
        for (host, known) in &self.world.hosts {
            let expect = Effect::Expect(host.clone(), known.machine.clone());
            self.decided.effects.push(expect);
        }
    }

    /// From now on nothing new is sent to the host, or it may be used again. Said twice it is written down once.
    pub fn maintain(&mut self, host: HostName, on: bool, actor: Actor) {
        let known = self.world.hosts.get(&host);
        let event = match (on, known.is_some_and(|known| known.maintenance.is_some())) {
            (true, false) => HostEvent::MaintenanceBegun { actor },
            (false, true) => HostEvent::MaintenanceEnded { actor },
            _ => return,
        };
        self.record(Event::Host { host, event });
    }

    /// A host was claimed, and said which machine it is. The first time that counts.
    pub fn meet(&mut self, host: HostName, machine: String) {
        let known = self.world.hosts.get(&host);
        if machine.is_empty() || known.is_some_and(|known| known.machine.is_some()) {
            return;
        }
        self.decided
            .effects
            .push(Effect::Expect(host.clone(), Some(machine.clone())));
        let event = HostEvent::Met { machine };
        self.record(Event::Host { host, event });
    }

    /// The host is gone for good: what is owed to it is struck, and what has its name from now on is a new one. Guests
    /// that live there are lost with it, if `guests_are_lost`.
    ///
    /// # Errors
    /// An open job works on it, or guests live there and are not said to be lost.
    pub fn forget(
        &mut self,
        host: HostName,
        guests_are_lost: bool,
        actor: Actor,
    ) -> Result<Forgotten, EngineError> {
        let works_there = |job: &&Job| !job.status.is_over() && job.plan.hosts().contains(&host);
        if let Some(job) = self.world.jobs.values().find(works_there) {
            return Err(EngineError::HostInUse { host, job: job.id });
        }
        let placed = self.world.placement.iter().filter(|(_, place)| **place == host);
        let guests: Vec<String> = placed.map(|(guest, _)| guest.clone()).collect();
        if !guests.is_empty() && !guests_are_lost {
            return Err(EngineError::HostHasGuests { host, guests });
        }
        let debts = self.debts_to(&host);
        for (id, step) in &debts {
            self.strike(*id, *step, &actor);
        }
        let expect = Effect::Expect(host.clone(), None);
        self.decided.effects.push(expect);
        let event = HostEvent::Forgotten {
            actor,
            guests: guests.clone(),
        };
        self.record(Event::Host { host, event });
        let owed: BTreeSet<JobId> = debts.iter().map(|(id, _)| *id).collect();
        for id in owed {
            self.part(id);
            self.advance(id);
        }
        let debts = debts.len();
        Ok(Forgotten { debts, guests })
    }

    fn debts_to(&self, host: &HostName) -> Vec<(JobId, StepNo)> {
        let jobs = self.world.jobs.values();
        let all = jobs.flat_map(|job| job.debts().map(move |(no, _)| (job, no)));
        all.filter(|(job, no)| job.plan.step(*no).and_then(|step| step.hosts.first()) == Some(host))
            .map(|(job, no)| (job.id, no))
            .collect()
    }

    fn strike(&mut self, id: JobId, step: StepNo, actor: &Actor) {
        if self.performing.get(&id).is_some_and(|ticket| ticket.step == step) {
            self.end_performance(id);
            self.decided.effects.push(Effect::Abort(id));
        }
        self.unanswered.remove(&id);
        let actor = actor.clone();
        self.happen(id, JobEvent::DebtStruck { step, actor });
    }
}
