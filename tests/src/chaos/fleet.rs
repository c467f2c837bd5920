//! The guests of a run, and what must be true of each by the jobs that have ended so far.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Context;
use tempfile::TempDir;

use super::acknowledged::{self, Client};
use crate::guests;
use crate::lab::Template;
use crate::tree::Tree;

/// How many there are at most.
pub(super) const MOST: usize = 20;

/// Every so many, one is written to all the time.
const WRITTEN: usize = 4;

/// What a job does to its guest if it succeeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// It comes to be.
    Create { start: bool, enable: bool },
    /// It runs.
    Start,
    /// It stops.
    Stop,
    /// It starts with its host.
    Enable,
    /// It does not.
    Disable,
    /// It lives on that host.
    Move { to: String },
    /// There is a copy of it, with all that was acknowledged before that was asked for.
    BackUp { acknowledged: BTreeSet<u64> },
    /// It is gone; what was acknowledged before that was asked for is in the last generation, if one was to be made.
    Remove { kept: Option<BTreeSet<u64>> },
    /// It is back, as it was.
    Undelete,
    /// It is what a generation of it says; what it acknowledged later is lost.
    Restore(Restored),
    /// It has another name.
    Rename { to: String },
}

/// What a guest is that was made of a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Restored {
    pub running: bool,
    pub enabled: bool,
    /// What is in the generation.
    pub kept: BTreeSet<u64>,
    /// What is lost by that.
    pub lost: BTreeSet<u64>,
}

/// A guest, or what will be one.
pub(super) struct Guest {
    pub name: String,
    /// The names that it had before.
    pub former: Vec<String>,
    pub address: String,
    /// It exists.
    pub lives: bool,
    /// It did, and may come back.
    pub removed: bool,
    /// Where, if it was moved or created by a job that says where.
    pub place: Option<String>,
    /// It runs, as far as jobs know.
    pub running: bool,
    /// It starts with its host.
    pub enabled: bool,
    /// Its host may have been booted anew since: then it runs if it is enabled, or as `running` says.
    pub shaken: bool,
    /// It was enabled or disabled since, before or after that: then either may be.
    pub switched: bool,
    /// Its writer, once it lives.
    pub client: Option<Client>,
    written: bool,
}

impl Guest {
    fn new(number: usize) -> Self {
        Self {
            name: format!("g{number:02}"),
            former: Vec::new(),
            address: format!("10.77.1.{}", 100 + number),
            lives: false,
            removed: false,
            place: None,
            running: false,
            enabled: false,
            shaken: false,
            switched: false,
            client: None,
            written: number % WRITTEN == 1,
        }
    }

    /// All names that it has had.
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.former.iter().chain([&self.name])
    }

    /// The template that it is made from.
    pub(super) fn template(&self) -> &'static str {
        if self.written { "written" } else { "plain" }
    }

    /// A job that does this to it has succeeded.
    pub(super) fn undergo(&mut self, effect: &Effect) -> anyhow::Result<()> {
        match effect {
            Effect::Create { start, enable } => {
                (self.lives, self.running, self.enabled) = (true, *start, *enable);
                if self.written {
                    self.client = Some(Client::of(&self.address)?);
                }
            }
            Effect::Start => self.running = true,
            Effect::Stop => self.running = false,
            Effect::Enable => (self.enabled, self.switched) = (true, true),
            Effect::Disable => (self.enabled, self.switched) = (false, true),
            Effect::Move { to } => self.place = Some(to.clone()),
            Effect::BackUp { .. } => {}
            Effect::Rename { to } => self.former.push(std::mem::replace(&mut self.name, to.clone())),
            Effect::Restore(restored) => {
                (self.lives, self.removed, self.place) = (true, false, None);
                (self.running, self.enabled) = (restored.running, restored.enabled);
                if let Some(client) = &self.client {
                    client.forgive(&restored.lost);
                }
            }
            Effect::Remove { .. } => (self.lives, self.removed) = (false, true),
            // Whether it ran when it was removed, nobody looked.
            Effect::Undelete => (self.lives, self.removed, self.shaken) = (true, false, true),
        }
        Ok(())
    }
}

/// All of them.
pub(super) struct Fleet {
    pub guests: Vec<Guest>,
    folder: TempDir,
    // They live as long as it does.
    trees: Vec<Tree>,
}

impl Fleet {
    /// Nobody lives yet.
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            guests: (1..=MOST).map(Guest::new).collect(),
            folder: tempfile::Builder::new().prefix("vsjob-fleet-").tempdir()?,
            trees: Vec::new(),
        })
    }

    /// The archives of their templates, with their names.
    pub(super) fn templates(&mut self) -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
        let plain = with_content()?;
        let written = with_content()?;
        written.file("bin/service", 0o755, acknowledged::SERVICE.as_bytes())?;
        written.file("bin/ledger", 0o755, acknowledged::LEDGER.as_bytes())?;
        written.file(acknowledged::KEPT, 0o644, b"")?;
        let archives = vec![("plain", plain.archive()?), ("written", written.archive()?)];
        self.trees = vec![plain, written];
        Ok(archives)
    }

    /// Where the content of a guest of that name is kept for comparison.
    pub(super) fn reference(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The guest of that name.
    pub(super) fn named(&mut self, name: &str) -> anyhow::Result<&mut Guest> {
        let mut guests = self.guests.iter_mut();
        guests
            .find(|guest| guest.name == name)
            .with_context(|| format!("a guest {name} that nobody made"))
    }
}

/// A guest that starts at once, with all kinds of files in it.
fn with_content() -> anyhow::Result<Tree> {
    let tree = Tree::of(Template::Tiny)?;
    guests::as_started(&tree.root())?;
    guests::fill(&tree.root())?;
    Ok(tree)
}
