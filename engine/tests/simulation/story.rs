//! One story, told by its seed: what befalls the pool and its master, and then how all heals.

mod healing;
mod line;
mod operators;
mod schedules;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fastrand::Rng;
use vsjob_engine::{
    Class, Decided, Effect, Failure, HostName, JobId, Mode, Moment, Order, Outcome, Status, StepState,
    Ticket, Timestamp, UndoKind,
};

use crate::laws::{self, Law};
use crate::master::{self, Master};
use crate::pool::{Mood, Pool, RunName};

/// What is on its way.
enum Happening {
    /// An order reaches its hosts. `heard`: its master still waits for the answer.
    Arrives {
        order: Box<Order>,
        life: u64,
        heard: bool,
    },
    /// A launched command ends.
    Ends(RunName),
    /// A master hears how it went.
    Answers {
        ticket: Ticket,
        outcome: Outcome,
        life: u64,
    },
    /// A host that was away is back.
    Back(HostName),
}

/// How often something happens, in 256 times.
struct Weather {
    /// The master dies between two events.
    crash: u8,
    /// The line does something else than it should.
    line: u8,
    /// A host goes away or is booted anew.
    host: u8,
    /// An operator does something.
    operator: u8,
    /// Somebody sets the clock.
    clock: u8,
    /// Several inputs are decided before any is written.
    together: u8,
}

pub(crate) struct Story {
    rng: Rng,
    weather: Weather,
    pool: Pool,
    master: Master,
    queue: BTreeMap<(Duration, u64), Happening>,
    /// For the order of what happens in the same moment.
    next: u64,
    now: Duration,
    /// When the engine last heard what time it is.
    ticked: Duration,
    /// When the master's machine was booted.
    booted: Duration,
    /// How far its wall clock was set, in seconds.
    set: i64,
    jobs: u64,
    slots: usize,
    /// What the master waits for.
    open: BTreeMap<JobId, Order>,
    /// Jobs whose step had its turn, and turned out to have done nothing; whether they were told so for certain.
    anew: BTreeMap<JobId, bool>,
    /// Answers taken in since something was last made durable: one that comes twice may overtake what it answers.
    answered: BTreeSet<RunName>,
    /// Launched commands of which it will be told the end.
    followed: BTreeSet<RunName>,
    /// What operators were told, and what they asked for and were not yet told.
    submitted: BTreeSet<JobId>,
    cancelled: BTreeSet<JobId>,
    unconfirmed: Vec<Said>,
    pub(crate) helped: Helped,
    told: Option<Vec<String>>,
}

/// How often somebody helped a job that got nowhere.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Helped {
    pub skipped: u64,
    pub abandoned: u64,
    pub turned_back: u64,
}

/// What an operator is told once it is durable.
enum Said {
    Submitted(JobId),
    Cancelled(JobId),
}

