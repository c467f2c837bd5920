//! `scan` and `adopt`: how the pool is against what placement says. Reports; nothing guesses.

use std::collections::BTreeMap;

use vsjob_engine::{Actor, EngineError, HostName, Sighting};

use super::house::House;
use super::look::{self, Found};
use super::{held, view};
use crate::message::{GuestLine, Guests, ScanLine, Scanned, SilentHost};

/// Looks at every host and compares.
pub(crate) async fn scan(house: &House) -> Result<Scanned, EngineError> {
    let placement = house.engine.placement().await?;
    let looks = look::guests(house).await;
    let mut silent = Vec::new();
    let mut found: BTreeMap<String, Vec<(HostName, String)>> = BTreeMap::new();
    for (host, look) in looks {
        match look {
            Ok(guests) => {
                for Found { guest, state } in guests {
                    found.entry(guest).or_default().push((host.clone(), state));
                }
            }
            Err(failure) => silent.push(SilentHost {
                host: host.to_string(),
                trouble: view::failure(&failure),
            }),
        }
    }
    for (guest, host) in &placement {
        // A guest of a host that did not answer is not missing.
        if !silent.iter().any(|one| one.host == host.as_str()) {
            found.entry(guest.clone()).or_default();
        }
    }
    let guests = found
        .into_iter()
        .flat_map(|(guest, places)| lines(&guest, &places, placement.get(&guest)));
    let mut scanned = Scanned {
        guests: guests.collect(),
        silent,
        held: None,
    };
    scanned.held = held::held(house, &scanned).await?;
    Ok(scanned)
}

fn lines(guest: &str, places: &[(HostName, String)], placed: Option<&HostName>) -> Vec<ScanLine> {
    if places.is_empty() {
        let differs = placed.map(|host| format!("placement says {host}, where it is not"));
        let line = ScanLine {
            guest: guest.to_owned(),
            host: None,
            state: "missing".to_owned(),
            differs,
        };
        return vec![line];
    }
    let line = |(host, state): &(HostName, String)| ScanLine {
        guest: guest.to_owned(),
        host: Some(host.to_string()),
        state: state.clone(),
        differs: difference(host, places.len(), placed),
    };
    places.iter().map(line).collect()
}

fn difference(host: &HostName, copies: usize, placed: Option<&HostName>) -> Option<String> {
    match placed {
        None => Some("not in placement: `vsjob guest adopt` takes it in".to_owned()),
        Some(placed) if placed != host => Some(format!(
            "placement says {placed}: `vsjob guest adopt` takes it in where it is, if it is there alone"
        )),
        Some(_) if copies > 1 => Some("it is on another host too".to_owned()),
        Some(_) => None,
    }
}

/// Takes guests into placement that are on exactly one host and that placement does not know, or has on another host,
/// which says that it does not have them. One that a job has, or has moved while it was looked for, stays where it is.
/// Changes nothing on hosts.
pub(crate) async fn adopt(house: &House, only: Option<&str>, actor: &Actor) -> Result<Guests, EngineError> {
    // Both as they were before the look.
    let locks = match house.engine.is_held().await? {
        true => Vec::new(),
        false => house.engine.locks().await?,
    };
    let known = house.engine.placement().await?;
    let scanned = scan(house).await?;
    let mut adopted = Vec::new();
    for line in &scanned.guests {
        let copies = scanned
            .guests
            .iter()
            .filter(|other| other.guest == line.guest)
            .count();
        let Some(host) = line
            .host
            .as_deref()
            .and_then(|host| host.parse::<HostName>().ok())
        else {
            continue;
        };
        let is_known = known
            .get(&line.guest)
            .is_some_and(|placed| *placed == host || !has_answered(house, &scanned, placed));
        let seen = sighting(&line.guest, host, &known);
        let is_held = locks.iter().any(|held| held.key == seen.lock);
        let is_another = only.is_some_and(|only| only != seen.host.as_str());
        if copies > 1 || is_known || is_held || is_another {
            continue;
        }
        if house.engine.place(seen.clone(), actor.clone()).await? {
            adopted.push(GuestLine {
                guest: seen.guest,
                host: seen.host.to_string(),
            });
        }
    }
    Ok(Guests { guests: adopted })
}

fn sighting(guest: &str, host: HostName, known: &BTreeMap<String, HostName>) -> Sighting {
    Sighting {
        guest: guest.to_owned(),
        placed: known.get(guest).cloned(),
        lock: format!("guest/{guest}"),
        host,
    }
}

fn has_answered(house: &House, scanned: &Scanned, host: &HostName) -> bool {
    house.slaves.hosts.iter().any(|slave| slave.name == *host)
        && scanned.silent.iter().all(|silent| silent.host != host.as_str())
}
