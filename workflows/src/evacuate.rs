//! `evacuate`: all guests move off a host, each to where there is room. It is a batch of moves whose destinations are chosen
//! when it is submitted, from what the hosts told then, and stand in its plan: a master that dies begins no guest's job
//! twice, and none elsewhere. Nothing new is sent to the host from its first step on, until a person says otherwise.

use std::collections::BTreeMap;

use vsjob_engine::HostName;

use crate::actions::keep_away::KeepAway;
use crate::batch::{self, Part};
use crate::room::{Place, Takes, bytes, places};
use crate::{
    GuestName, Line, OnBudget, Operation, Parameter, Parameters, Planned, Planner, Reading, Refusal, Room,
    Site, move_,
};

pub(crate) const OPERATION: Operation = Operation {
    name: "evacuate",
    summary: "move all guests off a host, each to where there is room, nearly live",
    parameters: &[
        Parameter::required("host", "HOST", "the host, which is put into maintenance"),
        TO,
        Parameter::optional("max-downtime", "TIME", "how long each may stand still (5s)"),
        Parameter::optional(
            "on-budget",
            "fail|proceed",
            "what to do with one that would stand still for longer (fail)",
        ),
        Parameter::optional("grace", "TIME", "when what they leave behind is deleted (7d)"),
        Parameter::ANY_HOUR,
    ],
    all: None,
    plan,
};

/// Where guests may go.
pub(crate) const TO: Parameter = Parameter::optional(
    "dst",
    "HOST[,HOST…]",
    "where they may go (any host without noselect in slaves.conf)",
);

fn plan(request: &Reading<'_>, site: &Site) -> Result<Planned, Refusal> {
    let from: HostName = request.required("host")?;
    site.known(&from)?;
    let guests: Vec<&GuestName> = lives_on(site, &from).collect();
    if guests.is_empty() {
        return Err(Refusal::NoGuests(Some(from)));
    }
    let arch = match site.survey.rooms.get(&from) {
        Some(Ok(room)) => &room.arch,
        Some(Err(why)) => return Err(silent(from, why)),
        None => return Err(silent(from, "it was not asked")),
    };
    if request.optional("on-budget")? == Some(OnBudget::Ask) {
        return Err(Refusal::bad("on-budget", &"the jobs of many guests ask nobody"));
    }
    let rooms = rooms(request, site, &from, |room| match room.arch == *arch {
        true => Ok(()),
        false => Err(format!("it is of {}, the guest of {arch}", room.arch)),
    })?;
    let asked = |guest: &GuestName, to: &HostName| one(request, guest, &from, to);
    let may = |guest: &GuestName, to: &HostName| {
        let planned = move_::OPERATION.plan(&asked(guest, to), site);
        planned.map(drop).map_err(|refusal| refusal.to_string())
    };
    let parts = parts("move", &guests, site, rooms, may, asked)?;

    let mut p = Planner::default();
    p.here(KeepAway {
        host: Line::of(&from).map_err(|why| Refusal::bad("host", &why))?,
    });
    batch::steps(&mut p, &parts)?;
    Ok(Planned {
        title: format!("evacuate {from}: {} guests", parts.len()),
        plan: p.finish(),
        locks: Vec::new(),
        not_before: None,
    })
}

fn silent(host: HostName, why: &str) -> Refusal {
    let why = why.to_owned();
    Refusal::Silent { host, why }
}

/// The request for the move of one guest.
fn one(request: &Reading<'_>, guest: &GuestName, from: &HostName, to: &HostName) -> Parameters {
    let mut given = request.given().clone();
    given.remove("host");
    given.insert("name".to_owned(), guest.to_string());
    given.insert("src".to_owned(), from.to_string());
    given.insert("dst".to_owned(), to.to_string());
    given
}

/// The guests that live on a host.
pub(crate) fn lives_on<'a>(site: &'a Site, host: &'a HostName) -> impl Iterator<Item = &'a GuestName> {
    let there = site.placement.iter().filter(move |(_, place)| *place == host);
    there.map(|(guest, _)| guest)
}

/// The hosts where guests of `from` may go: those that were named, else all that may be chosen; and why one cannot take any.
pub(crate) fn rooms(
    request: &Reading<'_>,
    site: &Site,
    from: &HostName,
    fits: impl Fn(&Room) -> Result<(), String>,
) -> Result<BTreeMap<HostName, Result<Room, String>>, Refusal> {
    let named = named(request)?;
    for host in &named {
        if host == from {
            return Err(Refusal::bad("dst", &"it is the host that they leave"));
        }
        site.host(host)?;
    }
    let chosen = site.hosts.iter().filter(|(host, known)| match named.is_empty() {
        true => known.selectable && *host != from && !site.maintenance.contains(*host),
        false => named.contains(host),
    });
    let rooms = chosen.map(|(host, _)| {
        let told = site.survey.rooms.get(host).cloned();
        let told = told.unwrap_or_else(|| Err("it was not asked".to_owned()));
        let room = told.and_then(|room| fits(&room).map(|()| room));
        (host.clone(), room)
    });
    Ok(rooms.collect())
}

/// The hosts that the request names as places to go to.
fn named(request: &Reading<'_>) -> Result<Vec<HostName>, Refusal> {
    let given: Option<String> = request.optional("dst")?;
    let names = given.iter().flat_map(|names| names.split(','));
    names
        .map(|name| name.trim().parse().map_err(|why| Refusal::bad("dst", &why)))
        .collect()
}

/// What is done about each guest: the job that brings it to its place, or why it stays. One that is refused costs the
/// others nothing; if all are, the whole is.
pub(crate) fn parts(
    operation: &'static str,
    guests: &[&GuestName],
    site: &Site,
    rooms: BTreeMap<HostName, Result<Room, String>>,
    may: impl Fn(&GuestName, &HostName) -> Result<(), String>,
    asked: impl Fn(&GuestName, &HostName) -> Parameters,
) -> Result<Vec<Part>, Refusal> {
    let measured = |guest: &GuestName| match site.survey.takes.get(guest) {
        Some(takes) => takes.as_ref().map_err(Clone::clone),
        None => Err("it was not asked for".to_owned()),
    };
    let known = guests
        .iter()
        .filter_map(|guest| Some((*guest, measured(guest).ok()?)));
    let mut places = places(known, rooms, may);
    let mut first = None;
    let mut parts = Vec::new();
    for guest in guests {
        let place = measured(guest).and_then(|takes| {
            let place = places.remove(*guest).unwrap_or_else(|| Err(String::new()))?;
            Ok((takes, place))
        });
        let (words, job) = match place {
            Ok((takes, place)) => {
                let words = words(operation, guest, takes, &place);
                (words, Ok((operation, asked(guest, &place.host))))
            }
            Err(why) => {
                let refusal = Refusal::NoRoom {
                    guest: (*guest).clone(),
                    why,
                };
                let told = format!("{} {refusal}", refusal.code());
                let words = format!("leave {guest} where it is: {told}");
                first.get_or_insert(refusal);
                (words, Err(told))
            }
        };
        parts.push(Part {
            guest: (*guest).clone(),
            job,
            words: Some(words),
        });
    }
    match first {
        Some(refusal) if parts.iter().all(|part| part.job.is_err()) => Err(refusal),
        _ => Ok(parts),
    }
}

fn words(operation: &str, guest: &GuestName, takes: &Takes, place: &Place) -> String {
    format!(
        "{operation} {guest} to {}: takes {} of memory and {} of disk, {} and {} are free there",
        place.host,
        bytes(takes.memory),
        bytes(takes.disk),
        bytes(place.memory),
        bytes(place.disk)
    )
}
