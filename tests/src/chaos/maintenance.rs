//! Hosts in maintenance. What was answered about it outlives every master; and as long as a host is in maintenance nothing
//! new is taken in that would go there, while everything that was taken in before ends as ever.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, ensure};
use fastrand::Rng;

use super::draw::Seen;
use super::faults::is_well;
use super::quiet::text;
use super::run::Run;

/// What is known of hosts in maintenance.
#[derive(Default)]
pub(super) struct Maintained {
    hosts: BTreeSet<String>,
    /// Those that somebody asked about without an answer.
    unsure: BTreeSet<String>,
}

impl Maintained {
    /// Whether it is in maintenance, for sure.
    fn has(&self, host: &str) -> bool {
        self.hosts.contains(host) && !self.unsure.contains(host)
    }
}

/// Begins it for a host, or ends it.
pub(super) fn switch(run: &mut Run, random: &mut Rng) -> anyhow::Result<Seen> {
    let host = run.any_host(random);
    let on = !run.maintained.hosts.contains(&host);
    // With none in service nothing could be tried.
    if on && run.maintained.hosts.len() + 1 == run.hosts.len() {
        return Ok(Seen::in_vain(format!("{host} is the last in service")));
    }
    let took = run.maintain(&host, on)?;
    let word = if on { "on" } else { "off" };
    Ok(Seen {
        took,
        told: format!("{host} {word}"),
    })
}

/// All guests of a host move elsewhere. It is in maintenance from its first step on.
pub(super) fn evacuate(run: &mut Run, random: &mut Rng) -> anyhow::Result<Seen> {
    let (host, twice) = (run.any_host(random), super::operations::twice(random));
    if run.maintained.hosts.len() + 1 >= run.hosts.len() {
        return Ok(Seen::in_vain(format!("{host} is the last in service")));
    }
    let args = [
        "evacuate",
        "--host",
        &host,
        "--on-budget",
        "proceed",
        "--grace",
        "1s",
    ];
    let seen = run.submit(None, &args, twice)?;
    if seen.took {
        run.maintained.hosts.insert(host.clone());
        run.maintained.unsure.insert(host.clone());
    }
    Ok(seen.of(args[1..].join(" ")))
}

impl Run {
    /// Says so, and remembers whether it was answered.
    fn maintain(&mut self, host: &str, on: bool) -> anyhow::Result<bool> {
        let word = if on { "on" } else { "off" };
        let said = self.ask(&["host", "maintenance", host, word, "--reason", "chaos"])?;
        let answered = said.status.success();
        ensure!(answered || !is_well(self), "{said:?}");
        let Maintained { hosts, unsure } = &mut self.maintained;
        match answered {
            true => unsure.remove(host),
            false => unsure.insert(host.to_owned()),
        };
        match on {
            true => hosts.insert(host.to_owned()),
            false => hosts.remove(host),
        };
        Ok(answered)
    }

    /// A job was taken in: it goes to no host that is in maintenance.
    pub(super) fn goes_where_it_may(&self, args: &[&str]) -> anyhow::Result<()> {
        let mut words = args
            .iter()
            .skip_while(|word| !["--dst", "--host"].contains(*word));
        let host = words.nth(1).copied().unwrap_or_default();
        let is_new = args.contains(&"move") || args.contains(&"create");
        let goes = is_new && self.maintained.has(host);
        ensure!(!goes, "{host} is in maintenance, and this was taken in: {args:?}");
        Ok(())
    }

    /// The master knows each host as it was told to, whoever was the master then; and then all are in service.
    pub(super) fn end_maintenance(&mut self) -> anyhow::Result<()> {
        let list = self.ask(&["host", "list", "--json"])?.json()?;
        let list = list["hosts"].as_array().context("no hosts")?;
        let states: BTreeMap<&str, &str> = list
            .iter()
            .map(|host| Ok((text(host, "host")?, text(host, "state")?)))
            .collect::<anyhow::Result<_>>()?;
        for host in self.hosts.clone() {
            let state = *states.get(host.as_str()).context("no such host")?;
            let is_sure = !self.maintained.unsure.contains(&host);
            let known = self.maintained.hosts.contains(&host);
            ensure!(
                !is_sure || known == (state == "maintenance"),
                "{host} was left in maintenance: {known}, and is: {state}"
            );
            if state == "maintenance" {
                ensure!(self.maintain(&host, false)?, "it cannot be ended");
            }
        }
        self.maintained = Maintained::default();
        Ok(())
    }
}
