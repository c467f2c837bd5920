//! A consolidation over the network of a lab, beside a plain `rsync` of the same guest over the same line: the first time,
//! and again when nothing has changed. `cargo build --release && cargo bench -p vsjob-tests --bench consolidation`; needs root
//! and a lab.
//!
//! What is timed of ours is all of it: the job, the snapshot, the manifest with its checksums, and what makes the
//! generation durable. `rsync` is called again as who keeps no generations calls it, and with `--link-dest`, as who keeps
//! them does. They are measured in turns, and only ratios are claims. All write to memory: a disk takes now half, now thrice
//! the time, and tells nothing of either.

use std::io::{Stdout, Write};
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

fn main() -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    let folder = tempfile::tempdir()?;
    let memory = Mounted::in_memory(folder.path(), 8192)?;
    let settings = format!("[generations]\nfolder = \"{}\"\n", folder.path().display());
    let site = Site::prepared(2, |_| "", |_, program| program.set(&settings))?;
    let (Some(site), Some(_)) = (site, memory.as_ref()) else {
        writeln!(out, "there can be no lab here: nothing was measured")?;
        return Ok(());
    };
    site.template("tiny", &Template::Tiny.archive()?)?;
    site.guest("web", ADDRESS, "vsh-01", "tiny")?;
    for files in FILES {
        fill(&site, files)?;
        measure(&mut out, &site, folder.path(), files)?;
    }
    Ok(())
}

fn measure(out: &mut Stdout, site: &Site, folder: &Path, files: usize) -> anyhow::Result<()> {
    let (plain, generations) = (tempfile::tempdir_in(folder)?, folder.join("web"));
    let [mut ours, mut once, mut ours_again, mut again, mut linked]: [Vec<f64>; 5] = Default::default();
    for _ in 0..ROUNDS {
        let (to, next) = (plain.path().join("1"), plain.path().join("2"));
        once.push(timed(|| rsync(site, &to, &[]))?);
        ours.push(timed(|| consolidation(site))?);
        again.push(timed(|| rsync(site, &to, &[]))?);
        linked.push(timed(|| {
            rsync(site, &next, &[format!("--link-dest={}", to.display())])
        })?);
        ours_again.push(timed(|| consolidation(site))?);
        std::fs::remove_dir_all(&to)?;
        std::fs::remove_dir_all(&next)?;
        std::fs::remove_dir_all(&generations)?;
    }
    writeln!(
        out,
        "a guest of {files} files, {} MB; {ROUNDS} rounds, medians",
        files / 50
    )?;
    compare(out, "the first time", ours, [("rsync", once)])?;
    let others = [("rsync", again), ("rsync --link-dest", linked)];
    compare(out, "again, unchanged", ours_again, others)
}
