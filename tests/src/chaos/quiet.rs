//! How a round comes to rest: every trouble is healed, and then each job must end by itself, but for those that wait for
//! somebody's word.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail, ensure};
use fastrand::Rng;
use serde_json::Value;
use std::time::Duration;
use vsjob_engine::{Clock, SystemClock};

use super::fleet::Effect;
use super::run::{Run, Sent};
use super::troubles::Trouble;
use crate::hosts::on_all;
use crate::lab_pool;

/// How long nothing at all may change in any job before a round is taken to hang: a bound, longer than any wait between
/// two attempts.
const STANDSTILL: Duration = Duration::from_secs(150);

/// Between two looks.
const MOMENT: Duration = Duration::from_millis(200);

/// How often a job may be stuck in one round: each time it is resumed.
const STUCK: usize = 3;

impl Run {
    /// Guests to begin with, made without any trouble.
    pub(super) fn settle(&mut self) -> anyhow::Result<()> {
        const FIRST: usize = 8;
        for number in 0..FIRST {
            let guest = &self.fleet.guests[number];
            let (name, address, template) = (guest.name.clone(), guest.address.clone(), guest.template());
            let host = self.hosts[number % self.hosts.len()].clone();
            // Of one that is not written to, it does not matter whether it runs.
            let runs = template == "written" || number % 2 == 0;
            self.begin(number);
            let seen = self.create(&name, &address, template, &host, (runs, runs), false)?;
            self.tell(format_args!("{name} on {host}: {}", seen.told))?;
        }
        self.come_to_rest(&mut Rng::with_seed(0))?;
        ensure!(
            self.fleet.guests.iter().filter(|guest| guest.lives).count() == FIRST,
            "without any trouble, not every guest came to be"
        );
        self.add_schedule()?;
        self.is_in_order()
    }

    /// Ends every trouble and waits until every job is over; then the guests are as those have left them.
    pub(super) fn come_to_rest(&mut self, random: &mut Rng) -> anyhow::Result<()> {
        self.heal_all()?;
        self.master_lives()?;
        for host in lab_pool::hosts(&self.site.lab, self.hosts.len())? {
            host.await_up()?;
        }
        if self.troubles.has(&Trouble::NoRoom) {
            self.await_jobs(random).context("on a full disk")?;
            self.takes_no_new_work()?;
            self.heal(&Trouble::NoRoom)?;
            self.takes_new_work()?;
        }
        self.let_schedule("disable")?;
        self.send_again()?;
        // Half the time people lend a hand; the other half all goes on by itself.
        if random.bool() {
            for job in self.open_jobs()? {
                self.ask(&["resume", text(&job, "job")?])?;
            }
        }
        // A wall clock that nobody believes yet holds up only what waits for a time of its own.
        self.await_jobs(random)?;
        self.accept_clock()?;
        self.await_jobs(random)?;
        for mut waiting in std::mem::take(&mut self.waiting) {
            waiting.wait()?;
        }
        self.end_maintenance()?;
        self.find_parts()?;
        self.take_stock()
    }

    /// What nobody answered is sent again, with its key: whether it was taken in or not, there is one job then.
    fn send_again(&mut self) -> anyhow::Result<()> {
        let mut sent = std::mem::take(&mut self.sent);
        for one in sent.iter_mut().filter(|one| one.id.is_none()) {
            let args: Vec<&str> = one.args.iter().map(String::as_str).collect();
            let said = self.ask(&args)?;
            match said.status.code() {
                Some(0) => one.id = Some(said.out.trim().to_owned()),
                Some(4) => {}
                _ => bail!("all is well again, and yet {args:?}: {said:?}"),
            }
            self.tell(format_args!(
                "  sent again: {} {}",
                args[1..].join(" "),
                said.status
            ))?;
        }
        sent.retain(|one| one.id.is_some());
        self.sent = sent;
        Ok(())
    }

