//! A schedule that is due each minute, switched off and on: whatever befalls the master, it is as it was answered to be, and what
//! was due at a moment is done once.

use std::collections::BTreeMap;

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

    /// No two of its jobs are for the same moment, which is in their key.
    pub(super) fn was_due_once(&mut self) -> anyhow::Result<()> {
        let all = self
            .ask(&["status", "--all", "--json", "--limit", "100000"])?
            .json()?;
        let mut due: BTreeMap<String, String> = BTreeMap::new();
        for line in all["jobs"].as_array().context("no jobs")? {
            if line["schedule"] != NAME {
                continue;
            }
            let id = text(line, "job")?.to_owned();
            let key = text(&self.site.job(&id)?, "key")?.to_owned();
            if let Some(other) = due.insert(key.clone(), id.clone()) {
                ensure!(other == id, "{other} and {id} are both {key}");
            }
        }
        self.tally.scheduled = due.len() as u64;
        Ok(())
    }
}
