//! The master is killed again and again while a guest of 200 MB moves: nothing is sent twice, and the guest is whole.

use anyhow::{Context, ensure};
use serde_json::Value;
use vsjob_tests::figures;
use vsjob_tests::lab::Template;
use vsjob_tests::site::{ADDRESS, MOVE, Site, answers, move_to, until};
use vsjob_tests::tree::Tree;

const SEED: u64 = 20_261_125;
const KILLS: usize = 10;
const FILES: usize = 50;
const FILE: usize = 4 << 20;

#[test]
fn a_move_whose_master_is_killed_ten_times_sends_no_more_than_an_undisturbed_one() -> anyhow::Result<()> {
    // On its way back it is slow enough to be met ten times.
    let slow_back = |host: &str| if host == "vsh-02" { ",bwlimit=12m" } else { "" };
    let Some(mut site) = Site::up_with(2, slow_back)? else {
        return Ok(());
    };
    let mut random = fastrand::Rng::with_seed(SEED);
    let tree = Tree::of(Template::Tiny)?;
    for number in 0..FILES {
        tree.random_file(&format!("var/lib/data/{number}"), FILE, &mut random)?;
    }
    site.template("large", &tree.archive()?)?;
    site.guest("web", ADDRESS, "vsh-01", "large")?;
    let content = content(&site, "vsh-01")?;

    let before = wire(&site, "vsh-01")?;
    let undisturbed = site.succeeds(&site.submit(&MOVE)?)?;
    let undisturbed_bytes = wire(&site, "vsh-01")? - before;

    let before = wire(&site, "vsh-02")?;
    let id = site.submit(&move_to("vsh-01"))?;
    // Moments in terms of what has been sent: so they are spread over the move however fast this machine is.
    let mut moments: Vec<u64> = (0..KILLS).map(|_| random.u64(0..(FILES * FILE) as u64)).collect();
    moments.sort_unstable();
    let mut met = Vec::new();
    for moment in moments {
        until("so much is sent", || {
            let job = site.job(&id)?;
            ensure!(
                job["over"] == false,
                "it ended before it was disturbed enough: {met:?}"
            );
            let sent = job["progress"]["bytes"].as_u64().unwrap_or(0);
            let is_later = job["plan"]
                .as_array()
                .is_some_and(|steps| steps.iter().any(is_copied));
            if sent < moment && !is_later {
                return Ok(false);
            }
            met.push(format!("{} at {sent}", job["at"].as_str().unwrap_or_default()));
            Ok(true)
        })?;
        site.kill_master()?;
        site.start_master()?;
    }
    let disturbed = site.succeeds(&id)?;
    let disturbed_bytes = wire(&site, "vsh-02")? - before;

    ensure!(
        undisturbed_bytes > (FILES * FILE) as u64,
        "{undisturbed_bytes} bytes"
    );
    figures::tell(format_args!(
        "a move of 200 MB, on the wire out of the source: {undisturbed_bytes} bytes undisturbed, {disturbed_bytes} with {KILLS} kills \
         (seed {SEED}), a ratio of {:.4}; rsync itself: {} and {}",
        disturbed_bytes as f64 / undisturbed_bytes as f64,
        sent(&undisturbed)?,
        sent(&disturbed)?
    ));
    println!("killed during: {}", met.join(", "));
    ensure!(disturbed_bytes * 10 <= undisturbed_bytes * 11, "sent again");
    ensure!(
        self::content(&site, "vsh-01")? == content,
        "the guest is not whole"
    );
    answers(ADDRESS, "web")?;
    ensure!(site.runs("web", "vsh-01") && !site.runs("web", "vsh-02"));
    site.is_in_order()
}

/// Whether a step is that of the passes, and done.
fn is_copied(step: &Value) -> bool {
    step["title"] == "copy web while it runs" && step["state"] == "succeeded"
}

/// Bytes that the host has sent through its cable since its boot, of whatever kind.
fn wire(site: &Site, host: &str) -> anyhow::Result<u64> {
    let link: Value = serde_json::from_str(&site.lab.run(host, "ip -j -s link show dev eth0")?)?;
    link[0]["stats64"]["tx"]["bytes"]
        .as_u64()
        .with_context(|| format!("no count: {link}"))
}

/// What rsync says that it sent, while the guest ran and while it stood still.
fn sent(job: &Value) -> anyhow::Result<u64> {
    let steps = job["plan"].as_array().context("no steps")?;
    let counts = steps.iter().filter_map(|step| step["outputs"]["sent"].as_str());
    counts.map(|count| Ok(count.parse::<u64>()?)).sum()
}

/// The guest's files by their content, but for the one that it rewrites each second.
fn content(site: &Site, host: &str) -> anyhow::Result<String> {
    site.lab.run(
        host,
        "cd /var/lib/machines/web && find . -type f ! -name alive -exec sha256sum {} + | sort -k 2",
    )
}
