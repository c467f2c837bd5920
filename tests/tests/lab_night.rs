//! A night of consolidation on real hosts: twelve guests, hot and cold, large and small, while one host is cut off in the
//! middle, the master's disk is full for a while, and the master is killed three times. In the morning every guest that
//! could be copied is, whoever could not says why, and nothing else has changed.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use serde_json::Value;
use vsjob_tests::full_disk;
use vsjob_tests::guests::same_here;
use vsjob_tests::lab::Template;
use vsjob_tests::lab_pool;
use vsjob_tests::site::{Site, answers, until};
use vsjob_tests::tree::Tree;
use vsjob_tests::{figures, guests};

const GUESTS: usize = 12;
/// Of the first guest of each host; the others have next to nothing.
const BLOB: usize = 48 << 20;

fn name(number: usize) -> String {
    format!("g{number:02}")
}

fn address(number: usize) -> String {
    format!("10.77.1.{}", 100 + number)
}

/// In turn; the first is on the first.
fn host(number: usize) -> String {
    format!("vsh-0{}", (number - 1) % 3 + 1)
}

/// Every second guest is backed up cold, the first one hot.
fn backup_conf() -> String {
    let mode = |number| if number % 2 == 0 { "cold" } else { "hot" };
    let line = |number| format!("{}:{},keep=7d\n", name(number), mode(number));
    (1..=GUESTS).map(line).collect()
}

fn evening() -> anyhow::Result<Option<Site>> {
    let site = Site::prepared(
        3,
        |_| ",bwlimit=2m",
        |lab, program| {
            std::fs::create_dir(program.state())?;
            lab.small_disk("600M", &program.state())?;
            Ok(std::fs::write(
                program.folder().join("backup.conf"),
                backup_conf(),
            )?)
        },
    )?;
    let Some(site) = site else { return Ok(None) };
    let large = Tree::of(Template::Tiny)?;
    large.random_file("var/lib/data/blob", BLOB, &mut fastrand::Rng::with_seed(7))?;
    site.template("large", &large.archive()?)?;
    site.template("tiny", &Template::Tiny.archive()?)?;
    for number in 1..=GUESTS {
        let template = if number <= 3 { "large" } else { "tiny" };
        site.guest(&name(number), &address(number), &host(number), template)?;
    }
    Ok(Some(site))
}

/// The backups of single guests, by guest, each as it is now.
fn backups(site: &Site) -> anyhow::Result<BTreeMap<String, Value>> {
    let all = site
        .vsjob(&["status", "--all", "--json", "--limit", "10000"])?
        .json()?;
    let mut jobs = BTreeMap::new();
    for job in all["jobs"].as_array().context("no jobs")? {
        let title = job["title"].as_str().unwrap_or_default();
        if let Some(rest) = title.strip_prefix("back up ") {
            let guest = rest.split(' ').next().unwrap_or_default();
            jobs.insert(guest.to_owned(), job.clone());
        }
    }
    Ok(jobs)
}

fn received(site: &Site, guest: &str) -> anyhow::Result<u64> {
    let jobs = backups(site)?;
    let id = jobs.get(guest).and_then(|job| job["job"].as_str());
    let job = site.job(id.context("it has no job")?)?;
    Ok(job["progress"]["bytes"].as_u64().unwrap_or_default())
}

fn generations(site: &Site) -> anyhow::Result<BTreeMap<String, String>> {
    let list = site.vsjob(&["generation", "list", "--json"])?.json()?;
    let all = list["generations"].as_array().context("no list")?.iter();
    let one = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    Ok(all
        .map(|line| (one(line, "guest"), one(line, "generation")))
        .collect())
}

