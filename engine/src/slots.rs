//! How much happens on a host at a time. A step holds one slot on each of its hosts while it is performed, and gives
//! them back while it waits for its next try.

use std::collections::{BTreeMap, BTreeSet};

use crate::locks::Turn;
use crate::{HostName, JobId};

/// The slots of all hosts.
#[derive(Debug)]
pub(crate) struct Slots {
    each: usize,
    used: BTreeMap<HostName, BTreeSet<JobId>>,
    waiting: BTreeMap<HostName, BTreeSet<Turn>>,
}

impl Slots {
    /// `each` slots on every host, at least one.
    #[must_use]
    pub(crate) fn new(each: usize) -> Self {
        Self {
            each: each.max(1),
            used: BTreeMap::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// Takes one slot on each of `hosts` for the job, or puts it in line for them.
    pub(crate) fn take(&mut self, turn: Turn, hosts: &[HostName]) -> bool {
        let each = self.each;
        let free = hosts.iter().all(|host| {
            let used = self.used.get(host);
            let before = self
                .waiting
                .get(host)
                .map_or(0, |line| line.range(..turn).count());
            used.is_some_and(|jobs| jobs.contains(&turn.2)) || used.map_or(0, BTreeSet::len) + before < each
        });
        for host in hosts {
            if free {
                self.used.entry(host.clone()).or_default().insert(turn.2);
                if let Some(line) = self.waiting.get_mut(host) {
                    line.remove(&turn);
                }
            } else {
                self.waiting.entry(host.clone()).or_default().insert(turn);
            }
        }
        free
    }

    /// Takes one slot on each of `hosts` although they may all be in use: what was under way before a restart, what
    /// takes back, and what has put something out of service, does not wait in line.
    pub(crate) fn force(&mut self, turn: Turn, hosts: &[HostName]) {
        for host in hosts {
            self.used.entry(host.clone()).or_default().insert(turn.2);
        }
    }

    /// Gives the job's slots on `hosts` back, takes it out of line, and says whose turn it may be now.
    pub(crate) fn free(&mut self, turn: &Turn, hosts: &[HostName]) -> BTreeSet<Turn> {
        let mut next = BTreeSet::new();
        for host in hosts {
            if let Some(used) = self.used.get_mut(host) {
                used.remove(&turn.2);
            }
            if let Some(line) = self.waiting.get_mut(host) {
                line.remove(turn);
                next.extend(line.iter().take(self.each).copied());
            }
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Priority, Timestamp};

    #[test]
    fn a_full_host_serves_the_next_in_line_when_a_slot_comes_back() {
        let turn = |place| (Priority::Normal, place, JobId::new(Timestamp::from_millis(1)));
        let (first, second, third) = (turn(1), turn(2), turn(3));
        let a: Vec<HostName> = vec!["a".parse().unwrap()];
        let ab: Vec<HostName> = vec!["a".parse().unwrap(), "b".parse().unwrap()];
        let mut slots = Slots::new(1);
        assert!(slots.take(first, &a));
        assert!(!slots.take(second, &ab));
        assert!(!slots.take(third, &a));
        assert!(slots.free(&first, &a).contains(&second));
        assert!(slots.take(second, &ab));
        assert!(!slots.take(third, &a));
    }
}
