//! What a durable record costs: the store's append against a bare write and fdatasync, in one run, interleaved.
//!
//! `cargo run --release -p vsjob-engine --example bench_store [DIRECTORY]`; the directory decides which disk is measured.
//! A ratio is of the medians over the rounds; the spread is the least and the greatest round.

#![expect(clippy::print_stdout, reason = "a benchmark says what it measured")]

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use vsjob_engine::store::{Local, LocalOptions, Purpose, Put, Store};

type Error = Box<dyn std::error::Error>;

const ROUNDS: usize = 7;
const RECORD: usize = 200;
/// Long enough that a round takes about half a second.
const PER_ROUND: Duration = Duration::from_millis(500);

/// One way to make records durable.
trait Contender {
    fn name(&self) -> &'static str;
    /// Makes `count` records durable, together.
    fn put(&mut self, count: usize) -> Result<(), Error>;
}

/// The floor: a file, `write` and `fdatasync`.
struct Raw {
    name: &'static str,
    file: File,
    at: u64,
    records: Vec<u8>,
    /// Beyond it the file would grow; 0 if it may.
    size: u64,
}

/// How a raw file gets its room.
enum Room {
    None,
    Allocated,
    Zeros,
}

impl Raw {
    fn new(name: &'static str, path: PathBuf, room: Room) -> Result<Self, Error> {
        const SIZE: u64 = 64 << 20;
        let file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .open(path)?;
        match room {
            Room::None => {}
            Room::Allocated => rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, SIZE)?,
            Room::Zeros => {
                let zeros = vec![0; 1 << 20];
                (0..SIZE >> 20).try_for_each(|at| file.write_all_at(&zeros, at << 20))?;
            }
        }
        file.sync_all()?;
        let size = if matches!(room, Room::None) { 0 } else { SIZE };
        Ok(Self {
            name,
            file,
            at: 0,
            records: Vec::new(),
            size,
        })
    }
}

impl Contender for Raw {
    fn name(&self) -> &'static str {
        self.name
    }

    fn put(&mut self, count: usize) -> Result<(), Error> {
        self.records.resize(count * RECORD, 7);
        let length = self.records.len() as u64;
        if self.size > 0 && self.at + length > self.size {
            return Err("the round is too long for the prepared file".into());
        }
        self.file.write_all_at(&self.records, self.at)?;
        self.file.sync_data()?;
        self.at += length;
        Ok(())
    }
}

/// The store, with or without an index behind it.
struct Ours {
    name: &'static str,
    store: Local,
    indexing: bool,
}

impl Ours {
    fn new(name: &'static str, directory: &Path, indexing: bool) -> Result<Self, Error> {
        let store = Local::open(directory, LocalOptions::default())?.store;
        Ok(Self {
            name,
            store,
            indexing,
        })
    }
}

impl Contender for Ours {
    fn name(&self) -> &'static str {
        self.name
    }

    fn put(&mut self, count: usize) -> Result<(), Error> {
        let head = self
            .store
            .append(&vec![vec![7; RECORD]; count], Purpose::NewWork)?;
        if self.indexing {
            let put = |n: u64| Put {
                key: format!("job/{:06}", (head.sequence + n) % 10_000).into_bytes(),
                value: Some(vec![7; RECORD]),
            };
            self.store.index(head, (0..count as u64).map(put).collect());
        }
        Ok(())
    }
}

/// Records a second, over one round.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn round(contender: &mut dyn Contender, batch: usize) -> Result<f64, Error> {
    let start = Instant::now();
    let mut records = 0_u32;
    while start.elapsed() < PER_ROUND {
        contender.put(batch)?;
        records += u32::try_from(batch)?;
    }
    Ok(f64::from(records) / start.elapsed().as_secs_f64())
}

fn compare(directory: &Path, batch: usize) -> Result<(), Error> {
    let mut contenders: Vec<Box<dyn Contender>> = Vec::new();
    let mut results: Vec<(&'static str, Vec<f64>)> = Vec::new();
    for turn in 0..ROUNDS {
        // New files each turn: the prepared ones must not run out.
        let folder = tempfile::tempdir_in(directory)?;
        let path = |name: &str| folder.path().join(name);
        contenders.clear();
        contenders.push(Box::new(Raw::new(
            "raw, growing file",
            path("growing"),
            Room::None,
        )?));
        contenders.push(Box::new(Raw::new(
            "raw, fallocated",
            path("allocated"),
            Room::Allocated,
        )?));
        contenders.push(Box::new(Raw::new(
            "raw, zero-written",
            path("zeros"),
            Room::Zeros,
        )?));
        contenders.push(Box::new(Ours::new("store", &path("store"), false)?));
        contenders.push(Box::new(Ours::new("store, indexing", &path("indexing"), true)?));
        for at in 0..contenders.len() {
            let at = (at + turn) % contenders.len();
            let contender = &mut contenders[at];
            let measured = round(&mut **contender, batch)?;
            match results.iter_mut().find(|(name, _)| *name == contender.name()) {
                Some((_, rounds)) => rounds.push(measured),
                None => results.push((contender.name(), vec![measured])),
            }
        }
    }
    report(batch, results);
    Ok(())
}

fn report(batch: usize, mut results: Vec<(&'static str, Vec<f64>)>) {
    for (_, rounds) in &mut results {
        rounds.sort_by(f64::total_cmp);
    }
    let median = |rounds: &[f64]| rounds[rounds.len() / 2];
    let floor = results.iter().find(|(name, _)| *name == "raw, growing file");
    let floor = floor.map_or(1.0, |(_, rounds)| median(rounds));
    println!("\n{batch} frames a batch, {RECORD} bytes each, {ROUNDS} rounds");
    println!(
        "{:20} {:>12} {:>9} {:>21}",
        "", "records/s", "of raw", "least to greatest"
    );
    for (name, rounds) in &results {
        let (least, most) = (rounds[0], rounds[rounds.len() - 1]);
        let median = median(rounds);
        println!(
            "{name:20} {median:>12.0} {:>8.2}x {least:>10.0} {most:>10.0}",
            median / floor
        );
    }
}

fn main() -> Result<(), Error> {
    let directory = std::env::args_os()
        .nth(1)
        .map_or_else(std::env::temp_dir, PathBuf::from);
    println!("on {}", directory.display());
    compare(&directory, 1)?;
    compare(&directory, 64)
}
