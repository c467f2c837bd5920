//! A tiny guest moves between real hosts: the hosts are told what the plan showed, and nothing else is left of it than
//! the guest where it belongs.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;
use vsjob_tests::figures;
use vsjob_tests::lab::Template;
use vsjob_tests::program::said;
use vsjob_tests::site::{ADDRESS, MOVE, Site, answers, until};
use vsjob_tests::tree::Tree;
use vsjob_tests::witness::{self, Order};

#[test]
fn a_guest_moves_and_nothing_of_the_move_is_left() -> anyhow::Result<()> {
    let Some(site) = Site::with_guest()? else {
        return Ok(());
    };
    let id = site.submit(&MOVE)?;
    let job = site.succeeds(&id)?;
    answers(ADDRESS, "web")?;
    let placed = site.vsjob(&["guest", "list", "--json"])?.json()?;
    ensure!(placed["guests"][0]["host"] == "vsh-02", "{placed}");
    site.is_in_order()?;
    // The end of the job comes a moment before its run directories go.
    for host in ["vsh-01", "vsh-02"] {
        until("the run directories are gone", || {
            Ok(site.lab.run(host, "ls /var/lib/vsjob/run")?.is_empty())
        })?;
    }

    ensure!(!site.runs("web", "vsh-01") && site.runs("web", "vsh-02"));
    site.is_fenced("web", "vsh-01", &id)?;
    for host in ["vsh-01", "vsh-02"] {
        site.lab.reboot(host)?;
    }
    answers(ADDRESS, "web")?;
    ensure!(!site.runs("web", "vsh-01") && site.runs("web", "vsh-02"));

    figures::tell(format_args!(
        "a tiny guest stood still for {} ms",
        job["stood_still"]
    ));
    Ok(())
}

#[test]
fn the_hosts_are_told_what_the_plan_showed_and_nothing_else() -> anyhow::Result<()> {
    let Some(mut site) = Site::with_guest()? else {
        return Ok(());
    };
    witness::listen(&mut site)?;
    let plan = site
        .vsjob(&[&["submit"], &MOVE[..], &["--plan", "--json"]].concat())?
        .json()?;
    let before = witness::heard(&site)?.len();
    let id = site.submit(&MOVE)?;
    let job = site.succeeds(&id)?;
    let heard = &witness::heard(&site)?[..];

    ensure!(before == 0, "a plan was run: {before} orders");
    let shape = |steps: &Value| -> Vec<[Value; 5]> {
        let steps = steps.as_array().into_iter().flatten();
        let keys = ["step", "title", "action", "hosts", "pivot"];
        steps.map(|step| keys.map(|key| step[key].clone())).collect()
    };
    ensure!(shape(&plan["steps"]) == shape(&job["plan"]), "{plan} and {job}");

    let planned = planned(&plan, &job, &id)?;
    let told: BTreeSet<_> = heard.iter().cloned().collect();
    let only = |left: &BTreeSet<Order>, right: &BTreeSet<Order>| -> Vec<_> {
        left.difference(right)
            .map(|order| {
                (
                    order.host.clone(),
                    order.run.clone(),
                    order.hash.clone(),
                    order.args.clone(),
                )
            })
            .collect()
    };
    let (not_told, not_planned) = (only(&planned, &told), only(&told, &planned));
    ensure!(
        not_told.is_empty() && not_planned.is_empty(),
        "planned and not told: {not_told:#?}\ntold and not planned: {not_planned:#?}"
    );
    ensure!(heard.len() == planned.len(), "something was ordered twice");
    figures::tell(format_args!(
        "the plan of move: {} steps, {} of them on hosts, each told as shown",
        plan["steps"].as_array().map_or(0, Vec::len),
        heard.len()
    ));
    Ok(())
}

