//! What must hold at each quiet point, of the whole pool at once.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, ensure};

use super::acknowledged::{KEPT, numbers};
use super::fleet::Guest;
use super::quiet::text;
use super::run::Run;
use crate::guests;
use crate::lab_pool;
use crate::site::answers;

/// What a host has of guests: roots and definitions under which somebody could start one, what starts with it, and what
/// runs.
const GUESTS: &str = r#"
    cd /
    find var/lib/machines -mindepth 1 -maxdepth 1 ! -name '.*' -printf 'root %f\n'
    find etc/systemd/nspawn -name '*.nspawn' -printf 'definition %f\n' | sed 's/\.nspawn$//'
    find etc/systemd/system -path '*.wants/systemd-nspawn@*.service' -printf 'enabled %f\n' |
        sed 's/systemd-nspawn@//; s/\.service$//'
    systemctl list-units --plain --no-legend --state=active,activating,deactivating 'systemd-nspawn@*' |
        sed 's/^systemd-nspawn@\(.*\)\.service .*/runs \1/'
"#;

/// A host, and one of the four things that it can have of a guest.
type Facts = BTreeSet<(String, String)>;

impl Run {
    /// Checks it all.
    pub(super) fn is_in_order(&mut self) -> anyhow::Result<()> {
        self.locks_have_jobs()?;
        self.site.nothing_is_left()?;
        self.graces_are_kept()?;
        self.schedule_keeps_time()?;
        let places = self.places()?;
        let mut facts = self.facts()?;
        let mut guests = std::mem::take(&mut self.fleet.guests);
        let checked = guests.iter_mut().try_for_each(|guest| {
            let found = facts.remove(&guest.name).unwrap_or_default();
            self.guest_is_in_order(guest, places.get(&guest.name), &found)
                .with_context(|| format!("{} with {found:?}", guest.name))
        });
        self.fleet.guests = guests;
        checked?;
        self.generations_are_whole()?;
        ensure!(facts.is_empty(), "guests that nobody made: {facts:?}");
        self.tell("all is in order")
    }

    /// A purge whose time has just come holds its guest for a moment. Nothing else may be held.
    fn locks_have_jobs(&self) -> anyhow::Result<()> {
        let locks = self.ask(&["locks", "--json"])?.json()?;
        for lock in locks["locks"].as_array().context("no locks")? {
            let job = self.site.job(text(lock, "job")?)?;
            ensure!(job["operation"] == "purge", "{lock} is held by {}", job["title"]);
        }
        Ok(())
    }

    fn places(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let list = self.ask(&["guest", "list", "--json"])?.json()?;
        let guests = list["guests"].as_array().context("no guests")?.iter();
        guests
            .map(|one| Ok((text(one, "guest")?.to_owned(), text(one, "host")?.to_owned())))
            .collect()
    }

    fn facts(&self) -> anyhow::Result<BTreeMap<String, Facts>> {
        let mut facts: BTreeMap<String, Facts> = BTreeMap::new();
        for host in &self.hosts {
            let said = self.site.lab.run(host, GUESTS)?;
            for line in said.lines() {
                let (what, name) = line.split_once(' ').context("half a line")?;
                // What a job has fenced is no guest: nobody can start it, and `gc` knows whose it is.
                if ![".moved-", ".replaced-", ".removed-"]
                    .iter()
                    .any(|mark| name.contains(mark))
                {
                    let guest = facts.entry(name.to_owned()).or_default();
                    guest.insert((host.clone(), what.to_owned()));
                }
            }
        }
        Ok(facts)
    }

    /// Checks one guest, and remembers how it is.
    fn guest_is_in_order(
        &mut self,
        guest: &mut Guest,
        place: Option<&String>,
        found: &Facts,
    ) -> anyhow::Result<()> {
        if !guest.lives {
            ensure!(
                place.is_none() && found.is_empty(),
                "it was never made, or is removed: {place:?}"
            );
            return Ok(());
        }
        let place = place.context("it is not in placement")?;
        let expected = guest.place.as_ref().unwrap_or(place);
        ensure!(
            expected == place,
            "it went to {expected}, and placement says {place}"
        );
        let runs = found.iter().any(|(_, what)| what == "runs");
        let may_run = [
            guest.running,
            if guest.shaken {
                guest.enabled
            } else {
                guest.running
            },
        ];
        let either = guest.shaken && guest.switched;
        ensure!(
            either || may_run.contains(&runs),
            "running: {runs}, and not {}",
            guest.running
        );
        (guest.running, guest.shaken, guest.switched) = (runs, false, false);
        guest.place = Some(place.clone());
        let mut due: Facts = ["root", "definition"]
            .map(|what| (place.clone(), what.to_owned()))
            .into();
        due.extend(guest.enabled.then(|| (place.clone(), "enabled".to_owned())));
        due.extend(runs.then(|| (place.clone(), "runs".to_owned())));
        ensure!(*found == due, "this is due: {due:?}");
        if runs {
            answers(&guest.address, &guest.name)?;
        }
        self.is_whole(guest, place)?;
        self.has_what_it_acknowledged(guest, place)
    }

    /// Its files are those that it was made with, in everything that a file has.
    fn is_whole(&mut self, guest: &Guest, place: &str) -> anyhow::Result<()> {
        let host = lab_pool::host(&self.site.lab, place)?;
        let root = format!("var/lib/machines/{}", guest.name);
        let reference = self.fleet.reference(&guest.name);
        if !reference.exists() {
            guests::take(&*host, &root, &reference)?;
            // One that was made and renamed in one round has been seen under no other name.
            let before = guest.former.iter().rev().map(|name| self.fleet.reference(name));
            let Some(before) = before.into_iter().find(|before| before.exists()) else {
                return Ok(());
            };
            return guests::same_under_another_name(&before, &reference);
        }
        self.tally.compared += 1;
        guests::same(&reference, &*host, &root)
    }

    fn has_what_it_acknowledged(&mut self, guest: &Guest, place: &str) -> anyhow::Result<()> {
        let Some(client) = &guest.client else {
            return Ok(());
        };
        // In this order: what is acknowledged from here on may be there or not.
        let acknowledged = client.acknowledged();
        let kept = format!("cat /var/lib/machines/{}/{KEPT}", guest.name);
        let kept = numbers(&self.site.lab.run(place, &kept)?)?;
        let lost: Vec<_> = acknowledged.difference(&kept).collect();
        ensure!(
            lost.is_empty(),
            "{} acknowledged writes are lost: {lost:?}",
            lost.len()
        );
        Ok(())
    }
}
