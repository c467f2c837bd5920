//! What a seed becomes: rounds of happenings, drawn before anything is seen, so that the same seed is the same happenings
//! in the same order. Each has a generator of its own: what one draws changes no other.

use std::fmt;
use std::str::FromStr;

use fastrand::Rng;

use super::faults::FAULTS;
use super::operations::{MOVE, OPERATIONS};
use super::run::Run;

/// What everything is drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    /// That of a run of all tests.
    pub const FIXED: Self = Self(267446);
}

impl FromStr for Seed {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Something that can happen: a row of a table.
pub(super) struct Row {
    /// Its name in the trace.
    pub name: &'static str,
    /// How often it is drawn, against the others of its table.
    pub weight: u32,
    /// Whom it befalls.
    pub befalls: Befalls,
    /// Lets it happen, and says what was seen of it. What is drawn from the generator is drawn always and in this order.
    ///
    /// An error is a finding: what may well not succeed says so in its answer.
    pub happen: Happen,
}

/// How something happens.
pub(super) type Happen = fn(&mut Run, &mut Rng) -> anyhow::Result<Seen>;

/// What was seen of a happening.
pub(super) struct Seen {
    /// It had an effect: it was accepted, or it befell something that was there.
    pub took: bool,
    /// In words.
    pub told: String,
}

impl Seen {
    /// It had an effect.
    pub(super) fn took(told: impl Into<String>) -> Self {
        let told = told.into();
        Self { took: true, told }
    }

    /// It had none: it was refused, or there was nothing that it could befall.
    pub(super) fn in_vain(told: impl Into<String>) -> Self {
        let told = told.into();
        Self { took: false, told }
    }

    /// The same, told with these words before.
    pub(super) fn of(self, what: impl fmt::Display) -> Self {
        let told = format!("{what}: {}", self.told);
        Self { told, ..self }
    }
}

/// The rows of both tables.
pub(super) fn rows() -> impl Iterator<Item = &'static Row> {
    OPERATIONS.iter().chain(FAULTS)
}

/// Whom a happening befalls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Befalls {
    /// Nobody: it is an operation.
    Nobody,
    /// The master: no job may fail because of it.
    Master,
    /// A host or a line: jobs may fail because of it, and be taken back.
    Host,
}

/// When something happens, after what came before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// At once.
    Now,
    /// When the job that was submitted last has had that many durable events.
    Event(usize),
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now => write!(f, "at once"),
            Self::Event(number) => write!(f, "at event {number} of the last job"),
        }
    }
}

/// One happening of a round.
pub(super) struct Happening {
    /// What.
    pub row: &'static Row,
    /// When.
    pub moment: Moment,
    /// Where it draws the rest from.
    pub random: Rng,
}

/// A round, as drawn.
pub(super) struct Round {
    /// What happens, in order.
    pub happenings: Vec<Happening>,
    /// For what is drawn at its end.
    pub random: Rng,
}

/// How many events a move has, about.
const EVENTS: usize = 45;

impl Seed {
    /// The round of that number.
    pub(super) fn round(self, number: u64) -> Round {
        let mut random = Rng::with_seed(self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number);
        // One round in three is without trouble for hosts: there no job has an excuse.
        let calm = random.u8(0..3) == 0;
        let faults: Vec<&Row> = FAULTS
            .iter()
            .filter(|row| !calm || row.befalls == Befalls::Master)
            .collect();
        let operations: Vec<&Row> = OPERATIONS.iter().collect();
        let happenings = (0..random.usize(8..=14)).map(|_| {
            let table = if random.u8(0..100) < 55 {
                &operations
            } else {
                &faults
            };
            let moment = match random.u8(0..3) {
                0 => Moment::Now,
                _ => Moment::Event(random.usize(1..=EVENTS)),
            };
            Happening {
                row: weighted(table, &mut random),
                moment,
                random: random.fork(),
            }
        });
        Round {
            happenings: happenings.collect(),
            random,
        }
    }
}

impl Round {
    /// A move without any trouble, in which this happens: later from try to try.
    pub(super) fn with(row: &'static Row, attempt: u64) -> Self {
        let mut random = Rng::with_seed(attempt);
        let happening = |row, moment, random: &mut Rng| Happening {
            row,
            moment,
            random: random.fork(),
        };
        let event = 2 + 3 * usize::try_from(attempt).unwrap_or_default();
        Self {
            happenings: vec![
                happening(&MOVE, Moment::Now, &mut random),
                happening(row, Moment::Event(event), &mut random),
            ],
            random,
        }
    }
}

fn weighted(table: &[&'static Row], random: &mut Rng) -> &'static Row {
    let all = table.iter().map(|row| row.weight).sum();
    let mut drawn = random.u32(0..all);
    for row in table {
        if drawn < row.weight {
            return row;
        }
        drawn -= row.weight;
    }
    table[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(seed: u64, round: u64) -> Vec<String> {
        let happenings = Seed(seed).round(round).happenings;
        let tell = |mut one: Happening| format!("{} {} {}", one.row.name, one.moment, one.random.u64(..));
        happenings.into_iter().map(tell).collect()
    }

    #[test]
    fn a_seed_is_the_same_happenings_again_and_another_is_others() {
        assert_eq!(told(7, 3), told(7, 3));
        assert_ne!(told(7, 3), told(8, 3));
        assert_ne!(told(7, 3), told(7, 4));
    }
}
