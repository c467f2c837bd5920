//! What people do, row by row. A new operation is a new row.

use std::process::Stdio;

use fastrand::Rng;

use super::draw::{Befalls, Happen, Row, Seen};
use super::fleet::{Effect, MOST};
use super::run::Run;
use super::steering::{self, steer};
use super::{batches, clock, generations, maintenance, removal, restoral, schedules};

/// The operations.
pub(super) const OPERATIONS: &[Row] = &[
    operation("create", 6, create),
    MOVE,
    operation("guest", 12, guest),
    operation("backup", 8, generations::backup),
    operation("remove", 5, removal::remove),
    operation("undelete", 5, removal::undelete),
    operation("restore", 8, restoral::restore),
    operation("rename", 5, restoral::rename),
    operation("evacuate", 3, maintenance::evacuate),
    operation("schedule", 3, schedules::switch),
    operation("cancel", 6, |run, random| steer(run, random, "cancel")),
    operation("pause", 4, |run, random| steer(run, random, "pause")),
    operation("resume", 4, |run, random| steer(run, random, "resume")),
    operation("answer", 5, steering::answer),
    operation("scan", 3, |run, _| look(run, &["scan"])),
    operation("adopt", 3, |run, _| look(run, &["guest", "adopt"])),
    operation("gc", 2, |run, _| look(run, &["gc"])),
    operation("step", 3, step),
    operation("batch", 4, batches::batch),
    operation("maintenance", 4, maintenance::switch),
    operation("accept clock", 5, clock::accept),
];

/// The one that everything else happens to.
pub(super) const MOVE: Row = operation("move", 30, move_);

const fn operation(name: &'static str, weight: u32, happen: Happen) -> Row {
    Row {
        name,
        weight,
        befalls: Befalls::Nobody,
        happen,
    }
}

/// One time in five the same is sent twice.
pub(super) fn twice(random: &mut Rng) -> bool {
    random.u8(0..5) == 0
}

fn create(run: &mut Run, random: &mut Rng) -> anyhow::Result<Seen> {
    let (drawn, host, twice) = (random.usize(0..MOST), run.any_host(random), twice(random));
    let (start, enable) = (random.u8(0..4) > 0, random.u8(0..4) > 0);
    let guests = &run.fleet.guests;
    // The drawn one, or else the next that has never lived.
    let order = (0..MOST).map(|more| &guests[(drawn + more) % MOST]);
    let Some(guest) = order.into_iter().find(|guest| !guest.lives && !guest.removed) else {
        return Ok(Seen::in_vain("all have lived"));
    };
    let (name, address, template) = (guest.name.clone(), guest.address.clone(), guest.template());
    let seen = run.create(&name, &address, template, &host, (start, enable), twice)?;
    Ok(seen.of(format_args!("{name} on {host}")))
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
    ) -> anyhow::Result<Seen> {
        let mut args = vec!["create", "--name", name, "--interface", address];
        args.extend(["--template", template, "--host", host]);
        args.extend(start.then_some("--start"));
        args.extend(enable.then_some("--enable"));
        self.submit(Some((name, Effect::Create { start, enable })), &args, twice)
    }

    /// A host on which the guest was not at the last quiet point, drawn.
    pub(super) fn elsewhere(&self, guest: &str, random: &mut Rng) -> String {
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
    pub(super) fn any_guest(&self, random: &mut Rng) -> String {
        let mut names: Vec<&str> = self
            .fleet
            .guests
            .iter()
            .filter(|guest| guest.lives)
            .map(|guest| guest.name.as_str())
            .collect();
        let sent = self.sent.iter().filter_map(|sent| sent.does.as_ref());
        names.extend(sent.map(|(guest, _)| guest.as_str()));
        names.sort_unstable();
        names.dedup();
        let drawn = random.usize(0..1 << 20);
        names
            .get(drawn % names.len().max(1))
            .unwrap_or(&"g01")
            .to_string()
    }
}

pub(super) fn move_(run: &mut Run, random: &mut Rng) -> anyhow::Result<Seen> {
    let (name, twice) = (run.any_guest(random), twice(random));
    let to = run.elsewhere(&name, random);
    let mut args = vec!["move", "--name", &name, "--dst", &to];
    let budget = ["1ms", "5s", "1m"][random.usize(0..3)];
    args.extend(["--max-downtime", budget]);
    // Mostly it goes on: what is taken back at once tries little.
    let on_budget = ["proceed", "proceed", "proceed", "ask", "ask", "fail"][random.usize(0..6)];
    args.extend(["--on-budget", on_budget]);
    args.extend([
        "--grace",
        ["1s", "1s", "20s", "1m", clock::LONG][random.usize(0..5)],
    ]);
    let src = run.any_host(random);
    if random.u8(0..6) == 0 {
        args.extend(["--src", &src]);
    }
    // A tiny guest has nothing that could run it: that is known only right before the pivot, and all is taken back.
    if random.u8(0..15) == 0 {
        args.extend(["--health", "true"]);
    }
    let seen = run.submit(Some((&name, Effect::Move { to: to.clone() })), &args, twice)?;
    Ok(seen.of(args[1..].join(" ")))
}

fn guest(run: &mut Run, random: &mut Rng) -> anyhow::Result<Seen> {
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
    let seen = run.submit(Some((&name, effect)), &[operation, "--name", &name], twice)?;
    Ok(seen.of(format_args!("{operation} {name}")))
}

/// Asks for something, and says how it ended.
pub(super) fn look(run: &mut Run, args: &[&str]) -> anyhow::Result<Seen> {
    let said = run.ask(args)?;
    let first = said.err.lines().next().unwrap_or_default().to_owned();
    let took = said.status.success();
    let told = format!("{} {}: {first}", args.join(" "), said.status);
    Ok(Seen { took, told })
}

/// A single action that only reads. It waits for its host, so nobody waits for it.
fn step(run: &mut Run, random: &mut Rng) -> anyhow::Result<Seen> {
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
    Ok(Seen::took(args.join(" ")))
}