    /// Jobs that are not over, but for those whose time has not come.
    fn open_jobs(&self) -> anyhow::Result<Vec<Value>> {
        let all = self.ask(&["status", "--json", "--limit", "100000"])?.json()?;
        let jobs = all["jobs"].as_array().context("no jobs")?.iter();
        let is_due = |job: &&Value| job["operation"] != "purge-later" || job["state"] != "queued";
        Ok(jobs.filter(is_due).cloned().collect())
    }

    fn await_jobs(&mut self, random: &mut Rng) -> anyhow::Result<()> {
        let mut seen = Vec::new();
        let mut stuck = Vec::new();
        let mut since = SystemClock.now();
        loop {
            let mut open = self.open_jobs()?;
            // What a batch has not begun is new work, and waits for somebody who makes room.
            open.retain(|job| !(self.troubles.has(&Trouble::NoRoom) && lacks_room(job)));
            if open.is_empty() {
                return Ok(());
            }
            for job in &open {
                let id = text(job, "job")?;
                match text(job, "state")? {
                    "paused" => drop(self.ask(&["resume", id])?),
                    "stuck" => {
                        ensure!(
                            self.stormy || lacks_room(job),
                            "nothing befell any host, and yet: {}",
                            self.brief(job)?
                        );
                        stuck.push(id.to_owned());
                        let times = stuck.iter().filter(|one| *one == id).count();
                        ensure!(
                            times <= STUCK,
                            "it is stuck again and again: {}",
                            self.brief(job)?
                        );
                        self.tally.stuck += 1;
                        self.tell(format_args!("  stuck: {} {}", job["title"], job["why"]))?;
                        self.ask(&["resume", id])?;
                    }
                    _ if self.asks(job)? => {
                        let word = if random.bool() { "yes" } else { "no" };
                        self.ask(&["answer", id, word])?;
                    }
                    _ => {}
                }
            }
            if open != seen {
                seen = open;
                since = SystemClock.now();
            }
            let stands = SystemClock.now().since(since);
            ensure!(stands < STANDSTILL, "nothing goes on any more: {seen:#?}");
            std::thread::park_timeout(MOMENT);
        }
    }

    fn asks(&self, job: &Value) -> anyhow::Result<bool> {
        // What waits for an answer is in the step that asks; only then it is worth a look.
        let may_ask = job["at"].as_str().is_some_and(|at| at.starts_with("ask"));
        Ok(may_ask && self.site.job(text(job, "job")?)?["question"].is_string())
    }

    /// What there is to say of a job that is not as it should be.
    fn brief(&self, job: &Value) -> anyhow::Result<String> {
        let id = text(job, "job")?;
        let told = self.ask(&["logs", id])?.out;
        Ok(format!(
            "{id} {}, {}: {}\n{told}",
            job["title"], job["state"], job["why"]
        ))
    }

