//! A consolidation over the network of a lab, beside a plain `rsync` of the same guest over the same line: the first time,
//! and again when nothing has changed. `cargo build --release && cargo bench -p vsjob-tests --bench consolidation`; needs root
//! and a lab.
//!
//! What is timed of ours is all of it: the job, the snapshot, the manifest with its checksums, and what makes the
//! generation durable. `rsync` is called again as who keeps no generations calls it, and as who keeps them does: with
//! `--link-dest`, or, where generations are subvolumes of a btrfs, into a snapshot of the last one. They are measured in turns,
//! and only ratios are claims. All write to memory: a disk takes now half, now thrice the time, and tells nothing of either.

use std::io::{Stdout, Write};
use std::panic::resume_unwind;
use std::path::Path;
use std::process::Command;

use anyhow::ensure;
use vsjob_engine::{Clock, SystemClock};
use vsjob_tests::lab::Template;
use vsjob_tests::mounted::Mounted;
use vsjob_tests::site::{ADDRESS, Site};

const ROUNDS: usize = 5;
/// How many files the guest has, of 20 kB each: first this many, then more.
const FILES: [usize; 2] = [10_000, 50_000];

/// Gives the guest so many files in all.
fn fill(site: &Site, files: usize) -> anyhow::Result<()> {
    let bytes = files * 20_000;
    let text = format!(
        "mkdir -p /var/lib/machines/web/var/lib/data && cd /var/lib/machines/web/var/lib/data &&
         head -c {bytes} /dev/urandom | split -b 20000 -a 5 - file. && sync -f ."
    );
    site.lab.run("vsh-01", &text).map(drop)
}

/// Times it with nothing in the caches, as at night: a snapshot shares none with the tree that it was taken of.
fn timed(what: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    succeeds(&mut Command::new("sync"))?;
    std::fs::write("/proc/sys/vm/drop_caches", "3")?;
    let clock = SystemClock;
    let begin = clock.moment().steady;
    what()?;
    Ok((clock.moment().steady - begin).as_secs_f64())
}

fn succeeds(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output()?;
    ensure!(output.status.success(), "{command:?}: {output:?}");
    Ok(())
}

fn rsync(site: &Site, to: &Path, more: &[String]) -> anyhow::Result<()> {
    let shell = format!("ssh -F {}", site.lab.ssh_config().display());
    let options = ["-aHAXS", "--numeric-ids", "--delete", "-e", &shell];
    succeeds(
        Command::new("rsync")
            .args(options)
            .args(more)
            .arg("vsh-01:/var/lib/machines/web/")
            .arg(to),
    )
}

fn consolidation(site: &Site) -> anyhow::Result<()> {
    site.vsjob(&["submit", "backup", "--name=web", "--wait"])?.ok()?;
    Ok(())
}

/// Tells how long ours took, and the others, and how many times as long ours did.
fn compare<const N: usize>(
    out: &mut Stdout,
    time: &str,
    ours: Vec<f64>,
    others: [(&str, Vec<f64>); N],
) -> anyhow::Result<()> {
    writeln!(out, "{time}")?;
    let ours = tell(out, "  consolidation", ours)?;
    for (name, seconds) in others {
        let other = tell(out, &format!("  {name}"), seconds)?;
        writeln!(out, "    {:.2} of it", ours / other)?;
    }
    Ok(())
}

/// Tells the median of all rounds, with the least and the most, and answers it.
fn tell(out: &mut Stdout, name: &str, mut seconds: Vec<f64>) -> anyhow::Result<f64> {
    seconds.sort_by(f64::total_cmp);
    let median = seconds[seconds.len() / 2];
    writeln!(
        out,
        "{name:<34} {median:>7.2} s   ({:.2} to {:.2})",
        seconds[0],
        seconds[seconds.len() - 1]
    )?;
    Ok(median)
}

