//! What people do, row by row. A new operation is a new row.

use std::process::Stdio;

use fastrand::Rng;

use super::draw::{Befalls, Row};
use super::fleet::{Effect, MOST};
use super::run::Run;

/// The operations.
pub(super) const OPERATIONS: &[Row] = &[
    operation("create", 6, create),
    operation("move", 30, move_),
    operation("guest", 12, guest),
    operation("cancel", 6, |run, random| steer(run, random, "cancel")),
    operation("pause", 4, |run, random| steer(run, random, "pause")),
    operation("resume", 4, |run, random| steer(run, random, "resume")),
    operation("answer", 5, answer),
    operation("scan", 2, |run, _| look(run, &["scan"])),
    operation("adopt", 2, |run, _| look(run, &["guest", "adopt"])),
    operation("gc", 1, |run, _| look(run, &["gc"])),
    operation("step", 3, step),
];

const fn operation(
    name: &'static str,
    weight: u32,
    happen: fn(&mut Run, &mut Rng) -> anyhow::Result<String>,
) -> Row {
    Row {
        name,
        weight,
        befalls: Befalls::Nobody,
        happen,
    }
}

/// One time in five the same is sent twice.
fn twice(random: &mut Rng) -> bool {
    random.u8(0..5) == 0
}

fn create(run: &mut Run, random: &mut Rng) -> anyhow::Result<String> {
    let (drawn, host, twice) = (random.usize(0..MOST), run.any_host(random), twice(random));
    let (start, enable) = (random.u8(0..4) > 0, random.u8(0..4) > 0);
    let guests = &run.fleet.guests;
    // The drawn one, or else the next that does not live yet.
    let order = (0..MOST).map(|more| &guests[(drawn + more) % MOST]);
    let Some(guest) = order.into_iter().find(|guest| !guest.lives) else {
        return Ok("all live".to_owned());
    };
    let (name, address, template) = (guest.name.clone(), guest.address.clone(), guest.template());
    let seen = run.create(&name, &address, template, &host, (start, enable), twice)?;
    Ok(format!("{name} on {host}: {seen}"))
}

impl Run {
    /// Submits the creation of a guest.
    pub(super) fn create(
        &mut self,
        name: &str,
        address: &str,
        template: &str,
        host: &str,
        (start, enable): (bool, bool),
        twice: bool,
    ) -> anyhow::Result<String> {
        let mut args = vec!["create", "--name", name, "--interface", address];
        args.extend(["--template", template, "--host", host]);
        args.extend(start.then_some("--start"));
        args.extend(enable.then_some("--enable"));
        self.submit(name, Effect::Create { start, enable }, &args, twice)
    }

    /// A host on which the guest was not at the last quiet point, drawn.
    fn elsewhere(&self, guest: &str, random: &mut Rng) -> String {
        let place = self.fleet.guests.iter().find(|one| one.name == guest);
        let place = place.and_then(|guest| guest.place.as_ref());
        let at = self
            .hosts
            .iter()
            .position(|host| Some(host) == place)
            .unwrap_or(0);
        self.hosts[(at + random.usize(1..self.hosts.len())) % self.hosts.len()].clone()
    }

    /// A guest that lives, or that is being made, drawn.
    fn any_guest(&self, random: &mut Rng) -> String {
        let mut names: Vec<&str> = self
            .fleet
            .guests
            .iter()
            .filter(|guest| guest.lives)
            .map(|guest| guest.name.as_str())
            .collect();
        names.extend(self.sent.iter().map(|sent| sent.guest.as_str()));
        names.sort_unstable();
        names.dedup();
        let drawn = random.usize(0..1 << 20);
        names
            .get(drawn % names.len().max(1))
            .unwrap_or(&"g01")
            .to_string()
    }
}

fn move_(run: &mut Run, random: &mut Rng) -> anyhow::Result<String> {
    let (name, twice) = (run.any_guest(random), twice(random));
    let to = run.elsewhere(&name, random);
    let mut args = vec!["move", "--name", &name, "--dst", &to];
    let budget = ["1ms", "5s", "1m"][random.usize(0..3)];
    args.extend(["--max-downtime", budget]);
    // Mostly it goes on: what is taken back at once tries little.
    let on_budget = ["proceed", "proceed", "proceed", "ask", "fail"][random.usize(0..5)];
    args.extend(["--on-budget", on_budget]);
    args.extend(["--grace", ["1s", "20s", "1m", "7d"][random.usize(0..4)]]);
    let src = run.any_host(random);
    if random.u8(0..6) == 0 {
        args.extend(["--src", &src]);
    }
    // A tiny guest has nothing that could run it: that is known only right before the pivot, and all is taken back.
    if random.u8(0..15) == 0 {
        args.extend(["--health", "true"]);
    }
    let seen = run.submit(&name, Effect::Move { to: to.clone() }, &args, twice)?;
    Ok(format!("{}: {seen}", args[1..].join(" ")))
}

fn guest(run: &mut Run, random: &mut Rng) -> anyhow::Result<String> {
    let (name, twice) = (run.any_guest(random), twice(random));
    // Mostly they run: a guest that is off tries little.
    let (operation, effect) = [
        ("guest-start", Effect::Start),
        ("guest-start", Effect::Start),
        ("guest-enable", Effect::Enable),
        ("guest-enable", Effect::Enable),
        ("guest-stop", Effect::Stop),
        ("guest-disable", Effect::Disable),
    ][random.usize(0..6)]
    .clone();
    let seen = run.submit(&name, effect, &[operation, "--name", &name], twice)?;
    Ok(format!("{operation} {name}: {seen}"))
}

/// A job of this round, drawn.
fn any_job(run: &Run, random: &mut Rng) -> Option<String> {
    let ids: Vec<&String> = run.sent.iter().filter_map(|sent| sent.id.as_ref()).collect();
    let drawn = random.usize(0..1 << 20);
    // The later the likelier that it is not over.
    let last = ids.len().checked_sub(1 + drawn % 3)?;
    ids.get(last).map(|&id| id.clone())
}

fn steer(run: &mut Run, random: &mut Rng, verb: &str) -> anyhow::Result<String> {
    let Some(id) = any_job(run, random) else {
        return Ok("no job".to_owned());
    };
    look(run, &[verb, &id, "--reason", "chaos"])
}

fn answer(run: &mut Run, random: &mut Rng) -> anyhow::Result<String> {
    let yes = if random.bool() { "yes" } else { "no" };
    let Some(id) = any_job(run, random) else {
        return Ok("no job".to_owned());
    };
    look(run, &["answer", &id, yes])
}

/// Asks for something, and says how it ended.
fn look(run: &mut Run, args: &[&str]) -> anyhow::Result<String> {
    let said = run.ask(args)?;
    let first = said.err.lines().next().unwrap_or_default().to_owned();
    Ok(format!("{} {}: {first}", args.join(" "), said.status))
}

/// A single action that only reads. It waits for its host, so nobody waits for it.
fn step(run: &mut Run, random: &mut Rng) -> anyhow::Result<String> {
    let (name, host) = (run.any_guest(random), run.any_host(random));
    let action = if random.bool() {
        vec!["scan-host"]
    } else {
        vec!["read-facts", &name]
    };
    let args = [&["step", "run", "--host", &host][..], &action].concat();
    let mut command = run.site.program.command(&args);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    run.waiting.push(child);
    Ok(args.join(" "))
}
