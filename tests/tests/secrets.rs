//! The key of a job is known to root on its source alone, as long as the job lasts: whatever the master writes, says or
//! keeps, and whatever else is on a host, does not have it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use vsjob_tests::hosts::World as _;
use vsjob_tests::house::House;

/// It asks when the key has done most of its work, and waits for the answer.
const MOVE: [&str; 6] = [
    "submit",
    "move",
    "--name=ldap",
    "--dst=vsh-02",
    "--max-downtime=1ms",
    "--on-budget=ask",
];

/// The files below `folder` that have `secret` in them.
fn files_with(secret: &[u8], folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            found.extend(files_with(secret, &path)?);
        } else if kind.is_file() && fs::read(&path)?.windows(secret.len()).any(|part| part == secret) {
            found.push(path);
        }
    }
    Ok(found)
}

fn mode(path: &Path) -> anyhow::Result<u32> {
    let found = fs::metadata(path).with_context(|| path.display().to_string())?;
    Ok(found.permissions().mode() & 0o777)
}

/// A move that asks, its answer, and how it ends.
fn a_move_keeps_its_key_to_itself(answer: &str, end: &str) -> anyhow::Result<()> {
    let house = House::new()?;
    let run = |args: &[&str]| house.program.run(args)?.ok();
    let master = house.program.master()?;
    run(&["guest", "adopt"])?;
    let plan = run(&[&MOVE[..], &["--plan", "-v"]].concat())?;
    let id = run(&MOVE)?;
    house.until(&id, |job| !job["question"].is_null())?;

    // The hosts know a job by the end of its id.
    let short = &id[id.len() - 8..];
    let jobs = house.paper.paper_host(1).root.join("var/lib/vsjob/jobs");
    let folder = jobs.join(short);
    let file = folder.join("key");
    ensure!(mode(&folder)? == 0o700 && mode(&file)? == 0o600);
    let key = fs::read_to_string(&file)?;
    // The last whole line of its body: it has the secret half.
    let secret = key.lines().rev().nth(2).context("no key")?;
    ensure!(secret.len() == 70, "{} letters", secret.len());
    ensure!(files_with(secret.as_bytes(), house.paper.folder())? == [file]);

    run(&["answer", &id, answer])?;
    let job = house.ended(&id)?;
    ensure!(job["state"] == end, "{job}");
    let said = [
        plan,
        job.to_string(),
        run(&["status", &id])?,
        run(&["logs", &id])?,
        run(&["logs", &id, "--json"])?,
        run(&["gc"])?,
    ];
    ensure!(!said.concat().contains(secret));
    ensure!(master.stop()?.success());
    for place in [house.paper.folder(), house.program.folder()] {
        let found = files_with(secret.as_bytes(), place)?;
        ensure!(found.is_empty(), "{found:?}");
    }
    let allowed = house.paper.paper_host(2).root.join("root/.ssh/authorized_keys");
    ensure!(!fs::read_to_string(allowed)?.contains("vsjob-"));
    Ok(())
}

#[test]
fn the_key_of_a_job_is_on_its_source_alone_and_gone_when_the_job_is_done_or_taken_back() -> anyhow::Result<()>
{
    a_move_keeps_its_key_to_itself("yes", "succeeded")?;
    a_move_keeps_its_key_to_itself("no", "rolled back")
}