/// How trees are kept.
#[derive(Clone, Copy)]
enum Kind {
    Folder,
    Btrfs,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Folder => "dir",
            Self::Btrfs => "btrfs",
        }
    }

    /// Mounts a file system for such trees, and the memory that it is in.
    fn mounted(self, folder: &Path) -> anyhow::Result<Option<(Mounted, Mounted)>> {
        let memory = Mounted::in_memory(folder, 8192)?;
        let kept = folder.join("kept");
        let on_it = match self {
            Self::Folder => Mounted::in_memory(&kept, 8192)?,
            Self::Btrfs => Mounted::btrfs(&kept, &folder.join("image"), 8000)?,
        };
        Ok(on_it.zip(memory))
    }

    fn make(self, tree: &Path) -> anyhow::Result<()> {
        match self {
            Self::Folder => Ok(std::fs::create_dir(tree)?),
            Self::Btrfs => succeeds(Command::new("btrfs").args(["subvolume", "create"]).arg(tree)),
        }
    }

    /// Copies the guest beside its last copy, without us.
    fn beside(self, site: &Site, last: &Path, tree: &Path) -> anyhow::Result<()> {
        let mut snapshot = Command::new("btrfs");
        snapshot.args(["subvolume", "snapshot"]).args([last, tree]);
        match self {
            Self::Folder => rsync(site, tree, &[format!("--link-dest={}", last.display())]),
            Self::Btrfs => succeeds(&mut snapshot).and_then(|()| rsync(site, tree, &[])),
        }
    }

    fn called(self) -> &'static str {
        match self {
            Self::Folder => "rsync --link-dest",
            Self::Btrfs => "snapshot and rsync",
        }
    }

    fn remove(self, tree: &Path) -> anyhow::Result<()> {
        match self {
            Self::Folder => Ok(std::fs::remove_dir_all(tree)?),
            Self::Btrfs => succeeds(
                Command::new("btrfs")
                    .args(["subvolume", "delete", "-c"])
                    .arg(tree),
            ),
        }
    }
}

fn main() -> anyhow::Result<()> {
    for kind in [Kind::Folder, Kind::Btrfs] {
        // A thread stays in the network of its lab.
        std::thread::scope(|scope| scope.spawn(|| on(kind)).join())
            .unwrap_or_else(|panic| resume_unwind(panic))?;
    }
    Ok(())
}

fn on(kind: Kind) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    let folder = tempfile::tempdir()?;
    let mounted = kind.mounted(folder.path())?;
    let kept = folder.path().join("kept");
    let settings = format!(
        "[generations]\nfolder = \"{}\"\ntree = \"{}\"\n",
        kept.display(),
        kind.word()
    );
    let site = Site::prepared(2, |_| "", |_, program| program.set(&settings))?;
    let (Some(site), Some(_)) = (site, mounted.as_ref()) else {
        writeln!(out, "there can be no lab here: nothing was measured")?;
        return Ok(());
    };
    site.template("tiny", &Template::Tiny.archive()?)?;
    site.guest("web", ADDRESS, "vsh-01", "tiny")?;
    for files in FILES {
        fill(&site, files)?;
        let (size, kind_of) = (files / 50, kind.word());
        writeln!(
            out,
            "a guest of {files} files, {size} MB, kept on {kind_of}; {ROUNDS} rounds, medians"
        )?;
        measure(&mut out, &site, &kept, kind)?;
    }
    Ok(())
}

fn measure(out: &mut Stdout, site: &Site, kept: &Path, kind: Kind) -> anyhow::Result<()> {
    let [mut ours, mut once, mut ours_again, mut again, mut beside]: [Vec<f64>; 5] = Default::default();
    let (last, next, generations) = (kept.join("1"), kept.join("2"), kept.join("web"));
    for _ in 0..ROUNDS {
        kind.make(&last)?;
        once.push(timed(|| rsync(site, &last, &[]))?);
        ours.push(timed(|| consolidation(site))?);
        again.push(timed(|| rsync(site, &last, &[]))?);
        beside.push(timed(|| kind.beside(site, &last, &next))?);
        ours_again.push(timed(|| consolidation(site))?);
        for generation in std::fs::read_dir(&generations)? {
            kind.remove(&generation?.path().join("tree"))?;
        }
        std::fs::remove_dir_all(&generations)?;
        kind.remove(&last)?;
        kind.remove(&next)?;
    }
    compare(out, "the first time", ours, [("rsync", once)])?;
    let others = [("rsync", again), (kind.called(), beside)];
    compare(out, "again, unchanged", ours_again, others)
}
