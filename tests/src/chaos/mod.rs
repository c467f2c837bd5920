//! Chaos: a seed becomes rounds of operations and faults on a site of real hosts, each round ends in a quiet point, and
//! there everything that was promised must hold. `tests/README.md`, 'Chaos', says how it is run and replayed.

mod acknowledged;
mod batches;
mod clock;
mod disk;
mod draw;
mod faults;
mod fleet;
mod generations;
mod maintenance;
mod operations;
mod order;
mod quiet;
mod removal;
mod restoral;
mod run;
mod schedules;
mod steering;
mod tally;
mod trace;
mod troubles;

pub use draw::Seed;
pub use run::{Length, run};
pub use tally::Tally;
