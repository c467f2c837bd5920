//! Guests that are put back to what they were, come to be of what another was, or get another name. What a guest acknowledged
//! after the generation that it is put back to is lost, as was asked for, and nothing else is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context;
use fastrand::Rng;
use serde_json::Value;

use super::acknowledged::{KEPT, numbers};
use super::clock::LONG;
use super::draw::Seen;
use super::fleet::{Effect, Guest, Restored};
use super::operations::twice;
use super::run::Run;

/// A sealed generation, as it is on the disk of the master.
struct Sealed {
    name: String,
    running: bool,
    enabled: bool,
    kept: BTreeSet<u64>,
}

impl Sealed {
    fn read(folder: &Path) -> anyhow::Result<Self> {
        let name = folder
            .file_name()
            .context("no name")?
            .to_string_lossy()
            .into_owned();
        let told: Value = serde_json::from_slice(&std::fs::read(folder.join("generation.json"))?)?;
        let is = |what: &str| told["facts"][what] == "yes";
        let ledger = std::fs::read_to_string(folder.join("tree").join(KEPT)).unwrap_or_default();
        Ok(Self {
            name,
            running: is("running"),
            enabled: is("enabled"),
            kept: numbers(&ledger)?,
        })
    }
}

/// In the place of what became of it, or, if it was removed, where it was; or as another guest.
pub(super) fn restore(run: &mut Run, random: &mut Rng) -> anyhow::Result<Seen> {
    let (which, of_them, start) = (random.usize(0..1 << 20), random.usize(0..1 << 20), random.bool());
    let (twice, as_another, old) = (twice(random), random.u8(0..3) == 0, random.u8(0..3) == 0);
    let known = run
        .fleet
        .guests
        .iter()
        .filter(|guest| guest.lives || guest.removed);
    let copied: Vec<(&Guest, Vec<PathBuf>)> = known
        .map(|guest| Ok((guest, run.sealed_of(&guest.name)?)))
        .collect::<anyhow::Result<_>>()?;
    let copied: Vec<_> = copied.iter().filter(|(_, sealed)| !sealed.is_empty()).collect();
    let Some((guest, sealed)) = copied.get(which % copied.len().max(1)) else {
        return Ok(Seen::in_vain("nothing was backed up"));
    };
    let chosen = if old {
        of_them % sealed.len()
    } else {
        sealed.len() - 1
    };
    // It may just have been pruned.
    let Ok(generation) = Sealed::read(&sealed[chosen]) else {
        return Ok(Seen::in_vain("it is gone"));
    };
    let running = generation.running || start;
    let name = guest.name.clone();
    let mut args = vec!["restore", "--name", &name, "--generation", &generation.name];
    args.extend(start.then_some("--start"));
    if as_another {
        let mut free = run.fleet.guests.iter().filter(|one| !one.lives && !one.removed);
        let Some(free) = free.find(|one| one.template() == guest.template()) else {
            return Ok(Seen::in_vain("all have lived"));
        };
        let (to, address) = (free.name.clone(), free.address.clone());
        args.extend(["--as", &to, "--interface", &address]);
        let effect = Effect::Create {
            start: running,
            enable: generation.enabled,
        };
        let seen = run.submit(Some((&to, effect)), &args, twice)?;
        return Ok(seen.of(args[1..].join(" ")));
    }
    if guest.lives {
        args.extend(["--replace", "--grace", LONG]);
    }
    let acknowledged = guest.client.as_ref().map(|client| client.acknowledged());
    let effect = Effect::Restore(Restored {
        running,
        enabled: generation.enabled,
        lost: &acknowledged.unwrap_or_default() - &generation.kept,
        kept: generation.kept,
    });
    let seen = run.submit(Some((&name, effect)), &args, twice)?;
    Ok(seen.of(args[1..].join(" ")))
}

pub(super) fn rename(run: &mut Run, random: &mut Rng) -> anyhow::Result<Seen> {
    let (name, twice, stop) = (run.any_guest(random), twice(random), random.u8(0..4) > 0);
    let guest = run.fleet.named(&name)?;
    let to = format!("{}-{}", &name[..3], guest.former.len() + 2);
    let mut args = vec!["rename", "--name", &name, "--to", &to];
    args.extend(stop.then_some("--stop"));
    let seen = run.submit(Some((&name, Effect::Rename { to: to.clone() })), &args, twice)?;
    Ok(seen.of(args[1..].join(" ")))
}

impl Run {
    /// The folders of its generations, the oldest first.
    fn sealed_of(&self, guest: &str) -> anyhow::Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(self.generations_of(guest))
            .into_iter()
            .flatten();
        let mut folders = entries
            .map(|entry| Ok(entry?.path()))
            .collect::<anyhow::Result<Vec<PathBuf>>>()?;
        folders.retain(|folder| {
            folder.join("generation.json").exists() && !folder.to_string_lossy().contains("/incoming-")
        });
        folders.sort();
        Ok(folders)
    }

    /// What is lost by a restore that has succeeded: what was put aside by it, or by a remove before, may have acknowledged
    /// more than was known when it was asked for.
    pub(super) fn lost_by(
        &self,
        id: &str,
        guest: &str,
        restored: &Restored,
    ) -> anyhow::Result<BTreeSet<u64>> {
        let mut lost = restored.lost.clone();
        let short = id.get(id.len().saturating_sub(8)..).unwrap_or_default();
        let look = format!(
            "cd /var/lib/machines; for aside in {guest}.replaced-{short} {guest}.removed-*; do
                 cat \"$aside/{KEPT}\" 2>/dev/null || true
             done"
        );
        for host in &self.hosts {
            lost.extend(numbers(&self.site.lab.run(host, &look)?)?);
        }
        Ok(&lost - &restored.kept)
    }
}
