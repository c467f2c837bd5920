//! The generations that are there. What is not one, or whose `generation.json` cannot be read, is not shown as one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use vsjob_workers::Settings;

use super::{Difference, GenerationName, Keep, Manifest, TreeKind};
use crate::{GuestName, Refusal};

/// The form of `generation.json`.
const VERSION: u32 = 1;

/// What marks a generation that is not what its manifest says.
const DAMAGED: &str = "damaged";

/// Where generations are kept, and as what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Generations {
    /// The folder; that of the guests in it.
    pub folder: PathBuf,
    /// What their trees are.
    pub kind: TreeKind,
}

/// What `generation.json` tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// Of this form.
    pub version: u32,
    /// The guest.
    pub guest: String,
    /// The host that it lived on.
    pub host: String,
    /// `hot` or `cold`.
    pub mode: String,
    /// It is its guest at one moment, as after a power cut; and not as it was read while it went on writing.
    #[serde(default = "crash_consistent")]
    pub crash_consistent: bool,
    /// When its snapshot was taken, by the master.
    pub taken: String,
    /// The same by the clocks of its host, as `transfer.sh` has it: what changed since then, the next one compares.
    pub since: String,
    /// How many files it has.
    pub files: u64,
    /// Their bytes.
    pub size: u64,
    /// The bytes that came over the line for it.
    pub received: u64,
    /// What its tree is on the disk.
    pub tree: String,
    /// The checksum of its manifest.
    pub manifest: String,
    /// The generation that it was begun from.
    pub base: Option<String>,
    /// What was left out.
    pub excludes: Vec<String>,
    /// How the guest was, and what its definition said.
    pub facts: Facts,
}

/// What a guest's definition says, as the steps of a plan take it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// It ran.
    pub running: String,
    /// It started with its host.
    pub enabled: String,
    /// Its address and prefix length; empty if nothing told.
    pub address: String,
    /// Its bridge.
    pub device: String,
    /// Limits, as `create` takes them.
    pub rss: String,
    /// See `rss`.
    pub tmpfs: String,
    /// See `rss`.
    pub proc: String,
    /// See `rss`.
    pub cpu: String,
    /// See `rss`; empty if nothing was asked about it then.
    #[serde(default)]
    pub disk: String,
}

/// What nobody wrote down before there was anything else.
fn crash_consistent() -> bool {
    true
}

impl Generation {
    /// Writes it into a folder, and returns when it is on the disk.
    pub(crate) fn write(&self, folder: &Path) -> io::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        let part = folder.join("generation.part");
        let mut file = File::create(&part)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(part, folder.join("generation.json"))?;
        File::open(folder)?.sync_all()
    }

    /// Reads that of a folder.
    pub(crate) fn read(folder: &Path) -> io::Result<Self> {
        let read: Self = serde_json::from_slice(&fs::read(folder.join("generation.json"))?)?;
        match read.version {
            VERSION => Ok(read),
            newer => Err(io::Error::other(format!(
                "it is of version {newer}, and this program knows {VERSION}"
            ))),
        }
    }

    /// Its tree, of that folder, where it can be read.
    pub(crate) fn open(&self, folder: &Path) -> io::Result<PathBuf> {
        let kind: TreeKind = self.tree.parse().map_err(io::Error::other)?;
        kind.open(&folder.join("tree"))
    }

    /// The version that this program writes.
    pub(crate) const VERSION: u32 = VERSION;
}

impl Generations {
    /// Those that the settings tell of, which have been checked.
    #[must_use]
    pub fn configured(settings: &Settings) -> Self {
        let folder = match settings.generations.as_os_str().is_empty() {
            true => settings.state.join("generations"),
            false => settings.generations.clone(),
        };
        Self {
            folder,
            kind: settings.generation_tree.parse().unwrap_or_default(),
        }
    }

    /// The folder of a guest's.
    #[must_use]
    pub fn of(&self, guest: &GuestName) -> PathBuf {
        self.folder.join(guest.as_str())
    }