/// Each of these generations can be read to its last byte, and is the guest that still runs.
fn are_their_guests(site: &Site, generations: &BTreeMap<String, String>) -> anyhow::Result<()> {
    for (guest, generation) in generations {
        site.vsjob(&["generation", "verify", "--name", guest, generation])?
            .ok()?;
        let number: usize = guest[1..].parse()?;
        let there = lab_pool::host(&site.lab, &host(number))?;
        let copy = tempfile::tempdir()?;
        let reference = copy.path().join("tree");
        guests::take(&*there, &format!("var/lib/machines/{guest}"), &reference)?;
        let tree = site
            .program
            .state()
            .join("generations")
            .join(guest)
            .join(generation);
        same_here(&reference, &tree.join("tree")).with_context(|| guest.clone())?;
        answers(&address(number), guest)?;
    }
    Ok(())
}

#[test]
fn after_a_night_in_which_much_goes_wrong_each_guest_is_copied_or_it_is_known_why_not() -> anyhow::Result<()>
{
    let Some(mut site) = evening()? else { return Ok(()) };
    let before = site.footprint()?;
    let batch = site.submit(&["backup", "--all"])?;
    until("all are under way", || Ok(backups(&site)?.len() == GUESTS))?;
    let on_second = |guest: &str| (1..=GUESTS).any(|n| name(n) == guest && host(n) == "vsh-02");

    until("the large guest of the second host comes", || {
        Ok(received(&site, "g02")? > 1 << 20)
    })?;
    site.lab.cut("vsh-02")?;
    site.kill_master()?;
    site.start_master()?;
    until(
        "that of the first comes",
        || Ok(received(&site, "g01")? > 1 << 20),
    )?;
    full_disk::fill(&site.program.state(), 0)?;
    let failed = |job: &Value| job["over"] == true && job["state"] != "succeeded";
    until("somebody has no room", || {
        Ok(backups(&site)?.values().any(failed))
    })?;
    site.kill_master()?;
    full_disk::make_room(&site.program.state())?;
    site.start_master()?;
    until("most have a generation", || Ok(generations(&site)?.len() >= 4))?;
    site.kill_master()?;
    site.start_master()?;
    until("whoever can be reached is through", || {
        Ok(backups(&site)?
            .iter()
            .all(|(guest, job)| on_second(guest) || job["over"] == true))
    })?;

    // The morning: somebody sees that the second host is away, and takes back what waits for it.
    let night = generations(&site)?;
    for (guest, job) in backups(&site)? {
        if job["over"] == true {
            let done = job["state"] == "succeeded";
            ensure!(done == night.contains_key(&guest), "{guest}: {job}");
            let why = job["why"]["code"].as_str().unwrap_or_default();
            ensure!(done || why.starts_with("VSJ"), "{job}");
        } else {
            ensure!(on_second(&guest), "{job}");
            // One that has sealed its generation only waits to clean up there.
            let id = job["job"].as_str().context("no id")?;
            let said = site.vsjob(&["cancel", id, "--reason", "vsh-02 is away"])?;
            let is_sealed = generations(&site)?.contains_key(&guest) && said.err.contains("VSJ0004");
            ensure!(said.status.success() || is_sealed, "{guest}: {said:?}");
        }
    }
    site.lab.heal("vsh-02")?;
    until("the batch is over", || Ok(site.job(&batch)?["over"] == true))?;
    let told = site.vsjob(&["status", &batch])?.ok()?;
    ensure!(site.job(&batch)?["state"] == "partly done", "{told}");
    let no_room = |job: &Value| failed(job) && job["why"]["code"] == "VSJ0495";
    ensure!(backups(&site)?.values().any(no_room), "{told}");
    ensure!(night.len() >= GUESTS / 2, "only {night:?}: {told}");
    are_their_guests(&site, &night)?;

    // With all well again the same line does what is left.
    site.vsjob(&["submit", "backup", "--all", "--wait"])?.ok()?;
    let all = generations(&site)?;
    ensure!(all.len() == GUESTS, "{all:?}");
    are_their_guests(&site, &all)?;
    figures::tell(format_args!(
        "a night: {} of {GUESTS} guests copied although a host was cut off, the disk was full and the master died three \
         times; in the morning the others",
        night.len()
    ));
    site.is_as_before(&before)?;
    site.is_in_order()
}
