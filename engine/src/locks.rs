//! Who holds what, and who waits for it. A job takes all its locks at once or none, and nobody overtakes an earlier
//! waiter who wants the same: priority class first, then first come, first served. The table is a projection: it is
//! rebuilt from the open jobs, and only their states change it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{JobId, Lock, Priority};

/// A job's place in the line.
pub(crate) type Turn = (Priority, u64, JobId);

/// All locks.
#[derive(Debug, Default)]
pub(crate) struct Locks {
    keys: BTreeMap<String, Key>,
}

#[derive(Debug, Default)]
struct Key {
    holders: BTreeMap<JobId, bool>,
    waiting: BTreeMap<Turn, bool>,
}

impl Key {
    fn grants(&self, turn: &Turn, shared: bool) -> bool {
        let fits = |others_shared: bool| shared && others_shared;
        self.holders.values().all(|other| fits(*other))
            && self.waiting.range(..turn).all(|(_, other)| fits(*other))
    }
}

impl Locks {
    /// Puts a job in line for `locks`.
    pub(crate) fn wait(&mut self, turn: Turn, locks: &[Lock]) {
        for lock in locks {
            self.keys
                .entry(lock.key.clone())
                .or_default()
                .waiting
                .insert(turn, lock.shared);
        }
    }

    /// Whether the job could have all of `locks` now.
    #[must_use]
    pub(crate) fn are_free(&self, turn: &Turn, locks: &[Lock]) -> bool {
        locks.iter().all(|lock| {
            self.keys
                .get(&lock.key)
                .is_none_or(|key| key.grants(turn, lock.shared))
        })
    }

    /// Whether a job holds this.
    #[must_use]
    pub(crate) fn is_held(&self, key: &str) -> bool {
        self.keys.get(key).is_some_and(|key| !key.holders.is_empty())
    }

    /// Gives the job its locks.
    pub(crate) fn take(&mut self, turn: &Turn, locks: &[Lock]) {
        for lock in locks {
            let key = self.keys.entry(lock.key.clone()).or_default();
            key.waiting.remove(turn);
            key.holders.insert(turn.2, lock.shared);
        }
    }

    /// Takes the job out of line, or its locks from it, and says whose turn it may be now.
    pub(crate) fn free(&mut self, turn: &Turn, locks: &[Lock]) -> BTreeSet<Turn> {
        let mut next = BTreeSet::new();
        for lock in locks {
            let Some(key) = self.keys.get_mut(&lock.key) else {
                continue;
            };
            key.holders.remove(&turn.2);
            key.waiting.remove(turn);
            // The first waiter, and with it those behind it that can share.
            let exclusive = key
                .waiting
                .iter()
                .position(|(_, shared)| !shared)
                .unwrap_or(usize::MAX);
            next.extend(key.waiting.keys().take(exclusive.saturating_add(1)).copied());
            if key.holders.is_empty() && key.waiting.is_empty() {
                self.keys.remove(&lock.key);
            }
        }
        next
    }

    /// The keys with their holders (and whether they share) and waiters, for people.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Vec<(JobId, bool)>, Vec<JobId>)> {
        self.keys.iter().map(|(key, entry)| {
            let holders = entry
                .holders
                .iter()
                .map(|(job, shared)| (*job, *shared))
                .collect();
            (
                key.as_str(),
                holders,
                entry.waiting.keys().map(|turn| turn.2).collect(),
            )
        })
    }

    /// A key of `locks` that the job cannot have now, with one of its holders.
    #[must_use]
    pub(crate) fn obstacle<'a>(&'a self, turn: &Turn, locks: &'a [Lock]) -> Option<(&'a str, Option<JobId>)> {
        locks.iter().find_map(|lock| {
            let key = self.keys.get(&lock.key)?;
            (!key.grants(turn, lock.shared)).then(|| (lock.key.as_str(), key.holders.keys().next().copied()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    fn turn(place: u64) -> Turn {
        (Priority::Normal, place, JobId::new(Timestamp::from_millis(1)))
    }

    fn lock(key: &str, shared: bool) -> Lock {
        Lock {
            key: key.to_owned(),
            shared,
        }
    }

    #[test]
    fn a_later_sharer_does_not_overtake_an_exclusive_waiter() {
        let mut locks = Locks::default();
        let (first, second, third) = (turn(1), turn(2), turn(3));
        let shared = [lock("host/a", true)];
        let exclusive = [lock("host/a", false)];
        locks.take(&first, &shared);
        locks.wait(second, &exclusive);
        locks.wait(third, &shared);
        assert!(!locks.are_free(&second, &exclusive));
        assert!(!locks.are_free(&third, &shared));

        assert!(locks.free(&first, &shared).contains(&second));
        assert!(locks.are_free(&second, &exclusive));
    }

    #[test]
    fn all_or_none() {
        let mut locks = Locks::default();
        let (first, second) = (turn(1), turn(2));
        locks.take(&first, &[lock("guest/b", false)]);
        let both = [lock("guest/a", false), lock("guest/b", false)];
        locks.wait(second, &both);
        assert!(!locks.are_free(&second, &both));
        assert_eq!(locks.obstacle(&second, &both), Some(("guest/b", Some(first.2))));
        locks.free(&first, &[lock("guest/b", false)]);
        assert!(locks.are_free(&second, &both));
    }

    #[test]
    fn a_higher_class_goes_first() {
        let mut locks = Locks::default();
        let holder = turn(1);
        let normal = turn(2);
        let high = (Priority::High, 3, JobId::new(Timestamp::from_millis(1)));
        let wanted = [lock("guest/a", false)];
        locks.take(&holder, &wanted);
        locks.wait(normal, &wanted);
        locks.wait(high, &wanted);
        locks.free(&holder, &wanted);
        assert!(locks.are_free(&high, &wanted));
        assert!(!locks.are_free(&normal, &wanted));
    }
}
