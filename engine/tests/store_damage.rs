//! Every file of the store is cut short, flipped, removed, doubled over another one and swapped with it: what was acknowledged is
//! kept or refused, with its place, and never silently different.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "all of it is a test")]

mod store_model;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use store_model::{Wrong, batch, catch_up, check_frames, check_index, folder, puts};
use vsjob_engine::store::{Local, LocalOptions, Purpose, Store, StoreError};

/// Acknowledged in each store.
const FRAMES: u64 = 130;

fn options() -> LocalOptions {
    LocalOptions {
        segment_size: 8 << 10,
        reserve: 0,
        min_free: 0,
        snapshot_every: 4 << 10,
        ..LocalOptions::default()
    }
}

/// A closed store with [`FRAMES`] frames in several segments, of which the index knows the first `indexed`.
fn store(directory: &Path, indexed: u64) {
    let mut store = Local::open(directory, options()).unwrap().store;
    while store.head().sequence < FRAMES {
        let before = store.head();
        let count = (before.sequence % 4 + 1).min(FRAMES - before.sequence);
        let head = store.append(&batch(before, count), Purpose::NewWork).unwrap();
        if head.sequence <= indexed {
            store.index(
                head,
                (before.sequence + 1..=head.sequence).flat_map(puts).collect(),
            );
            // Each snapshot that is due is written, and what lies before two of them archived.
            store.flush().unwrap();
        }
    }
    store.flush().unwrap();
    assert!(indexed < FRAMES || directory.join("archive").is_dir());
}

/// What became of a damaged store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Kept,
    Repaired,
    Rebuilt,
    RefusedToOpen,
    RefusedToRead,
}

fn fate(directory: &Path, accept_loss: bool) -> Result<Fate, Wrong> {
    let options = LocalOptions {
        accept_loss,
        ..options()
    };
    let opened = match Local::open(directory, options.clone()) {
        Ok(opened) => opened,
        Err(error) => return is_precise(error).map(|()| Fate::RefusedToOpen),
    };
    let mut store = opened.store;
    let checked = catch_up(&mut store, opened.indexed)
        .and_then(|()| check_index(&*store.reader(), store.head()))
        .and_then(|()| {
            if accept_loss {
                Ok(())
            } else {
                check_frames(&*store.reader(), FRAMES)
            }
        });
    match checked {
        Ok(()) if opened.warnings.is_empty() => Ok(Fate::Kept),
        Ok(()) => Ok(Fate::Repaired),
        Err(Wrong::Refused(StoreError::Index { .. })) => {
            drop(store);
            after_a_failed_index(directory, options)
        }
        Err(Wrong::Refused(error)) => is_precise(error).map(|()| Fate::RefusedToRead),
        Err(silently) => Err(silently),
    }
}

/// An index that failed while it was used is rebuilt at the next opening.
fn after_a_failed_index(directory: &Path, options: LocalOptions) -> Result<Fate, Wrong> {
    let opened = Local::open(directory, options).map_err(Wrong::Refused)?;
    let codes: Vec<_> = opened.warnings.iter().map(|warning| warning.code).collect();
    assert_eq!(codes, ["VSJ0120"]);
    let mut store = opened.store;
    catch_up(&mut store, opened.indexed)?;
    check_index(&*store.reader(), store.head())?;
    Ok(Fate::Rebuilt)
}

/// A refusal names a file, or the frame that is missing.
fn is_precise(error: StoreError) -> Result<(), Wrong> {
    match error {
        StoreError::Damaged(_)
        | StoreError::Missing { .. }
        | StoreError::Diverged { .. }
        | StoreError::Absent { .. }
        | StoreError::Foreign { .. } => Ok(()),
        other => Err(Wrong::Silently(format!("an unexpected error: {other}"))),
    }
}

#[derive(Clone, Debug)]
enum Damage {
    CutTo(u64),
    Flip(u64, u8),
    Zero(u64),
    Remove,
    /// Another file is in its place, too.
    Doubled(PathBuf),
    Swapped(PathBuf),
}

