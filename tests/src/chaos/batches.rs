//! Batches: what is done for all guests at once. Each guest has one job of its own, whatever befalls the master meanwhile, and
//! the batch ends as those did.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail, ensure};
use fastrand::Rng;
use serde_json::Value;

use super::draw::Seen;
use super::fleet::Effect;
use super::quiet::text;
use super::run::{Run, Sent};

/// Does something for all guests, or for those on a host.
pub(super) fn batch(run: &mut Run, random: &mut Rng) -> anyhow::Result<Seen> {
    let (host, twice) = (run.any_host(random), super::operations::twice(random));
    let to = run.any_host(random);
    let drawn = random.usize(0..6);
    let on_host = random.bool();
    let mut args = match drawn {
        0 | 1 => vec![
            "move",
            "--all",
            "--dst",
            &to,
            "--on-budget",
            "proceed",
            "--grace",
            "1s",
        ],
        2 | 3 => vec!["guest-start", "--all"],
        4 => vec!["guest-enable", "--all"],
        _ => vec!["guest-stop", "--all"],
    };
    // A pool in which nothing runs tries little.
    if drawn == 5 || on_host {
        args.extend([if drawn < 2 { "--src" } else { "--host" }, &host]);
    }
    Ok(run.submit(None, &args, twice)?.of(args.join(" ")))
}

/// What a job of a batch makes of its guest.
fn effect(job: &Value) -> anyhow::Result<Effect> {
    Ok(match text(job, "operation")? {
        "guest-start" => Effect::Start,
        "guest-stop" => Effect::Stop,
        "guest-enable" => Effect::Enable,
        "move" => Effect::Move {
            to: text(&job["parameters"], "dst")?.to_owned(),
        },
        other => bail!("no batch does this: {other}"),
    })
}

impl Run {
    /// Adds the jobs of this round's batches to those that were sent. A job that is neither was never asked for.
    pub(super) fn find_parts(&mut self) -> anyhow::Result<()> {
        let all = self
            .ask(&["status", "--all", "--json", "--limit", "100000"])?
            .json()?;
        let sent: BTreeSet<&String> = self.sent.iter().filter_map(|sent| sent.id.as_ref()).collect();
        let mut parts = BTreeMap::new();
        for line in all["jobs"].as_array().context("no jobs")? {
            let (id, operation) = (text(line, "job")?, text(line, "operation")?);
            let is_ours = operation == "move" || operation == "create" || operation.starts_with("guest-");
            if !is_ours || self.known.contains(id) || sent.contains(&id.to_owned()) {
                continue;
            }
            let job = self.site.job(id)?;
            let key = text(&job, "key")?;
            let part = key
                .split_once("-in-")
                .filter(|(_, batch)| sent.contains(&(*batch).to_owned()));
            let (guest, batch) = part.with_context(|| format!("nobody asked for this: {job}"))?;
            let again = parts.insert(
                (batch.to_owned(), guest.to_owned()),
                (id.to_owned(), effect(&job)?),
            );
            ensure!(again.is_none(), "two jobs of one guest in a batch: {job}");
        }
        for ((_, guest), (id, effect)) in parts {
            self.sent.push(Sent {
                id: Some(id),
                args: Vec::new(),
                does: Some((guest, effect)),
            });
        }
        let ids = self.sent.iter().filter_map(|sent| sent.id.clone());
        self.known.extend(ids);
        Ok(())
    }

    /// The batch is over, and says of each guest what became of its job.
    pub(super) fn batch_is_right(&self, batch: &Value) -> anyhow::Result<()> {
        let steps = || batch["plan"].as_array().into_iter().flatten();
        let outputs = |key: &'static str| steps().filter_map(move |step| step["outputs"][key].as_str());
        let ended: Vec<&str> = outputs("ended").collect();
        for (id, ended) in outputs("job").zip(&ended).filter(|(id, _)| !id.is_empty()) {
            let part = self.site.job(id)?;
            // One that was stuck has gone on since.
            ensure!(
                *ended == "stuck" || part["state"] == **ended,
                "the batch says {ended}: {part}"
            );
        }
        let done = ended.iter().filter(|ended| **ended == "succeeded").count();
        let state = match text(batch, "state")? {
            "cancelled" => return Ok(()),
            state => state,
        };
        let due = match done {
            done if done == ended.len() => "succeeded",
            0 => "not done",
            _ => "partly done",
        };
        ensure!(state == due && !ended.is_empty(), "it is {state}: {batch}");
        Ok(())
    }
}
