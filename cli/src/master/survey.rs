//! What hosts have room for, and what guests take, asked of the hosts for a request that looks for places. Changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use chrono::DateTime;
use futures::future::join_all;
use vsjob_engine::{Failure, HostName, Outputs};
use vsjob_workflows::{DeviceName, GuestName, Parameters, Room, Site, Survey, Takes, recoverable};

use super::house::House;
use super::look;

/// What a request for that operation needs to know. Nothing, for most.
pub(crate) async fn survey(house: &House, operation: &str, given: &Parameters, site: &Site) -> Survey {
    let Some(from) = given.get("host").and_then(|host| host.parse().ok()) else {
        return Survey::default();
    };
    let takes: BTreeMap<GuestName, _> = match operation {
        "evacuate" => {
            let guests = site.placement.iter().filter(|(_, host)| **host == from);
            let asked = join_all(guests.map(|(guest, _)| guest_takes(house, &from, guest)));
            asked.await.into_iter().collect()
        }
        "recover" => recoverable(site, &from),
        _ => return Survey::default(),
    };
    let devices: BTreeSet<&DeviceName> = takes
        .values()
        .filter_map(|takes| takes.as_ref().ok()?.device.as_ref())
        .collect();
    let devices: Vec<_> = devices.into_iter().map(ToString::to_string).collect();
    let hosts = site.hosts.keys().map(|host| room(house, host, devices.join(" ")));
    Survey {
        rooms: join_all(hosts).await.into_iter().collect(),
        takes,
        now: DateTime::from_timestamp_millis(house.clock.now().as_millis()).map(|now| now.naive_utc()),
    }
}

async fn guest_takes(
    house: &House,
    host: &HostName,
    guest: &GuestName,
) -> (GuestName, Result<Takes, String>) {
    let told = look::read(house, "measure-guest", host, &[("guest", guest.to_string())]).await;
    let takes = told.map_err(in_words).and_then(|told| {
        Ok(Takes {
            memory: number(&told, "memory")?,
            disk: number(&told, "disk")?,
            device: told.get("device").and_then(|device| device.parse().ok()),
        })
    });
    (guest.clone(), takes)
}

async fn room(house: &House, host: &HostName, devices: String) -> (HostName, Result<Room, String>) {
    let told = look::read(house, "measure-host", host, &[("devices", devices)]).await;
    let room = told.map_err(in_words).and_then(|told| {
        let lacks = told.get("lacks").into_iter().flat_map(|names| names.split(' '));
        Ok(Room {
            arch: told.get("arch").cloned().unwrap_or_default(),
            memory: number(&told, "memory")?,
            disk: number(&told, "disk")?,
            lacks: lacks.filter_map(|name| name.parse().ok()).collect(),
        })
    });
    (host.clone(), room)
}

fn number(told: &Outputs, key: &str) -> Result<u64, String> {
    let text = told.get(key).map_or("", String::as_str);
    text.parse().map_err(|_| format!("its {key} is not a number"))
}

fn in_words(failure: Failure) -> String {
    let text: String = failure
        .message
        .chars()
        .filter(|c| !c.is_control())
        .take(200)
        .collect();
    format!("{} {text}", failure.code)
}
