//! The wall clock of the master, set while everything else goes on. Whatever it says, no job fails because of it; a jump is
//! noticed, and stays noticed until somebody accepts it; until then nothing begins that waits for a time of its own, and
//! what may wait for days never begins here.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use fastrand::Rng;
use serde_json::Value;

use super::draw::Seen;
use super::faults::is_well;
use super::quiet::text;
use super::run::Run;
use super::troubles::Trouble;

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const DAY: i64 = 24 * 60 * MINUTE;

/// How far it is set ahead: steps that the master follows, and jumps that it does not believe.
const AHEAD: [i64; 10] = [
    -30 * DAY,
    -60 * MINUTE,
    -11 * MINUTE,
    -5 * MINUTE,
    -20 * SECOND,
    20 * SECOND,
    5 * MINUTE,
    11 * MINUTE,
    60 * MINUTE,
    30 * DAY,
];

/// The grace that is over in no run.
pub(super) const LONG: &str = "7d";

/// Longer than the grace of some: what a move of this round has left is due then.
const A_GRACE: Duration = Duration::from_millis(1500);

/// What is known of purges and of a jump.
#[derive(Default)]
pub(super) struct Purges {
    /// Those that had begun when a jump was noticed that nobody has accepted yet.
    held: Option<BTreeSet<String>>,
    /// Those that had begun, and might.
    begun: BTreeSet<String>,
}

pub(super) fn set(run: &mut Run, random: &mut Rng) -> anyhow::Result<Seen> {
    let (ahead, lasts) = (AHEAD[random.usize(0..AHEAD.len())], random.usize(2..=8));
    Ok(Seen::took(run.set_clock(ahead, lasts)?))
}

/// Somebody says that it is right, which may be so or not. If nobody doubts it, it is set first.
pub(super) fn accept(run: &mut Run, random: &mut Rng) -> anyhow::Result<Seen> {
    let (ahead, lasts) = ([-1, 1][random.usize(0..2)] * DAY, random.usize(2..=8));
    run.look_at_clock()?;
    if run.purges.held.is_none() {
        run.set_clock(ahead, lasts)?;
    }
    let said = run.ask(&["clock", "accept", "--reason", "chaos"])?;
    let was_held = run.purges.held.take().is_some();
    let took = match said.status.code() {
        Some(0) => true,
        Some(4) => {
            said.refuses("VSJ0546", 4)?;
            ensure!(!was_held, "a jump that nobody has accepted is forgotten");
            false
        }
        // What became of it is seen when there is a master again.
        _ => {
            ensure!(!is_well(run), "{said:?}");
            false
        }
    };
    let seen = run.look_at_clock()?;
    Ok(Seen {
        took,
        told: format!("{}, {seen}", said.status),
    })
}

impl Run {
    fn set_clock(&mut self, ahead: i64, lasts: usize) -> anyhow::Result<String> {
        self.fate.wall_clock_is_ahead(ahead)?;
        self.troubles.begin(Trouble::WrongClock, lasts);
        let seen = self.look_at_clock()?;
        Ok(format!("by {} s: {seen}", ahead / SECOND))
    }

    /// Asks the master for its time, and checks what it says and what it has begun.
    fn look_at_clock(&mut self) -> anyhow::Result<String> {
        let said = self.ask(&["clock", "show", "--json"])?;
        if said.out.is_empty() {
            ensure!(!is_well(self), "{said:?}");
            return Ok("nobody tells the time".to_owned());
        }
        let clock: Value = serde_json::from_str(&said.out)?;
        let off = moment(&clock, "wall")? - moment(&clock, "master")?;
        if clock["jump"].is_null() {
            ensure!(off.abs() <= TimeDelta::minutes(10), "it believes this: {clock}");
            ensure!(self.purges.held.is_none(), "it has forgotten its jump: {clock}");
            return Ok(format!("believed, {} s off", off.num_seconds()));
        }
        let begun = self.purges_begun()?;
        if let Some(before) = &self.purges.held {
            let more: Vec<_> = begun.difference(before).collect();
            ensure!(more.is_empty(), "begun although the clock has jumped: {more:?}");
        }
        self.purges.held = Some(begun);
        Ok(format!("not believed, {} s off", off.num_seconds()))
    }

    /// The purges whose time has come, as far as the master says. What is taken back is withdrawn from its purge before.
    fn purges_begun(&self) -> anyhow::Result<BTreeSet<String>> {
        let all = self.ask(&["status", "--all", "--json", "--limit", "100000"])?;
        let all = all.json()?;
        let jobs = all["jobs"].as_array().context("no jobs")?.iter();
        let is_withdrawn = |job: &Value| job["state"] == "cancelled" && job["done"] == 0;
        jobs.filter(|job| job["operation"] == "purge-later" && job["state"] != "queued")
            .filter(|job| !is_withdrawn(job))
            .map(|job| text(job, "job").map(str::to_owned))
            .collect()
    }

    /// All is well again: the clock, which is right now, is accepted if it has to be.
    pub(super) fn accept_clock(&mut self) -> anyhow::Result<()> {
        self.look_at_clock()?;
        if self.purges.held.is_some() {
            std::thread::park_timeout(A_GRACE);
            self.look_at_clock()?;
            self.purges.held = None;
            let accept = ["clock", "accept", "--reason", "it is right"];
            self.ask(&accept)?.ok()?;
            self.tell("  the clock was accepted")?;
        }
        self.look_at_clock()?;
        ensure!(self.purges.held.is_none(), "accepted, and yet not believed");
        Ok(())
    }

    /// Nothing was purged before its grace was over, and that of some never is.
    pub(super) fn graces_are_kept(&mut self) -> anyhow::Result<()> {
        for id in self.purges_begun()?.difference(&self.purges.begun.clone()) {
            let purge = self.site.job(id)?;
            let of = text(&purge, "key")?
                .rsplit_once("-of-")
                .context("whose purge is it?")?;
            let left = self.site.job(of.1)?;
            ensure!(
                left["parameters"]["grace"] != LONG,
                "it has begun {id}, but {} is not over",
                left["title"]
            );
            self.purges.begun.insert(id.clone());
        }
        Ok(())
    }
}

fn moment(clock: &Value, which: &str) -> anyhow::Result<DateTime<Utc>> {
    Ok(text(clock, which)?.parse()?)
}
