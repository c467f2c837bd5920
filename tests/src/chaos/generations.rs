//! Backups: each that is done has all that its guest acknowledged before it was asked for; whatever befalls, every generation
//! there is is whole, and the newest is what its guest was made of.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use fastrand::Rng;
use serde_json::Value;

use super::acknowledged::KEPT;
use super::draw::Seen;
use super::fleet::{Effect, Guest};
use super::operations::twice;
use super::quiet::text;
use super::run::Run;
use crate::guests;

/// Hot or cold; one time in three what is older than the newest of the day goes.
pub(super) fn backup(run: &mut Run, random: &mut Rng) -> anyhow::Result<Seen> {
    let (name, twice) = (run.any_guest(random), twice(random));
    let mut args = vec!["backup", "--name", &name];
    args.push(["--hot", "--hot", "--cold"][random.usize(0..3)]);
    if random.u8(0..3) == 0 {
        args.extend(["--keep", "1d"]);
    }
    let client = run.fleet.named(&name)?.client.as_ref();
    let acknowledged = client.map_or_else(BTreeSet::new, |client| client.acknowledged());
    let seen = run.submit(Some((&name, Effect::BackUp { acknowledged })), &args, twice)?;
    Ok(seen.of(args[1..].join(" ")))
}

impl Run {
    pub(super) fn generations_of(&self, guest: &str) -> PathBuf {
        self.generations.path().join(guest)
    }

    /// Checks the generation of a backup that has succeeded, unless a later one has pruned it.
    pub(super) fn has_what_was_acknowledged(
        &self,
        job: &Value,
        guest: &str,
        acknowledged: &BTreeSet<u64>,
    ) -> anyhow::Result<()> {
        let mut steps = job["plan"].as_array().context("no plan")?.iter();
        let name = steps.find_map(|step| step["outputs"]["name"].as_str());
        let generation = self.generations_of(guest).join(name.context("it has no name")?);
        if acknowledged.is_empty() || !generation.exists() {
            return Ok(());
        }
        let kept = std::fs::read_to_string(generation.join("tree").join(KEPT))?;
        let kept: BTreeSet<u64> = kept.lines().filter_map(|line| line.parse().ok()).collect();
        let lost: Vec<_> = acknowledged.difference(&kept).collect();
        ensure!(lost.is_empty(), "{} lacks {lost:?}", generation.display());
        Ok(())
    }

    /// Checks that there is nothing but whole generations, and that the newest of each guest is what it was made of.
    pub(super) fn generations_are_whole(&mut self) -> anyhow::Result<()> {
        let list = self.ask(&["generation", "list", "--json"])?.json()?;
        let mut known: Vec<(String, String)> = Vec::new();
        for line in list["generations"].as_array().context("no list")? {
            known.push((
                text(line, "guest")?.to_owned(),
                text(line, "generation")?.to_owned(),
            ));
        }
        for name in self.fleet.guests.iter().flat_map(Guest::names) {
            let folder = self.generations_of(name);
            let there = std::fs::read_dir(&folder).into_iter().flatten();
            let there: BTreeSet<String> = there
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                .collect::<anyhow::Result<_>>()?;
            let sealed: BTreeSet<String> = known
                .iter()
                .filter(|(guest, _)| guest == name)
                .map(|(_, generation)| generation.clone())
                .collect();
            ensure!(
                there == sealed,
                "{}: {there:?}, and not {sealed:?}",
                folder.display()
            );
            let Some(newest) = sealed.last() else { continue };
            self.ask(&["generation", "verify", "--name", name, newest])?
                .ok()?;
            guests::same_here(&self.fleet.reference(name), &folder.join(newest).join("tree"))?;
            self.tally.verified += 1;
        }
        Ok(())
    }
}
