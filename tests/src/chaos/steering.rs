//! What people say to jobs that are under way: cancel, pause, resume, and answers. Where none is under way, one is begun.

use std::time::Duration;

use fastrand::Rng;
use serde_json::Value;

use super::draw::Seen;
use super::fleet::Effect;
use super::operations::{look, move_};
use super::run::Run;

/// Between two looks whether a job asks, and how many there are.
const A_MOMENT: Duration = Duration::from_millis(100);
const LOOKS: u8 = 60;

pub(super) fn steer(run: &mut Run, random: &mut Rng, verb: &str) -> anyhow::Result<Seen> {
    let is_paused = |job: &Value| job["state"] == "paused";
    let resumes = verb == "resume";
    let Some(job) = run.under_way(random, |job| is_paused(job) == resumes)? else {
        return Ok(Seen::in_vain("no job"));
    };
    if resumes && !is_paused(&job) {
        look(run, &["pause", name(&job), "--reason", "chaos"])?;
    }
    look(run, &[verb, name(&job), "--reason", "chaos"])
}

/// Answers a job that asks, as soon as one does.
pub(super) fn answer(run: &mut Run, random: &mut Rng) -> anyhow::Result<Seen> {
    let yes = if random.bool() { "yes" } else { "no" };
    let may_ask = run
        .sent
        .iter()
        .any(|sent| sent.args.iter().any(|arg| arg == "ask"));
    let mut others = random.fork();
    if !may_ask {
        ask(run, &mut others)?;
    }
    let mut seen = Seen::in_vain("no job");
    for _ in 0..LOOKS {
        let asks = |job: &Value| job["at"].as_str().is_some_and(|at| at.starts_with("ask"));
        let Some(job) = run.under_way(&mut others, asks)? else {
            break;
        };
        seen = look(run, &["answer", name(&job), yes])?;
        if seen.took {
            break;
        }
        std::thread::park_timeout(A_MOMENT);
    }
    Ok(seen)
}

/// Begins a move that will ask, of a guest that runs.
fn ask(run: &mut Run, random: &mut Rng) -> anyhow::Result<()> {
    let drawn = random.usize(0..1 << 20);
    let running = run
        .fleet
        .guests
        .iter()
        .filter(|guest| guest.lives && guest.running);
    let running: Vec<&str> = running.map(|guest| guest.name.as_str()).collect();
    let Some(guest) = running.get(drawn % running.len().max(1)) else {
        return Ok(());
    };
    let (guest, to) = ((*guest).to_owned(), run.elsewhere(guest, random));
    let args = [
        "move",
        "--name",
        &guest,
        "--dst",
        &to,
        "--max-downtime",
        "1ms",
        "--on-budget",
        "ask",
    ];
    run.submit(Some((&guest, Effect::Move { to: to.clone() })), &args, false)?;
    Ok(())
}

fn name(job: &Value) -> &str {
    job["job"].as_str().unwrap_or_default()
}

impl Run {
    /// A job of this round that is not over, drawn; one of which this is so, if there is any; and if there is none at all, a
    /// move is begun.
    pub(super) fn under_way(
        &mut self,
        random: &mut Rng,
        is_so: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<Option<Value>> {
        let (drawn, mut of_move) = (random.usize(0..1 << 20), random.fork());
        let mut open = self.jobs_under_way()?;
        if open.is_empty() {
            move_(self, &mut of_move)?;
            open = self.jobs_under_way()?;
        }
        if open.iter().any(&is_so) {
            open.retain(&is_so);
        }
        Ok(open.get(drawn % open.len().max(1)).cloned())
    }

    fn jobs_under_way(&self) -> anyhow::Result<Vec<Value>> {
        let said = self.ask(&["status", "--json", "--limit", "100000"])?;
        // No master says nothing.
        let told: Value = serde_json::from_str(&said.out).unwrap_or_default();
        let is_ours = |job: &&Value| {
            self.sent
                .iter()
                .any(|sent| sent.id.as_deref() == job["job"].as_str())
        };
        let jobs = told["jobs"].as_array().into_iter().flatten();
        Ok(jobs.filter(is_ours).cloned().collect())
    }
}
