//! Where guests find room: what each takes, what each host has, and who goes where. What is promised to one is not
//! promised to another, and the same facts give the same places.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDateTime;
use vsjob_engine::HostName;

use crate::{DeviceName, GuestName};

/// What a host has for guests from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// Its architecture, as `uname -m` tells it.
    pub arch: String,
    /// Bytes of memory that can be had.
    pub memory: u64,
    /// Bytes of disk that are free.
    pub disk: u64,
    /// Bridges that were asked for and that it does not have.
    pub lacks: BTreeSet<DeviceName>,
}

/// What a guest takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Takes {
    /// Bytes of memory.
    pub memory: u64,
    /// Bytes of disk.
    pub disk: u64,
    /// The bridge that it is on, if it is on one.
    pub device: Option<DeviceName>,
}

/// What hosts have told, each as it was asked, or why they have not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// The room of each host.
    pub rooms: BTreeMap<HostName, Result<Room, String>>,
    /// What each guest takes that is looked for a place for.
    pub takes: BTreeMap<GuestName, Result<Takes, String>>,
    /// When that was, in UTC.
    pub now: Option<NaiveDateTime>,
}

/// Where a guest goes, and what was free there before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub host: HostName,
    pub memory: u64,
    pub disk: u64,
}

impl Takes {
    /// Why it cannot be there, if so. A twentieth more of disk: the copy's own metadata, as the first steps of its job reckon.
    fn fits(&self, room: &Room) -> Result<(), String> {
        let disk = self.disk + self.disk / 20;
        match &self.device {
            Some(device) if room.lacks.contains(device) => Err(format!("it has no bridge {device}")),
            _ if self.memory > room.memory => Err(format!(
                "{} of memory are needed, {} are free",
                bytes(self.memory),
                bytes(room.memory)
            )),
            _ if disk >= room.disk => Err(format!(
                "{} of disk are needed, {} are free",
                bytes(disk),
                bytes(room.disk)
            )),
            _ => Ok(()),
        }
    }
}

/// Gives each guest the host with the most free memory among those where it fits and `may` be, the largest guest first;
/// of equal ones that with the most free disk.
pub(crate) fn places<'a>(
    guests: impl Iterator<Item = (&'a GuestName, &'a Takes)>,
    mut rooms: BTreeMap<HostName, Result<Room, String>>,
    may: impl Fn(&GuestName, &HostName) -> Result<(), String>,
) -> BTreeMap<GuestName, Result<Place, String>> {
    let mut guests: Vec<_> = guests.collect();
    guests.sort_by_key(|(name, takes)| (Reverse((takes.memory, takes.disk)), *name));
    let mut places = BTreeMap::new();
    for (guest, takes) in guests {
        let mut fitting = Vec::new();
        let mut reasons = Vec::new();
        for (host, room) in &rooms {
            let fits = room.as_ref().map_err(Clone::clone).and_then(|room| {
                may(guest, host)?;
                takes.fits(room).map(|()| room)
            });
            match fits {
                Ok(room) => fitting.push((room.memory, room.disk, Reverse(host.clone()))),
                Err(why) => reasons.push(format!("{host}: {why}")),
            }
        }
        let place = fitting
            .into_iter()
            .max()
            .map(|(memory, disk, Reverse(host))| Place { host, memory, disk });
        if let Some(Place { host, .. }) = &place
            && let Some(Ok(room)) = rooms.get_mut(host)
        {
            room.memory -= takes.memory.min(room.memory);
            room.disk -= (takes.disk + takes.disk / 20).min(room.disk);
        }
        places.insert(guest.clone(), place.ok_or_else(|| in_short(&reasons)));
    }
    places
}

/// A few of many reasons: where nothing fits it is mostly for the same one.
fn in_short(reasons: &[String]) -> String {
    const SHOWN: usize = 4;
    let mut text: String = reasons[..reasons.len().min(SHOWN)].join("; ");
    if reasons.len() > SHOWN {
        text.push_str(&format!("; and {} more", reasons.len() - SHOWN));
    }
    // It is one argument of a step.
    while text.len() > 800 {
        text.pop();
    }
    match text.is_empty() {
        true => "there is no other host".to_owned(),
        false => text,
    }
}

