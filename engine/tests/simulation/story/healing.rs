//! The end: nothing goes wrong any more.

use vsjob_engine::{Effect, HostName, Status};

use super::{Story, Weather};
use crate::jobs;
use crate::laws::Law;

/// After how many happenings a job that has not ended will never end.
const LONGEST_HEALING: usize = 20_000;

impl Story {
    /// Nothing goes wrong any more, and operators do what the states ask for.
    pub(super) fn heal(&mut self) -> Law {
        self.tell(|| "all heals".to_owned());
        self.pool.heal();
        self.weather = Weather {
            crash: 0,
            line: 0,
            host: 0,
            operator: 0,
            clock: 0,
            together: 0,
        };
        self.end_schedules();
        for _ in 0..LONGEST_HEALING {
            self.mend();
            self.commit()?;
            if !self.go_on()? {
                self.commit()?;
                if self.master.core.next_alarm().is_none() && self.queue.is_empty() {
                    return self.master.is_in_step();
                }
            }
        }
        let jobs = self.master.core.world().jobs.values();
        let open: Vec<String> = jobs
            .filter(|job| !job.status.is_over() || job.debts().next().is_some())
            .map(|job| format!("{} {}: {:?}", job.id, job.status.word(), job.steps))
            .collect();
        Err(format!("some jobs never end: {}", open.join("\n")))
    }

    /// Somebody who wants all locks gets them, and a host has all its slots.
    pub(super) fn nothing_is_held(&mut self) -> Law {
        for id in &self.cancelled {
            let job = self
                .master
                .core
                .world()
                .jobs
                .get(id)
                .ok_or("a cancelled job is gone")?;
            if job.status == Status::Succeeded {
                return Err(format!("{id} was cancelled, and yet is done"));
            }
        }
        let hosts: Vec<HostName> = (0..jobs::HOSTS.len()).map(jobs::host).collect();
        let mut probes = vec![jobs::probe(&hosts, jobs::all_locks())];
        for host in &hosts {
            // One slot is the first probe's, on the first host.
            let free = self.slots - usize::from(host == &hosts[0]);
            probes.extend((0..free).map(|_| jobs::probe(std::slice::from_ref(host), Vec::new())));
        }
        for probe in probes {
            self.jobs += 1;
            let (id, _) = self
                .master
                .core
                .submit(jobs::id(self.jobs), probe)
                .map_err(|e| e.to_string())?;
            let begun = self
                .master
                .core
                .take_decided()
                .effects
                .iter()
                .any(|effect| matches!(effect, Effect::Perform(order) if order.ticket.job == id));
            if !begun {
                let why = self.master.core.waits_for(id);
                return Err(format!("nobody works, and yet a new job waits for {why:?}"));
            }
        }
        Ok(())
    }
}
