//! A schedule that is due each minute, switched off and on: whatever befalls the master, it is as it was answered to be, and what
//! was due at a moment is done once.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use fastrand::Rng;

use super::draw::Seen;
use super::operations::look;
use super::quiet::text;
use super::run::Run;

const NAME: &str = "each-minute";

/// A word about it, which nobody may hear.
pub(super) fn switch(run: &mut Run, random: &mut Rng) -> anyhow::Result<Seen> {
    let word = ["disable", "enable"][random.usize(0..2)];
    look(run, &["schedule", word, NAME])
}

impl Run {
    /// It is there, and off.
    pub(super) fn add_schedule(&self) -> anyhow::Result<()> {
        let add = [
            "schedule",
            "add",
            NAME,
            "backup",
            "--name",
            "g01",
            "--cron",
            "* * * * *",
        ];
        self.ask(&add)?.ok()?;
        self.let_schedule("disable")
    }

    /// Lets it fire from now on, or not, if it is there.
    pub(super) fn let_schedule(&self, word: &str) -> anyhow::Result<()> {
        let list = self.ask(&["schedule", "list", "--json"])?.json()?;
        if list["schedules"].as_array().is_none_or(Vec::is_empty) {
            return Ok(());
        }
        self.ask(&["schedule", word, NAME])?.ok().map(drop)
    }

    /// It goes on for a round: it has not fired while it was off.
    pub(super) fn resume_schedule(&self) -> anyhow::Result<()> {
        let (fired, known) = (self.fired()?, self.tally.scheduled);
        ensure!(
            fired == known,
            "off, and yet it has fired: {fired} times, and not {known}"
        );
        self.let_schedule("enable")
    }

    /// It has fired at whole minutes, once at each.
    pub(super) fn schedule_keeps_time(&mut self) -> anyhow::Result<()> {
        self.tally.scheduled = self.fired()?;
        Ok(())
    }

    /// How often it has fired, each time when its line says so.
    fn fired(&self) -> anyhow::Result<usize> {
        let all = self
            .ask(&["status", "--all", "--json", "--limit", "100000"])?
            .json()?;
        let jobs = all["jobs"].as_array().context("no jobs")?.iter();
        let mut due = BTreeSet::new();
        for line in jobs.filter(|line| line["schedule"] == NAME) {
            let job = self.site.job(text(line, "job")?)?;
            // The moment is the end of its key.
            let minute = text(&job, "key")?.strip_suffix(":00.000Z");
            let minute = minute.with_context(|| format!("that is no time of its: {job}"))?;
            ensure!(due.insert(minute.to_owned()), "twice due at one time: {job}");
        }
        Ok(due.len())
    }
}