/// As people read them, in units of 1024.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["B", "KiB", "MiB", "GiB"];
    let mut unit = 0;
    let mut left = bytes;
    while left >= 10_240 && unit + 1 < UNITS.len() {
        left /= 1024;
        unit += 1;
    }
    format!("{left} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn room(memory: u64, disk: u64) -> Result<Room, String> {
        Ok(Room {
            arch: "x86_64".to_owned(),
            memory: memory * MIB,
            disk: disk * MIB,
            lacks: ["br7".parse().unwrap()].into(),
        })
    }

    fn placed(
        guests: &[(&str, u64, u64, &str)],
        rooms: &[(&str, Result<Room, String>)],
    ) -> BTreeMap<String, Result<String, String>> {
        let takes: Vec<(GuestName, Takes)> = guests
            .iter()
            .map(|(name, memory, disk, device)| {
                let takes = Takes {
                    memory: memory * MIB,
                    disk: disk * MIB,
                    device: device.parse().ok(),
                };
                (name.parse().unwrap(), takes)
            })
            .collect();
        let rooms = rooms
            .iter()
            .map(|(host, room)| (host.parse().unwrap(), room.clone()))
            .collect();
        let takes = takes.iter().map(|(name, takes)| (name, takes));
        places(takes, rooms, |_, _| Ok(()))
            .into_iter()
            .map(|(guest, place)| (guest.to_string(), place.map(|place| place.host.to_string())))
            .collect()
    }

    fn at(host: &str) -> Result<String, String> {
        Ok(host.to_owned())
    }

    #[test]
    fn what_one_guest_was_given_the_next_one_does_not_have() {
        let guests = [
            ("a", 400, 10, ""),
            ("b", 400, 10, ""),
            ("c", 400, 10, ""),
            ("d", 400, 10, ""),
        ];
        let placed = placed(&guests, &[("v1", room(1000, 500)), ("v2", room(900, 500))]);
        let on = |host: &str| placed.values().filter(|place| **place == at(host)).count();
        assert_eq!((on("v1"), on("v2")), (2, 2), "{placed:?}");
    }

    #[test]
    fn disk_is_counted_down_too_and_who_finds_none_is_told_why() {
        let guests = [("a", 0, 100, ""), ("b", 0, 100, "")];
        let placed = placed(
            &guests,
            &[("v1", room(1000, 200)), ("v2", Err("it is silent".to_owned()))],
        );
        assert_eq!(placed["a"], at("v1"));
        let why = placed["b"].as_ref().unwrap_err();
        assert!(
            why.contains("v1: 105 MiB of disk are needed, 95 MiB are free"),
            "{why}"
        );
        assert!(why.contains("v2: it is silent"), "{why}");
    }

    #[test]
    fn the_largest_is_placed_first_so_that_small_ones_do_not_take_its_place() {
        let guests = [("small", 100, 1, ""), ("tiny", 50, 1, ""), ("whale", 900, 1, "")];
        let placed = placed(&guests, &[("v1", room(950, 500)), ("v2", room(300, 500))]);
        assert_eq!(placed["whale"], at("v1"));
        assert_eq!((&placed["small"], &placed["tiny"]), (&at("v2"), &at("v2")));
    }

    #[test]
    fn nobody_goes_where_its_bridge_is_missing_and_equal_hosts_are_taken_by_name() {
        let placed = placed(
            &[("a", 1, 1, "br7"), ("b", 1, 1, "br0")],
            &[("v1", room(10, 10)), ("v2", room(10, 10))],
        );
        assert!(placed["a"].is_err());
        assert_eq!(placed["b"], at("v1"));
    }

    #[test]
    fn a_guest_fits_where_there_is_just_enough_memory_and_more_disk_than_it_takes() {
        let takes = |memory, disk| Takes {
            memory,
            disk,
            device: None,
        };
        let room = room(100, 210).unwrap();
        let fits = |memory, disk| takes(memory * MIB, disk * MIB).fits(&room);
        assert_eq!(fits(100, 199), Ok(()));
        // With a twentieth more.
        assert_eq!(
            fits(100, 200),
            Err("210 MiB of disk are needed, 210 MiB are free".to_owned())
        );
        assert_eq!(
            fits(101, 1),
            Err("101 MiB of memory are needed, 100 MiB are free".to_owned())
        );
    }

    #[test]
    fn amounts_and_reasons_are_short() {
        for (amount, shown) in [
            (0, "0 B"),
            (10_239, "10239 B"),
            (10_240, "10 KiB"),
            (10 << 20, "10 MiB"),
            (10 << 30, "10 GiB"),
            (20_000 << 30, "20000 GiB"),
        ] {
            assert_eq!(bytes(amount), shown);
        }
        let reasons = |count: usize, length: usize| in_short(&vec!["x".repeat(length); count]);
        assert_eq!(reasons(0, 1), "there is no other host");
        assert_eq!(reasons(4, 1), "x; x; x; x");
        assert_eq!(reasons(6, 1), "x; x; x; x; and 2 more");
        assert_eq!((reasons(1, 800).len(), reasons(1, 801).len()), (800, 800));
    }
}