impl Story {
    pub(crate) fn new(seed: u64, tell: bool) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut often = |most: u8| if rng.bool() { rng.u8(0..most) } else { 0 };
        let mood = Mood {
            transient: often(60),
            permanent: often(40),
        };
        let weather = Weather {
            crash: often(60),
            line: often(120),
            host: often(20),
            operator: 10 + often(60),
            clock: often(10),
            together: often(128),
        };
        let options = master::options(&mut rng);
        let moment = Moment {
            wall: Timestamp::from_millis(1_764_000_000_000),
            steady: Duration::ZERO,
        };
        let mut story = Self {
            slots: options.slots_per_host,
            master: Master::begin(options, moment),
            rng,
            weather,
            pool: Pool::new(mood),
            queue: BTreeMap::new(),
            next: 0,
            now: Duration::ZERO,
            ticked: Duration::ZERO,
            booted: Duration::ZERO,
            set: 0,
            jobs: 0,
            open: BTreeMap::new(),
            anew: BTreeMap::new(),
            answered: BTreeSet::new(),
            followed: BTreeSet::new(),
            submitted: BTreeSet::new(),
            cancelled: BTreeSet::new(),
            unconfirmed: Vec::new(),
            helped: Helped::default(),
            told: tell.then(Vec::new),
        };
        story.schedule(seed);
        story
    }

    /// Entries written, lives of the master, jobs.
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        (self.master.entries() as u64, self.master.life, self.jobs)
    }

    pub(crate) fn told(&self) -> &[String] {
        self.told.as_deref().unwrap_or_default()
    }

    pub(crate) fn run(&mut self) -> Law {
        for _ in 0..self.rng.usize(20..200) {
            self.befall()?;
        }
        self.heal()?;
        laws::at_end(
            &self.submitted,
            &self.master.struck,
            &self.pool,
            self.master.core.world(),
        )?;
        self.nothing_is_held()
    }

    fn tell(&mut self, what: impl FnOnce() -> String) {
        if let Some(told) = &mut self.told {
            told.push(format!("{:8.3} {}", self.now.as_secs_f64(), what()));
        }
    }

    /// `often` of 256 times.
    fn chance(&mut self, often: u8) -> bool {
        self.rng.u8(..) < often
    }

    fn moment(&self) -> Moment {
        let now = i64::try_from(self.now.as_millis()).unwrap_or(i64::MAX);
        Moment {
            wall: Timestamp::from_millis(1_764_000_000_000 + now + self.set * 1_000),
            steady: self.now.saturating_sub(self.booted),
        }
    }

    fn later(&mut self, wait: Duration, what: Happening) {
        self.next += 1;
        self.queue.insert((self.now + wait, self.next), what);
    }

    fn a_moment(&mut self, most_millis: u64) -> Duration {
        Duration::from_micros(self.rng.u64(0..most_millis * 1_000))
    }

    /// One thing more.
    fn befall(&mut self) -> Law {
        if self.chance(self.weather.crash) {
            return self.crash();
        }
        if self.chance(self.weather.operator) {
            self.operate()?;
        } else if self.chance(self.weather.host) {
            self.trouble_a_host();
        } else if self.chance(self.weather.clock) {
            self.set += self.rng.i64(-4_000..4_000);
            self.tick()?;
        } else {
            self.go_on()?;
        }
        if self.chance(self.weather.together) {
            return Ok(());
        }
        self.commit()
    }

    /// Time goes on to whatever comes next. Answers whether anything did.
    fn go_on(&mut self) -> Result<bool, String> {
        let alarm = self
            .master
            .core
            .next_wait(self.moment())
            .map(|wait| self.now + wait);
        let first = self.queue.keys().next().copied();
        let next = match (first, alarm) {
            (Some(key), Some(alarm)) if key.0 > alarm => None,
            (Some(key), _) => Some(key),
            (None, Some(_)) => None,
            (None, None) => return Ok(false),
        };
        let at = next.map(|key| key.0).or(alarm).unwrap_or(self.now);
        // Whoever sleeps wakes a little later.
        self.now = self.now.max(at) + self.a_moment(2);
        self.tick()?;
        if let Some(what) = next.and_then(|key| self.queue.remove(&key)) {
            self.happen(what)?;
        }
        Ok(true)
    }

    /// The engine hears what time it is. Its own goes at half speed at least, and never back.
    fn tick(&mut self) -> Law {
        let (before, moment) = (self.master.core.now(), self.moment());
        let passed = self.now - self.ticked;
        self.master.core.tick(moment);
        self.fire();
        self.ticked = self.now;
        let now = self.master.core.now();
        if now < before || now.since(before) + Duration::from_millis(1) < passed / 2 {
            return Err(format!(
                "in {passed:?} the engine's time went from {before} to {now}"
            ));
        }
        Ok(())
    }

    fn happen(&mut self, what: Happening) -> Law {
        match what {
            Happening::Arrives { order, life, heard } => self.arrive(&order, life, heard),
            Happening::Ends(name) => {
                if let Some(outcome) = self.pool.end(name) {
                    self.tell(|| format!("ends: {name:?}: {}", in_a_word(&outcome)));
                    if self.followed.remove(&name) {
                        self.answer(ticket(name), outcome);
                    }
                }
                Ok(())
            }
            Happening::Answers {
                ticket,
                outcome,
                life,
            } => {
                if life == self.master.life {
                    self.tell(|| format!("answer: {ticket:?}: {}", in_a_word(&outcome)));
                    self.answered.insert(name(ticket));
                    if outcome == Outcome::NotDone {
                        let waits = self
                            .open
                            .get(&ticket.job)
                            .is_some_and(|order| order.ticket == ticket);
                        let job = self.master.core.world().jobs.get(&ticket.job);
                        let runs = job.is_some_and(|job| job.status == Status::Running);
                        self.anew.insert(ticket.job, waits && runs);
                    }
                    self.open.retain(|_, order| order.ticket != ticket);
                    self.followed.remove(&name(ticket));
                    self.master.core.answer(ticket, outcome);
                }
                Ok(())
            }
            Happening::Back(host) => {
                self.tell(|| format!("{host} is back"));
                self.pool.set_away(&host, false);
                Ok(())
            }
        }
    }

    /// What was decided becomes durable, and then has its effects.
    fn commit(&mut self) -> Law {
        let Decided { entries, effects, .. } = self.master.core.take_decided();
        for entry in entries {
            self.tell(|| format!("  {:?}", entry.event));
            self.master.write(entry, &self.pool)?;
        }
        self.confirm();
        for effect in effects {
            self.take_effect(effect)?;
        }
        self.answered.clear();
        Ok(())
    }

    fn confirm(&mut self) {
        for said in std::mem::take(&mut self.unconfirmed) {
            match said {
                Said::Submitted(id) => self.submitted.insert(id),
                Said::Cancelled(id) => self.cancelled.insert(id),
            };
        }
    }

    fn take_effect(&mut self, effect: Effect) -> Law {
        match effect {
            Effect::Perform(order) => {
                self.has_a_slot(&order)?;
                if !self.answered.contains(&name(order.ticket)) {
                    self.open.insert(order.ticket.job, order.clone());
                }
                self.send(order);
            }
            Effect::Abort(job) => {
                self.open.remove(&job);
                self.followed.retain(|name| name.job != job);
            }
            Effect::Forget(job, hosts) => {
                let world = &self.master.durable;
                let over = |job: &vsjob_engine::Job| job.status.is_over() && job.debts().next().is_none();
                if !world.jobs.get(&job).is_some_and(over) {
                    return Err(format!("{job} is forgotten too early"));
                }
                hosts.iter().for_each(|host| self.pool.forget(job, host));
            }
            Effect::Expect(..) => {}
        }
        Ok(())
    }

    /// What begins, and has put nothing out of service, waits for its turn on each of its hosts.
    fn has_a_slot(&mut self, order: &Order) -> Law {
        let Ticket {
            job: id,
            step,
            mode,
            attempt,
        } = order.ticket;
        let anew = self.anew.remove(&id);
        if anew == Some(true) && order.resume {
            return Err(format!(
                "{id} was told that step {step} did nothing, and asks again"
            ));
        }
        if anew.is_some() || order.resume || mode == Mode::Undo {
            return Ok(());
        }
        let job = self
            .master
            .durable
            .jobs
            .get(&id)
            .ok_or("an order of a job that nobody knows")?;
        let out_of_service = job.plan.numbered().any(|(no, planned)| {
            let begun = job
                .step(no)
                .is_some_and(|record| record.state != StepState::Planned);
            let first = no == step && attempt == 1;
            begun && !first && (planned.pivot || planned.undo == Some(UndoKind::Gating))
        });
        // What is owed is paid beside them.
        let pays = |open: &Order| self.master.durable.jobs[&open.ticket.job].status.is_over();
        for host in &order.hosts {
            let others = self.open.values().filter(|open| open.hosts.contains(host));
            let others = others.filter(|open| open.ticket.job != id && !pays(open));
            if !out_of_service && others.count() >= self.slots {
                return Err(format!(
                    "step {step} of {id} begins on {host}, which has no slot for it"
                ));
            }
        }
        Ok(())
    }

    /// The master dies: some of what it decided last is durable, and if all of it is, some of it had its effects.
    fn crash(&mut self) -> Law {
        let Decided { entries, effects, .. } = self.master.core.take_decided();
        let whole = entries.len();
        let kept = self.rng.usize(0..=whole);
        self.tell(|| format!("the master dies; {kept} of {whole} entries are durable"));
        for entry in entries.into_iter().take(kept) {
            self.tell(|| format!("  {:?}", entry.event));
            self.master.write(entry, &self.pool)?;
        }
        if kept == whole {
            self.master.is_in_step()?;
            if self.rng.bool() {
                self.confirm();
            }
            let happened = self.rng.usize(0..=effects.len());
            for effect in effects.into_iter().take(happened) {
                self.take_effect(effect)?;
            }
        }
        let take_over = self.chance(30);
        self.begin_anew(take_over)
    }

    fn begin_anew(&mut self, take_over: bool) -> Law {
        self.unconfirmed.clear();
        self.open.clear();
        self.anew.clear();
        self.answered.clear();
        self.followed.clear();
        self.lose(None);
        if self.chance(80) {
            self.booted = self.now;
        }
        self.tell(|| format!("a new master; take-over: {take_over}"));
        let moment = self.moment();
        self.ticked = self.now;
        self.master.succeed(moment, take_over)?;
        self.commit()
    }
}

fn unknown() -> Outcome {
    Outcome::Unknown(Failure::new(Class::Transient, "T3", "the host does not answer"))
}

fn name(ticket: Ticket) -> RunName {
    let Ticket {
        job,
        step,
        mode,
        attempt,
    } = ticket;
    RunName {
        job,
        step,
        mode,
        attempt,
    }
}

fn ticket(name: RunName) -> Ticket {
    let RunName {
        job,
        step,
        mode,
        attempt,
    } = name;
    Ticket {
        job,
        step,
        mode,
        attempt,
    }
}

fn in_a_word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done(_) => "done",
        Outcome::NotDone => "not done",
        Outcome::Failed(_) => "failed",
        Outcome::Unknown(_) => "unknown",
    }
}
