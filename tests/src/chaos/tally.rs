//! What a run amounted to, told at its end: what happened how often, and what became of it.

use std::collections::BTreeMap;
use std::fmt;

use super::draw::{Befalls, Row, rows};

/// What a run amounted to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Of each operation and fault by name: how often it was drawn, and how often it had an effect.
    happenings: BTreeMap<&'static str, (u64, u64)>,
    /// Rounds, each with a quiet point at its end.
    pub rounds: u64,
    /// Jobs by how they ended.
    pub succeeded: u64,
    /// Taken back because of a failure.
    pub rolled_back: u64,
    /// Taken back because somebody wanted it.
    pub cancelled: u64,
    /// Batches, each of which told the truth about its jobs.
    pub batches: u64,
    /// How often a job was stuck, and went on when it was resumed.
    pub stuck: u64,
    /// Writes that guests acknowledged, all of them there in the end.
    pub acknowledged: u64,
    /// Guests that were compared with their reference, file by file.
    pub compared: u64,
    /// Newest generations that were read, byte by byte, and compared with the reference of their guest.
    pub verified: u64,
    /// Jobs of a schedule, each for a moment of its own.
    pub scheduled: usize,
    /// Reboots of all hosts at once.
    pub reboots: u64,
}

impl Tally {
    /// One more of these.
    pub(super) fn count(&mut self, row: &Row, took: bool) {
        let (drawn, taken) = self.happenings.entry(row.name).or_default();
        *drawn += 1;
        *taken += u64::from(took);
    }

    /// Whether this ever had an effect.
    pub(super) fn has_taken(&self, row: &Row) -> bool {
        self.happenings.get(row.name).is_some_and(|(_, taken)| *taken > 0)
    }

    /// The operations and faults that never had an effect.
    pub(super) fn missing(&self) -> Vec<&'static Row> {
        rows().filter(|row| !self.has_taken(row)).collect()
    }

    fn all(&self, which: impl Fn(&Row) -> bool) -> u64 {
        let drawn = |row: &Row| self.happenings.get(row.name).map_or(0, |(drawn, _)| *drawn);
        rows().filter(|row| which(row)).map(drawn).sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_operation = |row: &Row| row.befalls == Befalls::Nobody;
        write!(
            f,
            "{} operations and {} faults up to {} quiet points, {} of them after a reboot of all hosts; jobs: {} succeeded, \
             {} rolled back, {} cancelled, {} times stuck for a while; {} batches; {} by a schedule; {} guests and {} generations compared \
             file by file; \
             {} writes acknowledged, 0 lost; with an effect, of those drawn:",
            self.all(is_operation),
            self.all(|row| !is_operation(row)),
            self.rounds,
            self.reboots,
            self.succeeded,
            self.rolled_back,
            self.cancelled,
            self.stuck,
            self.batches,
            self.scheduled,
            self.compared,
            self.verified,
            self.acknowledged
        )?;
        for (name, (drawn, taken)) in &self.happenings {
            write!(f, " {name} {taken}/{drawn}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_never_drawn_and_what_was_always_in_vain_is_missing() {
        let mut tally = Tally::default();
        let names = |tally: &Tally| tally.missing().iter().map(|row| row.name).collect::<Vec<_>>();
        let all: Vec<&Row> = rows().collect();
        assert_eq!(names(&tally).len(), all.len());
        for row in &all[1..] {
            tally.count(row, true);
        }
        tally.count(all[0], false);
        assert_eq!(names(&tally), [all[0].name]);
        tally.count(all[0], true);
        assert!(names(&tally).is_empty());
    }
}
