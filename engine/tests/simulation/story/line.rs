//! What becomes of orders and answers on their way, and of the hosts.

use std::collections::BTreeMap;

use vsjob_engine::{HostName, JobId, Order, Outcome, StepNo, Ticket};

use super::{Happening, Story, ticket, unknown};
use crate::jobs;
use crate::laws::{self, Law};
use crate::pool::{Pool, Reply};

impl Story {
    pub(super) fn arrive(&mut self, order: &Order, life: u64, heard: bool) -> Law {
        let durable = &self.master.durable;
        let check = |pool: &Pool| laws::at_launch(order, pool, durable);
        let reply = self.pool.arrive(order, life, &mut self.rng, check)?;
        let heard = heard && life == self.master.life;
        let ticket = order.ticket;
        match reply {
            Reply::Refused => self.tell(|| format!("refused: {ticket:?} of life {life}")),
            Reply::Silence if heard => self.answer(ticket, unknown()),
            Reply::Answer(outcome) if heard => self.answer(ticket, outcome),
            Reply::Launched(name, wait) => {
                self.tell(|| format!("launched: {ticket:?}"));
                self.later(wait, Happening::Ends(name));
                if heard {
                    self.followed.insert(name);
                }
            }
            Reply::Runs(name) if heard => {
                self.followed.insert(name);
            }
            Reply::Silence | Reply::Answer(_) | Reply::Runs(_) => {}
        }
        Ok(())
    }

    /// An answer goes its way to the master; perhaps it is lost, and perhaps it comes twice.
    pub(super) fn answer(&mut self, ticket: Ticket, outcome: Outcome) {
        let outcome = if self.chance(self.weather.line) {
            unknown()
        } else {
            outcome
        };
        if self.chance(self.weather.line / 4) {
            self.hears_within(30_000, ticket, outcome.clone());
        }
        self.hears_within(300, ticket, outcome);
    }

    /// The master that is there now will hear this, if it still is.
    fn hears_within(&mut self, millis: u64, ticket: Ticket, outcome: Outcome) {
        let wait = self.a_moment(millis);
        let life = self.master.life;
        let answers = Happening::Answers {
            ticket,
            outcome,
            life,
        };
        self.later(wait, answers);
    }

    /// An order goes its way to the hosts; perhaps it is lost, and perhaps it comes when nobody waits for it any more.
    pub(super) fn send(&mut self, order: Order) {
        let life = self.master.life;
        let ticket = order.ticket;
        let broken = self.chance(self.weather.line);
        if broken {
            self.hears_within(5_000, ticket, unknown());
        }
        if !broken || self.rng.bool() {
            let wait = self.a_moment(if broken { 60_000 } else { 300 });
            let order = Box::new(order);
            let heard = !broken;
            self.later(wait, Happening::Arrives { order, life, heard });
        }
    }

    pub(super) fn trouble_a_host(&mut self) {
        let host = jobs::host(self.rng.usize(..));
        if self.rng.bool() {
            self.tell(|| format!("{host} goes away"));
            self.pool.set_away(&host, true);
            let wait = self.a_moment(120_000);
            self.later(wait, Happening::Back(host));
        } else {
            self.tell(|| format!("{host} is booted anew"));
            self.lose(Some(&host));
        }
    }

    /// What ran there is gone, and whoever followed it hears that the line is lost.
    pub(super) fn lose(&mut self, host: Option<&HostName>) {
        for name in self.pool.reboot(host) {
            if self.followed.remove(&name) {
                self.hears_within(5_000, ticket(name), unknown());
            }
        }
    }

    /// Nothing of the job runs any more, of its `step` or of all of it, nor will begin.
    pub(super) fn stop_by_hand(&mut self, job: JobId, step: Option<StepNo>) {
        self.pool.stop_by_hand(job, step);
        self.stop_on_their_way(|order| {
            order.ticket.job == job && step.is_none_or(|step| step == order.ticket.step)
        });
    }

    /// Another machine has its name from now on; nothing that was on its way to the old one arrives.
    pub(super) fn lose_for_good(&mut self, host: &HostName) {
        self.lose(Some(host));
        self.stop_on_their_way(|order| order.hosts.first() == Some(host));
    }

    /// These orders never arrive, and whoever waits for their answers hears that the line is lost.
    fn stop_on_their_way(&mut self, which: impl Fn(&Order) -> bool) {
        let is_one = |what: &Happening| matches!(what, Happening::Arrives { order, .. } if which(order));
        let queue = std::mem::take(&mut self.queue);
        let (stopped, queue) = queue.into_iter().partition(|(_, what)| is_one(what));
        self.queue = queue;
        let stopped: BTreeMap<_, _> = stopped;
        for what in stopped.into_values() {
            if let Happening::Arrives {
                order,
                life,
                heard: true,
            } = what
                && life == self.master.life
            {
                self.hears_within(5_000, order.ticket, unknown());
            }
        }
    }
}