    /// Counts how the jobs of this round have ended, and lets the guests be what those have made of them.
    fn take_stock(&mut self) -> anyhow::Result<()> {
        let mut ended = Vec::new();
        let all = std::mem::take(&mut self.sent);
        let others = |this: &Sent, guest: &Value| {
            let mut others = all.iter().filter(|one| one.id != this.id);
            others.any(|one| one.does.as_ref().is_some_and(|(name, _)| guest == name.as_str()))
        };
        for sent in &all {
            let Some(id) = &sent.id else { continue };
            let job = self.site.job(id)?;
            let Some((guest, effect)) = &sent.does else {
                self.batch_is_right(&job)?;
                self.tally.batches += 1;
                continue;
            };
            match text(&job, "state")? {
                "succeeded" => {
                    self.tally.succeeded += 1;
                    ended.push((self.place_of_end(&job)?, job, guest, effect.clone()));
                }
                "cancelled" => self.tally.cancelled += 1,
                "rolled back" => {
                    self.tally.rolled_back += 1;
                    self.tell(format_args!("  rolled back: {} {}", job["title"], job["why"]))?;
                    let another = others(sent, &Value::from(guest.as_str()))
                        || others(sent, &job["parameters"]["name"]);
                    let excused = self.stormy || is_a_no(&job, another);
                    ensure!(excused, "nothing befell any host, and yet: {}", self.brief(&job)?);
                }
                other => bail!("it is over, and {other}: {}", self.brief(&job)?),
            }
        }
        // Jobs of one guest follow each other, so the order of their ends is that of their effects.
        ended.sort_by_key(|(place, ..)| *place);
        let mut lost: BTreeMap<&String, BTreeSet<u64>> = BTreeMap::new();
        for (_, job, guest, mut effect) in ended {
            match &mut effect {
                Effect::BackUp { acknowledged }
                | Effect::Remove {
                    kept: Some(acknowledged),
                } => {
                    let lost = lost.entry(guest).or_default();
                    self.has_what_was_acknowledged(&job, guest, &(&*acknowledged - lost))?;
                }
                Effect::Restore(restored) => {
                    restored.lost = self.lost_by(text(&job, "job")?, guest, restored)?;
                    lost.entry(guest).or_default().extend(&restored.lost);
                }
                _ => {}
            }
            self.fleet.named(guest)?.undergo(&effect)?;
        }
        self.stormy = false;
        Ok(())
    }

    /// Where in the journal the job has ended: of two moments, the clock may have been set back between them.
    fn place_of_end(&self, job: &Value) -> anyhow::Result<u64> {
        let told = self.ask(&["logs", text(job, "job")?, "--json"])?.ok()?;
        let events = serde_json::Deserializer::from_str(&told).into_iter::<Value>();
        let events: Vec<Value> = events.collect::<Result<_, _>>()?;
        let end = events.iter().rev().find(|event| event["at"] == job["ended"]);
        end.and_then(|event| event["sequence"].as_u64())
            .with_context(|| format!("it has no end: {told}"))
    }

    /// Boots every host anew, all at the same time, and checks everything: what starts by itself must be what should.
    pub(super) fn reboot_all(&mut self) -> anyhow::Result<()> {
        let hosts = lab_pool::hosts(&self.site.lab, self.hosts.len())?;
        on_all(hosts.iter().map(|host| &**host).collect(), |host| host.reboot())?;
        for guest in self.fleet.guests.iter_mut().filter(|guest| guest.lives) {
            guest.running = guest.enabled;
        }
        self.tally.reboots += 1;
        self.tell("all hosts were booted anew")?;
        self.is_in_order().context("after a reboot of all hosts")
    }
}

/// Whether a job was taken back by a no that needs no trouble: that of people, of the budget, of a purge that had begun
/// before, or, if another job of this round had the guest before, of its own first look.
fn is_a_no(job: &Value, another: bool) -> bool {
    let code = job["why"]["code"].as_str().unwrap_or_default();
    let is_purged = job["operation"] == "undelete" && code == "VSJ0470";
    let runs = job["operation"] == "rename" && code == "VSJ0446";
    let is_looked_at = job["done"] == 0 || LATER.contains(&code);
    NOES.contains(&code) || is_purged || runs || (another && is_looked_at)
}

/// What is not there, or is there already: not always the first step looks for that.
const LATER: [&str; 4] = ["VSJ0470", "VSJ0472", "VSJ0476", "VSJ0490"];

/// The guest would stand still for too long, and that was to be a failure, or somebody said no; or it was to show its
/// health by a command, and has no systemd that could run one.
const NOES: [&str; 2] = ["VSJ0480", "VSJ0484"];

/// Whether a job is stuck because what it begins was not taken in.
fn lacks_room(job: &Value) -> bool {
    job["state"] == "stuck" && job["why"]["code"] == "VSJ0317"
}

/// A text of a document.
pub(super) fn text<'a>(document: &'a Value, key: &str) -> anyhow::Result<&'a str> {
    document[key]
        .as_str()
        .with_context(|| format!("no {key}: {document}"))
}