    /// The guests that have any.
    #[must_use]
    pub fn guests(&self) -> Vec<GuestName> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut guests: Vec<GuestName> = entries
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect();
        guests.sort();
        guests
    }

    /// The names of the sealed generations of a guest.
    #[must_use]
    pub fn names_of(&self, guest: &GuestName) -> BTreeSet<GenerationName> {
        let entries = fs::read_dir(self.of(guest)).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect()
    }

    /// The names of all sealed generations, by guest.
    #[must_use]
    pub fn names(&self) -> BTreeMap<GuestName, BTreeSet<GenerationName>> {
        let named = |guest: GuestName| {
            let names = self.names_of(&guest);
            (guest, names)
        };
        self.guests().into_iter().map(named).collect()
    }

    /// The sealed generations of a guest, the oldest first, each with what it says of itself, if that can be read and it is not
    /// known to be damaged.
    #[must_use]
    pub fn list(&self, guest: &GuestName) -> Vec<(GenerationName, io::Result<Generation>)> {
        let folder = self.of(guest);
        let names = self.names_of(guest);
        let read = |name: GenerationName| {
            let folder = folder.join(name.as_str());
            let generation = match folder.join(DAMAGED).exists() {
                true => Err(io::Error::other("it was read, and is not as it was sealed")),
                false => Generation::read(&folder),
            };
            (name, generation)
        };
        names.into_iter().map(read).collect()
    }

    /// Those that are whole as far as is known, the newest first.
    pub(crate) fn whole(&self, guest: &GuestName) -> impl Iterator<Item = (GenerationName, Generation)> {
        let all = self.list(guest).into_iter().rev();
        all.filter_map(|(name, generation)| Some((name, generation.ok()?)))
    }

    /// The newest that is whole as far as is known: what a new one is begun from.
    #[must_use]
    pub fn newest(&self, guest: &GuestName) -> Option<(GenerationName, Generation)> {
        self.whole(guest)
            .find(|(_, generation)| generation.tree == self.kind.to_string())
    }

    /// The one to restore: that of this name, else the newest one, if it is whole as far as a look at its manifest tells.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn choose(
        &self,
        guest: &GuestName,
        asked: Option<&GenerationName>,
    ) -> Result<(GenerationName, Generation), Refusal> {
        let mut whole: Vec<_> = self
            .whole(guest)
            .filter(|(name, generation)| {
                let folder = self.of(guest).join(name.as_str());
                Manifest::read(&folder.join("manifest"), &generation.manifest).is_ok()
            })
            .collect();
        let found = whole
            .iter()
            .position(|(name, _)| asked.is_none_or(|asked| asked == name));
        if let Some(at) = found {
            return Ok(whole.swap_remove(at));
        }
        let why = |asked: &GenerationName| {
            let known = self.list(guest).into_iter().find(|(name, _)| name == asked);
            match known {
                Some((_, Err(why))) => why.to_string(),
                Some(_) => "its manifest is damaged".to_owned(),
                None => "there is none of that name".to_owned(),
            }
        };
        let whole: Vec<&str> = whole.iter().map(|(name, _)| name.as_str()).collect();
        Err(Refusal::NotWhole {
            guest: guest.clone(),
            asked: asked.map(|asked| (asked.clone(), why(asked))),
            whole: whole.join(", "),
        })
    }

    /// Nothing begins from it any more: it is not what its manifest says. Somebody has to look at it.
    pub(crate) fn mark_damaged(&self, guest: &GuestName, name: &GenerationName) -> io::Result<()> {
        let folder = self.of(guest).join(name.as_str());
        File::create(folder.join(DAMAGED))?.sync_all()?;
        File::open(folder)?.sync_all()
    }

    /// Those that the rule does not keep. One that cannot be read is not among them.
    #[must_use]
    pub fn doomed(&self, guest: &GuestName, keep: &Keep) -> Vec<GenerationName> {
        let readable = self.list(guest).into_iter().filter(|(_, read)| read.is_ok());
        let names: Vec<GenerationName> = readable.map(|(name, _)| name).collect();
        let pinned = names.iter().filter(|name| self.is_pinned(guest, name));
        keep.doomed(&names, &pinned.cloned().collect())
    }

    /// Whether it is kept whatever the rule says.
    #[must_use]
    pub fn is_pinned(&self, guest: &GuestName, name: &GenerationName) -> bool {
        self.of(guest).join(name.as_str()).join("pinned").exists()
    }

    /// Keeps it whatever the rule says, or no longer.
    ///
    /// # Errors
    /// There is no such generation, or the disk does not do what it should.
    pub fn pin(&self, guest: &GuestName, name: &GenerationName, on: bool) -> io::Result<()> {
        let folder = self.of(guest).join(name.as_str());
        let pinned = folder.join("pinned");
        match on {
            true => File::create(pinned)?.sync_all()?,
            false if pinned.exists() => fs::remove_file(pinned)?,
            false => {}
        }
        File::open(folder)?.sync_all()
    }

    /// Removes the folder of a generation, whatever is left of it. Its tree goes first: until it is gone, the folder says
    /// what it is.
    pub(crate) fn remove(&self, folder: &Path) -> io::Result<()> {
        let kind = Generation::read(folder)
            .ok()
            .and_then(|read| read.tree.parse().ok());
        kind.unwrap_or(self.kind).remove(&folder.join("tree"), None)?;
        fs::remove_dir_all(folder)
    }

    /// Reads every byte of a generation, and says what is not as its manifest says; at most so many.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn verify(
        &self,
        guest: &GuestName,
        name: &GenerationName,
        most: usize,
    ) -> io::Result<Vec<Difference>> {
        let folder = self.of(guest).join(name.as_str());
        let generation = Generation::read(&folder)?;
        let manifest = Manifest::read(&folder.join("manifest"), &generation.manifest)?;
        manifest.verify(&generation.open(&folder)?, most, &mut |_| {})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "20261127T023000000Z-1f2e3d4c";
    const NEW: &str = "20261128T023000000Z-1f2e3d4c";

    /// Two generations of ldap, each with an empty manifest and a file in its tree.
    fn kept() -> (tempfile::TempDir, Generations) {
        let folder = tempfile::tempdir().unwrap();
        for name in [OLD, NEW] {
            let at = folder.path().join("ldap").join(name);
            fs::create_dir_all(at.join("tree")).unwrap();
            fs::write(at.join("tree/file"), "text").unwrap();
            fs::write(at.join("manifest"), "").unwrap();
            generation().write(&at).unwrap();
        }
        let generations = Generations {
            folder: folder.path().to_owned(),
            kind: TreeKind::Folder,
        };
        (folder, generations)
    }

    /// As it was written before there was anything else.
    fn generation() -> Generation {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/generations/ldap/");
        Generation::read(&Path::new(folder).join(NEW)).unwrap()
    }

    #[test]
    fn what_nobody_wrote_down_was_a_picture_that_stood_still() {
        assert!(generation().crash_consistent);
    }

    #[test]
    fn the_newest_that_is_whole_is_chosen_unless_another_one_is_asked_for() {
        let (_folder, all) = kept();
        let (guest, old, new) = (
            "ldap".parse().unwrap(),
            OLD.parse().unwrap(),
            NEW.parse().unwrap(),
        );
        let chosen = |asked: Option<&GenerationName>| all.choose(&guest, asked).map(|(name, _)| name);
        assert_eq!(chosen(None).unwrap(), new);
        assert_eq!(chosen(Some(&old)).unwrap(), old);
        all.mark_damaged(&guest, &new).unwrap();
        assert_eq!(chosen(None).unwrap(), old);
        let refused = chosen(Some(&new)).unwrap_err().to_string();
        assert!(
            refused.contains("not as it was sealed") && refused.contains(OLD),
            "{refused}"
        );
        fs::write(all.of(&guest).join(OLD).join("manifest"), "damaged").unwrap();
        let refused = chosen(Some(&old)).unwrap_err().to_string();
        assert!(refused.contains("its manifest is damaged"), "{refused}");
        assert_eq!(all.newest(&guest).unwrap().0, old);
        let elsewhere = Generations {
            kind: TreeKind::Subvolume,
            ..all
        };
        assert!(elsewhere.newest(&guest).is_none());
    }

    #[test]
    fn what_is_pinned_is_kept_until_it_is_not() {
        let (_folder, all) = kept();
        let (guest, old) = ("ldap".parse().unwrap(), OLD.parse().unwrap());
        let keep = "1d".parse().unwrap();
        for _ in 0..2 {
            all.pin(&guest, &old, true).unwrap();
            assert!(all.is_pinned(&guest, &old) && all.doomed(&guest, &keep).is_empty());
        }
        for _ in 0..2 {
            all.pin(&guest, &old, false).unwrap();
            assert!(!all.is_pinned(&guest, &old));
            assert_eq!(all.doomed(&guest, &keep), std::slice::from_ref(&old));
        }
    }

    #[test]
    fn a_generation_goes_with_its_tree_and_half_of_one_goes_too() {
        let (_folder, all) = kept();
        let at = all.folder.join("ldap");
        all.remove(&at.join(OLD)).unwrap();
        fs::remove_dir_all(at.join(NEW).join("tree")).unwrap();
        fs::remove_file(at.join(NEW).join("generation.json")).unwrap();
        all.remove(&at.join(NEW)).unwrap();
        assert_eq!(fs::read_dir(at).unwrap().count(), 0);
    }

    #[test]
    fn every_kind_of_tree_is_read_as_it_is_written() {
        for kind in [
            TreeKind::Folder,
            TreeKind::Subvolume,
            TreeKind::Volume,
            TreeKind::ThinVolume,
        ] {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        "zfs".parse::<TreeKind>().unwrap_err();
    }
}
