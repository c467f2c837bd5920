//! A schedule in some of the stories: it comes round every few minutes, and whoever plans for it is refused now and then.

use vsjob_engine::{
    CatchUp, Class, Event, Failure, Overlap, Priority, Schedule, ScheduleEvent, ScheduleName, schedule_of,
};

use super::Story;
use crate::jobs;
use crate::laws::Law;
use crate::master::Master;

fn name() -> ScheduleName {
    "often".parse().expect("a name")
}

impl Story {
    /// There is one from the beginning.
    pub(super) fn schedule(&mut self, seed: u64) {
        let mut rng = fastrand::Rng::with_seed(seed ^ 0x5c4e_d01e);
        if rng.u8(..) > 80 {
            return;
        }
        let schedule = Schedule {
            line: "*/5 * * * *".to_owned(),
            zone: "UTC".to_owned(),
            operation: "test".to_owned(),
            args: Vec::new(),
            priority: Priority::Normal,
            not_after: None,
            catch_up: if rng.bool() { CatchUp::Once } else { CatchUp::Skip },
            overlap: if rng.bool() { Overlap::Skip } else { Overlap::Queue },
            jitter: std::time::Duration::from_secs(rng.u64(0..200)),
        };
        let set = self
            .master
            .core
            .set_schedule(name(), schedule, false, jobs::actor());
        self.tell(|| format!("a schedule: {set:?}"));
    }

    /// What is due is planned and handed in.
    pub(super) fn fire(&mut self) {
        self.master.core.settle();
        for due in self.master.core.due() {
            let mut new = jobs::any(&mut self.rng, self.master.core.now());
            new.request = due.request.clone();
            let planned = match self.chance(60) {
                true => Err(Failure::new(
                    Class::Permanent,
                    "T4",
                    "there is nothing to do it with",
                )),
                false => Ok(new),
            };
            let refused = planned.is_err();
            self.jobs += 1;
            let answer = self.master.core.fire(&due, jobs::id(self.jobs), planned);
            self.tell(|| format!("due at {}, refused: {refused}: {answer:?}", due.due));
        }
    }

    /// How many jobs the schedule has made.
    pub(crate) fn fired(&self) -> u64 {
        self.master.fired.len() as u64
    }

    /// Nothing more comes to be due.
    pub(super) fn end_schedules(&mut self) {
        // There may be none.
        let _ = self.master.core.enable_schedule(name(), false, jobs::actor());
    }
}

impl Master {
    /// One time that is due has one job, which is durable before it is noted, and none while time is in doubt.
    pub(crate) fn fires_once(&mut self, event: &Event) -> Law {
        match event {
            Event::Submitted { new, .. } => {
                let key = new
                    .request
                    .key
                    .as_deref()
                    .filter(|key| schedule_of(key).is_some());
                match key.is_none_or(|key| self.fired.insert(key.to_owned())) {
                    true => Ok(()),
                    false => Err(format!("what was due is submitted twice: {key:?}")),
                }
            }
            Event::Schedule {
                event: ScheduleEvent::Fired { due, job, .. },
                ..
            } => {
                let is_its = |job: &vsjob_engine::Job| {
                    let key = job.request.key.as_deref();
                    key.is_some_and(|key| key.ends_with(&format!("/{due}")))
                };
                if !self.durable.jobs.get(job).is_some_and(is_its) {
                    return Err(format!("{job} is noted for {due}, and is not its job"));
                }
                match self.durable.held || self.durable.clock.jump.is_some() {
                    true => Err(format!("{due} was done while nothing is due")),
                    false => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}