fn inflict(damage: &Damage, file: &Path) {
    let change = |act: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = fs::read(file).unwrap();
        act(&mut bytes);
        fs::write(file, bytes).unwrap();
    };
    let at = |offset: u64| usize::try_from(offset).unwrap();
    match damage {
        Damage::CutTo(length) => change(&|bytes| bytes.truncate(at(*length))),
        Damage::Flip(offset, bit) => change(&|bytes| bytes[at(*offset)] ^= 1 << bit),
        Damage::Zero(offset) => {
            change(&|bytes| bytes.iter_mut().skip(at(*offset)).take(512).for_each(|b| *b = 0))
        }
        Damage::Remove => fs::remove_file(file).unwrap(),
        Damage::Doubled(other) => change(&|bytes| *bytes = fs::read(other).unwrap()),
        Damage::Swapped(other) => {
            let aside = file.with_extension("aside");
            for (from, to) in [(file, &*aside), (other, file), (&*aside, other)] {
                fs::rename(from, to).unwrap();
            }
        }
    }
}

/// Removal, and `count` each of cuts, flips and zeroed sectors where something was written.
fn damages(file: &Path, count: u64, random: &mut fastrand::Rng) -> Vec<Damage> {
    let bytes = fs::read(file).unwrap();
    let written: Vec<u64> = (0..)
        .zip(&bytes)
        .filter(|(_, byte)| **byte != 0)
        .map(|(at, _)| at)
        .collect();
    let mut damages = vec![Damage::Remove, Damage::CutTo(0)];
    if let (Some(&first), Some(&last)) = (written.first(), written.last()) {
        damages.extend([first, last].map(|at| Damage::Flip(at, 0)));
        damages.extend([last, last + 1].map(Damage::CutTo));
    }
    for _ in 0..count {
        if let Some(&at) = random.choice(&written) {
            damages.extend([
                Damage::CutTo(at),
                Damage::Flip(at, random.u8(..8)),
                Damage::Zero(at / 512 * 512),
            ]);
        }
    }
    damages.push(Damage::Flip(random.u64(..bytes.len().max(1) as u64), 0));
    damages.retain(|damage| !matches!(damage, Damage::Flip(at, _) if *at >= bytes.len() as u64));
    damages
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(file, target).unwrap();
    }
    fs::create_dir_all(to.join("index/blobs")).unwrap();
}

/// Damages each file of a store whose index knows `indexed` frames, in many ways, one at a time.
fn damage_everything(indexed: u64, count: u64, accept_loss: bool) -> BTreeMap<Fate, u32> {
    let folder = folder();
    let [original, damaged] = ["original", "damaged"].map(|name| folder.path().join(name));
    store(&original, indexed);
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut fates = BTreeMap::new();
    let mut silent = Vec::new();
    let files = files(&original);
    let names = || files.iter().map(|file| file.strip_prefix(&original).unwrap());
    for (file, name) in files.iter().zip(names()) {
        let mixed = names().filter(|other| *other != name).flat_map(|other| {
            let at = damaged.join(other);
            // Swapped with each other, each pair once.
            let swapped = (other > name).then(|| Damage::Swapped(at.clone()));
            swapped.into_iter().chain([Damage::Doubled(at)])
        });
        for damage in damages(file, count, &mut random).into_iter().chain(mixed) {
            // The last batch with a zeroed sector is what a crash leaves of one that was never acknowledged; only the
            // index could tell.
            if matches!(damage, Damage::Zero(_)) && indexed < FRAMES {
                continue;
            }
            copy(&original, &damaged);
            inflict(&damage, &damaged.join(name));
            match fate(&damaged, accept_loss) {
                Ok(fate) => *fates.entry(fate).or_default() += 1,
                Err(wrong) => silent.push(format!("{} {damage:?}: {wrong}", name.display())),
            }
            fs::remove_dir_all(&damaged).unwrap();
        }
    }
    assert!(
        silent.is_empty(),
        "seed {seed}: {}\n{}",
        silent.len(),
        silent.join("\n")
    );
    fates
}

#[test]
fn no_damage_to_a_store_that_was_closed_is_silent() {
    println!("{:?}", damage_everything(FRAMES, 30, false));
}

#[test]
fn no_damage_to_a_store_whose_index_lags_is_silent() {
    println!("{:?}", damage_everything(FRAMES / 3, 40, false));
}

#[test]
fn with_an_accepted_loss_every_damaged_journal_opens_with_a_true_beginning() {
    let fates = damage_everything(FRAMES, 20, true);
    assert!(!fates.contains_key(&Fate::RefusedToRead), "{fates:?}");
    assert!(!fates.contains_key(&Fate::RefusedToOpen), "{fates:?}");
    println!("{fates:?}");
}
