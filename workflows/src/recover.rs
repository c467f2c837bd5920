//! `recover`: the guests of a host that is off for good are brought back elsewhere, each from its newest generation, each to
//! where there is room. It is a batch of restores; which generation, and where to, stands in its plan. What the host has of
//! them is fenced if it ever comes back.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;
use vsjob_engine::HostName;

use crate::actions::keep_away::KeepAway;
use crate::batch::{self, Part};
use crate::evacuate::{TO, lives_on, parts, rooms};
use crate::{
    Facts, GenerationName, GuestName, Line, Operation, Parameter, Parameters, Planned, Planner, Reading,
    Refusal, Site, Takes, restore,
};

pub(crate) const OPERATION: Operation = Operation {
    name: "recover",
    summary: "bring the guests of a dead host back elsewhere, each from its newest generation",
    parameters: &[
        Parameter::required("host", "HOST", "the host, which is put into maintenance"),
        Parameter::switch("host-is-off", "it is off and stays off; needs --reason"),
        TO,
        Parameter::switch("start", "start them, also those that did not run"),
    ],
    all: None,
    plan,
};

/// What the guests of a host would take elsewhere, as their generations tell, or why they cannot be brought back.
#[must_use]
pub fn recoverable(site: &Site, host: &HostName) -> BTreeMap<GuestName, Result<Takes, String>> {
    let takes = |guest: &GuestName| {
        let (_, generation) = site
            .generations
            .choose(guest, None)
            .map_err(|refusal| format!("{} {refusal}", refusal.code()))?;
        Ok(of_generation(&generation.facts, generation.size))
    };
    lives_on(site, host)
        .map(|guest| (guest.clone(), takes(guest)))
        .collect()
}

/// What it had in use is not known any more: a guest without a limit counts for no memory.
fn of_generation(facts: &Facts, size: u64) -> Takes {
    let takes_memory = facts.running == "yes" || facts.enabled == "yes";
    let limit: u64 = facts.rss.parse().unwrap_or(0);
    Takes {
        memory: if takes_memory { limit << 20 } else { 0 },
        disk: size,
        device: facts.device.parse().ok(),
    }
}

fn plan(request: &Reading<'_>, site: &Site) -> Result<Planned, Refusal> {
    let from: HostName = request.required("host")?;
    request.switch("host-is-off")?;
    site.known(&from)?;
    let guests: Vec<&GuestName> = lives_on(site, &from).collect();
    if guests.is_empty() {
        return Err(Refusal::NoGuests(Some(from)));
    }
    let mut chosen = BTreeMap::new();
    for guest in &guests {
        if let Ok((name, _)) = site.generations.choose(guest, None) {
            chosen.insert(*guest, name);
        }
    }
    let asked = |guest: &GuestName, to: &HostName| one(request, guest, chosen.get(guest), to);
    let may = |guest: &GuestName, to: &HostName| {
        let planned = restore::OPERATION.plan(&asked(guest, to), site);
        planned.map(drop).map_err(|refusal| refusal.to_string())
    };
    let rooms = rooms(request, site, &from, |_| Ok(()))?;
    let mut parts = parts("restore", &guests, site, rooms, may, asked)?;
    for Part { guest, words, job } in &mut parts {
        if let (Some(name), Some(words), true) = (chosen.get(guest), words, job.is_ok()) {
            words.push_str(&format!("; {}", lost(name, site.survey.now)));
        }
    }

    let mut p = Planner::default();
    p.here(KeepAway {
        host: Line::of(&from).map_err(|why| Refusal::bad("host", &why))?,
    });
    batch::steps(&mut p, &parts)?;
    Ok(Planned {
        title: format!("recover {from}: {} guests", parts.len()),
        plan: p.finish(),
        locks: Vec::new(),
        not_before: None,
    })
}

/// The request for the restore of one guest.
fn one(
    request: &Reading<'_>,
    guest: &GuestName,
    generation: Option<&GenerationName>,
    to: &HostName,
) -> Parameters {
    let mut given = request.given().clone();
    given.remove("dst");
    given.insert("name".to_owned(), guest.to_string());
    given.insert("host".to_owned(), to.to_string());
    given.insert("host-is-off".to_owned(), true.to_string());
    if let Some(generation) = generation {
        given.insert("generation".to_owned(), generation.to_string());
    }
    given
}

/// What is lost with a generation of that moment.
fn lost(name: &GenerationName, now: Option<NaiveDateTime>) -> String {
    let at = name.at().format("%Y-%m-%d %H:%M:%S UTC");
    let Some(minutes) = now.map(|now| (now - name.at()).num_minutes().max(0)) else {
        return format!("as of {at}");
    };
    let (days, hours) = (minutes / 1440, minutes / 60 % 24);
    let old = match (days, hours) {
        (0, 0) => format!("{minutes} min"),
        (0, hours) => format!("{hours} h {} min", minutes % 60),
        (days, hours) => format!("{days} d {hours} h"),
    };
    format!("as of {at}: the last {old} are lost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_told_in_the_largest_units() {
        let name: GenerationName = "20261128T023000000Z-1f2e3d4c".parse().unwrap();
        let at = |text: &str| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").ok();
        for (now, told) in [
            ("2026-11-28 02:31", "the last 1 min are lost"),
            ("2026-11-28 04:31", "the last 2 h 1 min are lost"),
            ("2026-12-01 03:30", "the last 3 d 1 h are lost"),
            // The clock was set back.
            ("2026-11-27 02:30", "the last 0 min are lost"),
        ] {
            let lost = lost(&name, at(now));
            assert!(
                lost.starts_with("as of 2026-11-28 02:30:00 UTC: ") && lost.ends_with(told),
                "{lost}"
            );
        }
    }

    #[test]
    fn a_guest_that_neither_ran_nor_started_with_its_host_takes_no_memory() {
        let facts = |running: &str, enabled: &str| Facts {
            running: running.to_owned(),
            enabled: enabled.to_owned(),
            rss: "512".to_owned(),
            device: "br0".to_owned(),
            ..Facts::default()
        };
        assert_eq!(of_generation(&facts("no", "yes"), 7).memory, 512 << 20);
        assert_eq!(of_generation(&facts("yes", "no"), 7).memory, 512 << 20);
        assert_eq!(of_generation(&facts("no", "no"), 7).memory, 0);
    }
}
