//! A guest of a real host is copied onto the master: over SSH, from a snapshot of its btrfs, hot and cold.

use std::path::Path;

use anyhow::{Context, ensure};
use serde_json::Value;
use vsjob_tests::figures;
use vsjob_tests::site::{ADDRESS, Site, answers, until};

const BLOB: usize = 64 << 20;

fn output<'a>(job: &'a Value, key: &str) -> anyhow::Result<&'a str> {
    let mut steps = job["plan"].as_array().context("no plan")?.iter();
    steps
        .find_map(|step| step["outputs"][key].as_str())
        .with_context(|| format!("no step answered `{key}`"))
}

/// Every file by kind, mode, owner, size, time and content, but for what the guest's own init rewrites.
fn listing(folder: &str) -> String {
    format!(
        "cd '{folder}' && find . -mindepth 1 ! -name alive -printf '%p %y %m %U:%G %T@ %l\\n' | sort | grep -v ' d ' &&
         find . -type f ! -name alive -exec sha256sum {{}} + | sort -k 2"
    )
}

fn here(script: &str) -> anyhow::Result<String> {
    let output = std::process::Command::new("sh").args(["-c", script]).output()?;
    ensure!(output.status.success(), "{output:?}");
    Ok(String::from_utf8(output.stdout)?)
}

fn newest(site: &Site) -> anyhow::Result<(String, Value)> {
    let list = site.vsjob(&["generation", "list", "--json"])?.json()?;
    let last = list["generations"]
        .as_array()
        .and_then(|all| all.last())
        .context("none")?;
    Ok((
        last["generation"].as_str().context("no name")?.to_owned(),
        last["facts"].clone(),
    ))
}

#[test]
fn a_guest_is_consolidated_over_ssh_through_deaths_of_the_master_and_again_for_next_to_nothing()
-> anyhow::Result<()> {
    let Some(mut site) = Site::with_slow_guest(BLOB)? else {
        return Ok(());
    };
    let folder = site.program.state().join("generations/web");
    let id = site.submit(&["backup", "--name", "web"])?;
    for part in [8, 32] {
        until("a part of it was received", || {
            let job = site.job(&id)?;
            ensure!(
                job["over"] != true,
                "it is over: {}",
                site.vsjob(&["logs", &id])?.out
            );
            let bytes = job["progress"]["bytes"].as_u64().unwrap_or_default();
            Ok(bytes > part << 20)
        })?;
        site.kill_master()?;
        site.start_master()?;
    }
    let job = site.succeeds(&id)?;
    let received: u64 = output(&job, "received")?.parse()?;
    ensure!(received < 40 << 20, "{received} bytes came after 32 MB had come");
    let (name, facts) = newest(&site)?;
    let tree = folder.join(&name).join("tree");
    is_the_guest(&site, &tree)?;
    answers(ADDRESS, "web")?;

    let second = site.succeeds(&site.submit(&["backup", "--name", "web", "--cold"])?)?;
    let again: u64 = output(&second, "received")?.parse()?;
    ensure!(
        again < 200_000,
        "{again} bytes came for a guest that did not change"
    );
    let down = output(&second, "down")?;
    let (cold, _) = newest(&site)?;
    ensure!(cold != name && facts["host"] == "vsh-01", "{facts}");
    is_the_guest(&site, &folder.join(&cold).join("tree"))?;
    site.vsjob(&["generation", "verify", "--name=web", &cold])?.ok()?;
    answers(ADDRESS, "web")?;
    figures::tell(format_args!(
        "a guest of {} MB, its master killed twice meanwhile: {received} bytes in the last attempt, {again} the next time; cold it stood still for {down} ms",
        BLOB >> 20
    ));
    site.is_in_order()
}

fn is_the_guest(site: &Site, tree: &Path) -> anyhow::Result<()> {
    let there = site.lab.run("vsh-01", &listing("/var/lib/machines/web"))?;
    let copied = here(&listing(&tree.display().to_string()))?;
    let differ = there
        .lines()
        .filter(|line| !copied.lines().any(|other| other == *line));
    let differ: Vec<&str> = differ.take(9).collect();
    ensure!(differ.is_empty() && there.lines().count() > 5, "{differ:?}");
    Ok(())
}
