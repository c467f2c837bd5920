//! What becomes of orders and answers on their way, and of the hosts.

use vsjob_engine::{HostName, Order, Outcome, Ticket};

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

    /// Another machine has its name from now on; nothing that was on its way to the old one arrives.
    pub(super) fn lose_for_good(&mut self, host: &HostName) {
        self.lose(Some(host));
        let goes_there = |what: &Happening| matches!(what, Happening::Arrives { order, .. } if order.hosts.first() == Some(host));
        self.queue.retain(|_, what| !goes_there(what));
    }
}