/// What the plan says that hosts will be told, with what is now known in place of `<step 3: snapshot>`.
fn planned(plan: &Value, job: &Value, id: &str) -> anyhow::Result<BTreeSet<Order>> {
    let known: BTreeMap<String, String> = job["plan"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|step| {
            let outputs = step["outputs"].as_object().into_iter().flatten();
            outputs.map(|(key, value)| {
                let value = value.as_str().unwrap_or_default().to_owned();
                (format!("<step {}: {key}>", step["step"]), value)
            })
        })
        .collect();
    let mut orders = BTreeSet::new();
    for step in plan["steps"].as_array().context("no steps")? {
        let Some(host) = step["hosts"][0].as_str() else {
            continue;
        };
        let scripts = step["scripts"].as_array().context("no scripts")?;
        let named = |ending: &str| {
            scripts
                .iter()
                .find(|script| script["name"].as_str().is_some_and(|name| name.ends_with(ending)))
        };
        let script = named(".do").context("a step without a script")?;
        let args = step["args"]
            .as_array()
            .context("no arguments")?
            .iter()
            .map(|arg| {
                let value = arg["value"].as_str().context("no value")?;
                ensure!(
                    !value.starts_with('<') || known.contains_key(value),
                    "{value} is never known"
                );
                Ok(known.get(value).map_or(value, String::as_str).to_owned())
            });
        orders.insert(Order {
            host: host.to_owned(),
            // What has a probe is launched; the rest only reads.
            run: named(".probe").map(|_| format!("{id}-{}-1", step["step"])),
            hash: script["hash"].as_str().context("no hash")?.to_owned(),
            text: script["text"].as_str().context("no text")?.to_owned(),
            args: args.collect::<anyhow::Result<_>>()?,
        });
    }
    Ok(orders)
}

#[test]
fn a_move_keeps_to_the_limit_of_its_source() -> anyhow::Result<()> {
    const SIZE: usize = 24 << 20;
    const LIMIT: u64 = 8 << 20;
    let Some(site) = Site::up_with(2, |_| ",bwlimit=8m")? else {
        return Ok(());
    };
    let tree = Tree::of(Template::Tiny)?;
    tree.random_file("var/lib/data/blob", SIZE, &mut fastrand::Rng::with_seed(3))?;
    site.template("large", &tree.archive()?)?;
    site.guest("web", ADDRESS, "vsh-01", "large")?;
    let job = site.succeeds(&site.submit(&MOVE)?)?;

    let sent: u64 = output(&job, "copy web while it runs", "sent")?.parse()?;
    ensure!(sent > SIZE as u64, "{sent} bytes sent");
    let took = lasted(step(&job, "copy web while it runs")?)?;
    // Never a measure of how fast it is: only that it was not faster than allowed, but for a first burst.
    let rate = sent * 1000 / took;
    ensure!(rate < LIMIT * 11 / 10, "{rate} bytes a second");
    figures::tell(format_args!(
        "a move with bwlimit=8m: {sent} bytes in {took} ms: {rate} bytes a second of {LIMIT} allowed"
    ));
    answers(ADDRESS, "web")?;
    Ok(())
}

#[test]
fn a_move_is_compressed_when_its_target_says_so_and_the_copy_is_whole() -> anyhow::Result<()> {
    const SIZE: usize = 24 << 20;
    let Some(site) = Site::up_with(2, |host| if host == "vsh-02" { ",compress" } else { "" })? else {
        return Ok(());
    };
    let tree = Tree::of(Template::Tiny)?;
    let text = "every line is a little like the one before it\n".repeat(SIZE / 46);
    tree.file("var/lib/data/blob", 0o644, text.as_bytes())?;
    site.template("large", &tree.archive()?)?;
    site.guest("web", ADDRESS, "vsh-01", "large")?;
    let sum = |host: &str| {
        let text = "sha256sum /var/lib/machines/web/var/lib/data/blob | cut -c 1-64";
        site.lab.run(host, text)
    };
    let before = sum("vsh-01")?;
    let job = site.succeeds(&site.submit(&MOVE)?)?;

    let sent: u64 = output(&job, "copy web while it runs", "sent")?.parse()?;
    ensure!(sent < SIZE as u64 / 2, "{sent} bytes sent");
    ensure!(sum("vsh-02")? == before, "the copy is not what was sent");
    answers(ADDRESS, "web")?;
    site.is_in_order()?;
    figures::tell(format_args!("a move with compress: {sent} bytes of {SIZE} sent"));
    Ok(())
}

fn step<'a>(job: &'a Value, title: &str) -> anyhow::Result<&'a Value> {
    let mut steps = job["plan"].as_array().into_iter().flatten();
    steps
        .find(|step| step["title"] == title)
        .with_context(|| format!("no step `{title}`: {job}"))
}

fn output<'a>(job: &'a Value, title: &str, key: &str) -> anyhow::Result<&'a str> {
    let step = step(job, title)?;
    step["outputs"][key]
        .as_str()
        .with_context(|| format!("no {key}: {step}"))
}

/// How long the step took, in ms, by the master's own record.
fn lasted(step: &Value) -> anyhow::Result<u64> {
    let at = |key: &str| -> anyhow::Result<u64> {
        let text = step[key].as_str().context("no time")?;
        let millis = Command::new("date").args(["-d", text, "+%s%3N"]).output()?;
        Ok(said(millis)?.ok()?.parse()?)
    };
    Ok(at("ended")? - at("started")?)
}
