//! A consolidation over the network of a lab, beside a plain `rsync` of the same guest over the same line: the first time,
//! and again when nothing has changed. `cargo bench -p vsjob-tests --bench consolidation`; needs root and a lab.
//!
//! What is timed of ours is all of it: the job, the snapshot, the manifest with its checksums, and what makes the
//! generation durable. `rsync` is timed alone, and with the `sync` that it leaves out. They are measured in turns, and only
//! ratios are claims.

use std::io::{Stdout, Write};
use std::path::Path;
use std::process::Command;

use anyhow::ensure;
use vsjob_engine::{Clock, SystemClock};
use vsjob_tests::site::Site;

const ROUNDS: usize = 5;
/// 10,000 files of 20 kB.
const FILL: &str = "mkdir -p /var/lib/machines/web/var/lib/data && cd /var/lib/machines/web/var/lib/data &&
     head -c 200000000 /dev/urandom | split -b 20000 -a 4 - file. && sync -f .";

fn timed(what: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<f64> {
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

fn rsync(site: &Site, to: &Path) -> anyhow::Result<()> {
    let shell = format!("ssh -F {}", site.lab.ssh_config().display());
    let options = ["-aHAXS", "--numeric-ids", "--delete", "-e", &shell];
    succeeds(
        Command::new("rsync")
            .args(options)
            .arg("vsh-01:/var/lib/machines/web/")
            .arg(to),
    )
}

fn sync(folder: &Path) -> anyhow::Result<()> {
    succeeds(Command::new("sync").arg("-f").arg(folder))
}

fn consolidation(site: &Site) -> anyhow::Result<()> {
    site.vsjob(&["submit", "backup", "--name=web", "--wait"])?.ok()?;
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
    let Some(site) = Site::with_guest()? else {
        writeln!(out, "there can be no lab here: nothing was measured")?;
        return Ok(());
    };
    site.lab.run("vsh-01", FILL)?;
    let plain = tempfile::tempdir_in(site.program.state())?;
    let generations = site.program.state().join("generations/web");
    let mut columns: [Vec<f64>; 6] = Default::default();
    for round in 0..ROUNDS {
        let to = plain.path().join(round.to_string());
        for (again, first) in [(0, true), (3, false)] {
            columns[again].push(timed(|| rsync(&site, &to))?);
            columns[again + 1].push(timed(|| sync(&to))?);
            if first && generations.exists() {
                std::fs::remove_dir_all(&generations)?;
            }
            columns[again + 2].push(timed(|| consolidation(&site))?);
        }
        std::fs::remove_dir_all(&to)?;
        // What was removed goes to the disk on nobody's account.
        sync(plain.path())?;
    }
    writeln!(out, "a guest of 10,000 files, 200 MB; {ROUNDS} rounds, medians")?;
    let [one, one_sync, ours, again, again_sync, ours_again] = columns;
    for (time, rsync, sync, ours) in [
        ("the first time", one, one_sync, ours),
        ("again, unchanged", again, again_sync, ours_again),
    ] {
        let synced = std::iter::zip(&rsync, &sync)
            .map(|(copy, sync)| copy + sync)
            .collect();
        let rsync = tell(&mut out, &format!("{time}: rsync"), rsync)?;
        let synced = tell(&mut out, &format!("{time}: rsync, sync"), synced)?;
        let ours = tell(&mut out, &format!("{time}: consolidation"), ours)?;
        let (bare, synced) = (ours / rsync, ours / synced);
        writeln!(out, "{time}: {bare:.2} of rsync, {synced:.2} of rsync and sync")?;
    }
    Ok(())
}
