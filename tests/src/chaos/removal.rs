//! Guests that are taken away, and taken back: gone, nothing of one can start anywhere, and what it acknowledged before is in its
//! last generation; back, it is as it was. A name is not given to another guest: its generations are its own.

use std::collections::BTreeSet;

use fastrand::Rng;

use super::clock::LONG;
use super::draw::Seen;
use super::fleet::Effect;
use super::operations::twice;
use super::run::Run;

/// So many live on, for all the rest to happen to.
const LEAST: usize = 6;

pub(super) fn remove(run: &mut Run, random: &mut Rng) -> anyhow::Result<Seen> {
    let (name, twice, keeps) = (run.any_guest(random), twice(random), random.u8(0..3) > 0);
    let grace = [LONG, LONG, "1m", "20s"][random.usize(0..4)];
    let removed = run.sent.iter().filter_map(|sent| sent.does.as_ref());
    let removed = removed.filter(|(_, effect)| matches!(effect, Effect::Remove { .. }));
    let live = run.fleet.guests.iter().filter(|guest| guest.lives);
    if live.count() <= LEAST + removed.count() {
        return Ok(Seen::in_vain("few are left"));
    }
    let mut args = vec!["remove", "--name", &name, "--stop", "--grace", grace];
    args.extend((!keeps).then_some("--no-keep"));
    let client = run.fleet.named(&name)?.client.as_ref();
    let acknowledged = || client.map_or_else(BTreeSet::new, |client| client.acknowledged());
    let kept = keeps.then(acknowledged);
    let seen = run.submit(Some((&name, Effect::Remove { kept })), &args, twice)?;
    Ok(seen.of(args[1..].join(" ")))
}

pub(super) fn undelete(run: &mut Run, random: &mut Rng) -> anyhow::Result<Seen> {
    let (drawn, twice) = (random.usize(0..1 << 20), twice(random));
    let mut removed = run.fleet.guests.iter().filter(|guest| guest.removed);
    let count = removed.clone().count();
    let Some(name) = removed.nth(drawn % count.max(1)).map(|guest| guest.name.clone()) else {
        return Ok(Seen::in_vain("nobody was removed"));
    };
    let seen = run.submit(
        Some((&name, Effect::Undelete)),
        &["undelete", "--name", &name],
        twice,
    )?;
    Ok(seen.of(&name))
}
