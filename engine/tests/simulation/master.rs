//! The master: the engine, and the journal that outlives it.

use std::collections::BTreeSet;
use std::time::Duration;

use uuid::Uuid;
use vsjob_engine::{Core, Entry, Epoch, Event, JobEvent, JobId, Moment, Options, StepNo, World};

use crate::laws;
use crate::pool::Pool;

pub(crate) struct Master {
    pub core: Core,
    /// What the journal says.
    pub durable: World,
    journal: Vec<Entry>,
    /// Which life of the master this is, from 1.
    pub life: u64,
    options: Options,
    /// It took over, and nobody has accepted yet how the hosts are.
    held: bool,
    /// Undos that were owed to a host that is gone for good.
    pub struck: BTreeSet<(JobId, StepNo)>,
    /// The keys of what was due and is submitted.
    pub fired: BTreeSet<String>,
}

impl Master {
    pub(crate) fn begin(options: Options, moment: Moment) -> Self {
        Self {
            core: open(World::default(), 1, options.clone(), moment),
            durable: World::default(),
            journal: Vec::new(),
            life: 1,
            options,
            held: false,
            struck: BTreeSet::new(),
            fired: BTreeSet::new(),
        }
    }

    /// Makes an entry durable.
    pub(crate) fn write(&mut self, entry: Entry, pool: &Pool) -> laws::Law {
        let was_over = |id: &JobId| self.durable.jobs.get(id).is_some_and(|job| job.status.is_over());
        let was_over = matches!(&entry.event, Event::Job { job, .. } if was_over(job));
        self.fires_once(&entry.event)?;
        match &entry.event {
            Event::TakenOver => self.held = true,
            Event::Accepted { .. } => self.held = false,
            Event::Job { job, event } => {
                if let JobEvent::DebtStruck { step, .. } = event {
                    self.struck.insert((*job, *step));
                }
                laws::while_held(self.held, event)?;
            }
            _ => {}
        }
        self.durable
            .apply(&entry)
            .map_err(|illegal| format!("replay: {illegal}"))?;
        laws::at_entry(&entry, was_over, pool, &self.durable)?;
        self.journal.push(entry);
        Ok(())
    }

    /// What the engine has in memory is what its journal says.
    pub(crate) fn is_in_step(&self) -> laws::Law {
        if self.core.world().jobs == self.durable.jobs
            && self.core.world().placement == self.durable.placement
            && self.core.world().schedules == self.durable.schedules
        {
            Ok(())
        } else {
            Err("the journal says something else than the engine knows".to_owned())
        }
    }

    /// It died, and another one opens the journal.
    pub(crate) fn succeed(&mut self, moment: Moment, take_over: bool) -> laws::Law {
        self.life += 1;
        let options = Options {
            take_over: take_over.then_some(self.life),
            ..self.options.clone()
        };
        let durable = std::mem::take(&mut self.durable);
        for entry in &self.journal {
            self.durable
                .apply(entry)
                .map_err(|illegal| format!("replay: {illegal}"))?;
        }
        if self.durable.jobs != durable.jobs {
            return Err("the journal read twice says two things".to_owned());
        }
        self.core = open(durable, self.life, options, moment);
        Ok(())
    }

    pub(crate) fn entries(&self) -> usize {
        self.journal.len()
    }
}

fn open(world: World, life: u64, options: Options, moment: Moment) -> Core {
    let epoch = Epoch {
        counter: life,
        id: Uuid::from_u128(u128::from(life)),
    };
    Core::open(world, epoch, options, moment, life)
}

/// How the engine behaves in this story.
pub(crate) fn options(rng: &mut fastrand::Rng) -> Options {
    Options {
        slots_per_host: rng.usize(1..=3),
        poison_limit: rng.u32(2..=20),
        patience: rng.u32(1..=4),
        ask_again: Duration::from_secs(1),
        ..Options::default()
    }
}
