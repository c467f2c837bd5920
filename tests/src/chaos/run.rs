//! A run: a site and its guests, round after round until its time is over; and what of it is told.

use std::collections::BTreeSet;
use std::fmt;
use std::process::Child;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use fastrand::Rng;
use tempfile::TempDir;
use vsjob_engine::{Clock, SystemClock};

use super::Seed;
use super::clock::Purges;
use super::disk;
use super::draw::{Befalls, Moment, Round, Seen};
use super::fleet::{Effect, Fleet};
use super::maintenance::Maintained;
use super::tally::Tally;
use super::trace::Trace;
use super::troubles::{Trouble, Troubles};
use crate::fate::Fate;
use crate::program::Said;
use crate::site::Site;

/// How long a happening waits for its moment: a bound, should the job be held up.
const MOMENT: Duration = Duration::from_secs(6);

/// In how many moves something is tried that never had an effect.
const ATTEMPTS: u64 = 10;

/// How far a run goes.
#[derive(Clone, Copy, Debug)]
pub struct Length {
    /// How many hosts there are.
    pub hosts: u8,
    /// The first round: those before it are left out.
    pub from: u64,
    /// No round begins later than this.
    pub time: Duration,
    /// Every line of the trace is told on standard output too.
    pub aloud: bool,
}

/// A job that was submitted in this round.
pub(super) struct Sent {
    /// Its id, unless the master went away before it had answered.
    pub id: Option<String>,
    /// What was asked for.
    pub args: Vec<String>,
    /// The guest, and what becomes of it. None: it is a batch.
    pub does: Option<(String, Effect)>,
}

/// A run as it goes.
pub(super) struct Run {
    pub site: Site,
    pub hosts: Vec<String>,
    pub fleet: Fleet,
    pub troubles: Troubles,
    pub fate: Fate,
    /// Where backups are kept.
    pub generations: TempDir,
    pub purges: Purges,
    pub maintained: Maintained,
    pub sent: Vec<Sent>,
    /// Jobs of earlier rounds.
    pub known: BTreeSet<String>,
    /// Invocations that wait for something; what they say does not matter, but that they end.
    pub waiting: Vec<Child>,
    /// Something befell a host or a line in this round.
    pub stormy: bool,
    pub tally: Tally,
    seed: Seed,
    trace: Trace,
    /// The round and the happening of now.
    at: (u64, usize),
}

/// Runs it. `None` where the lab cannot run; this has said so.
///
/// # Errors
/// Something that was promised does not hold. The error says where the trace is, and how it is repeated.
pub fn run(seed: Seed, length: Length) -> anyhow::Result<Option<Tally>> {
    let mut fate = None;
    // Not on the master's own disk, which is full at times.
    let generations = tempfile::Builder::new().prefix("vsjob-generations-").tempdir()?;
    let site = Site::prepared(
        length.hosts,
        |_| "",
        |lab, program| {
            fate = Fate::of(program)?;
            std::fs::create_dir(program.state())?;
            program.set(&format!(
                "[generations]\nfolder = \"{}\"\n",
                generations.path().display()
            ))?;
            lab.small_disk(disk::SIZE, &program.state())
        },
    )?;
    let (Some(site), Some(fate)) = (site, fate) else {
        return Ok(None);
    };
    let mut run = Run {
        hosts: site.hosts()?,
        site,
        fleet: Fleet::new()?,
        troubles: Troubles::default(),
        fate,
        generations,
        purges: Purges::default(),
        maintained: Maintained::default(),
        sent: Vec::new(),
        known: BTreeSet::new(),
        waiting: Vec::new(),
        stormy: false,
        tally: Tally::default(),
        seed,
        trace: Trace::new(seed, length.aloud)?,
        at: (0, 0),
    };
    match run.rounds(length) {
        Ok(()) => Ok(Some(run.tally)),
        Err(error) => {
            let kept = run.keep(&error);
            Err(error.context(format!(
                "seed {seed}, round {}, happening {}: the trace is {}, and {kept}; again by \
                 `tests/chaos --seed {seed} --hosts {}`",
                run.at.0,
                run.at.1,
                run.trace.path().display(),
                length.hosts
            )))
        }
    }
}

impl Run {
    fn rounds(&mut self, length: Length) -> anyhow::Result<()> {
        for (name, archive) in self.fleet.templates()? {
            self.site.template(name, &archive)?;
        }
        self.settle()?;
        let begin = SystemClock.now();
        self.at = (length.from.saturating_sub(1), 0);
        while SystemClock.now().since(begin) <= length.time {
            self.round(self.seed.round(self.at.0 + 1))?;
        }
        self.make_up()?;
        self.reboot_all().context("at the end")?;
        let clients = self.fleet.guests.iter().filter_map(|guest| guest.client.as_ref());
        self.tally.acknowledged = clients.map(|client| client.acknowledged().len() as u64).sum();
        Ok(())
    }

    /// What has never had an effect, because nothing was there that it could befall, happens in a move of its own now.
    fn make_up(&mut self) -> anyhow::Result<()> {
        for row in self.tally.missing() {
            let mut attempts = 1..=ATTEMPTS;
            while !self.tally.has_taken(row) {
                let attempt = attempts.next();
                let attempt = attempt.with_context(|| format!("'{}' never had an effect", row.name))?;
                self.round(Round::with(row, attempt))?;
            }
        }
        Ok(())
    }

    fn round(&mut self, round: Round) -> anyhow::Result<()> {
        let number = self.at.0 + 1;
        self.at = (number, 0);
        self.tell(format_args!("round {number}"))?;
        self.resume_schedule()?;
        for (number, mut happening) in (1..).zip(round.happenings) {
            self.begin(number);
            self.await_moment(happening.moment)?;
            let row = happening.row;
            self.stormy |= row.befalls == Befalls::Host;
            let seen = (row.happen)(self, &mut happening.random).with_context(|| row.name)?;
            self.tally.count(row, seen.took);
            self.tell(format_args!(
                "{number:>3}. {}, {}: {}",
                row.name, happening.moment, seen.told
            ))?;
            self.heal_due()?;
            self.master_lives()?;
        }
        let mut random = round.random;
        self.come_to_rest(&mut random).context("coming to rest")?;
        self.is_in_order().context("at a quiet point")?;
        self.tally.rounds += 1;
        if random.u8(0..4) == 0 {
            self.reboot_all()?;
        }
        Ok(())
    }

    fn await_moment(&mut self, moment: Moment) -> anyhow::Result<()> {
        let Moment::Event(number) = moment else {
            return Ok(());
        };
        let last = self.sent.last().and_then(|sent| sent.id.clone());
        if let Some(id) = last.filter(|_| !self.troubles.has(&Trouble::NoMaster)) {
            self.site.follow(&id)?.until_number(number, MOMENT);
        }
        Ok(())
    }

    /// Adds a line to the trace.
    pub(super) fn tell(&mut self, line: impl fmt::Display) -> anyhow::Result<()> {
        self.trace.tell(line)
    }

    /// Now the happening of that number is due.
    pub(super) fn begin(&mut self, number: usize) {
        self.at.1 = number;
    }

    /// Runs `vsjob ARGS`, which may be refused or not be answered at all, but never break.
    pub(super) fn ask(&self, args: &[&str]) -> anyhow::Result<Said> {
        let said = self.site.vsjob(args)?;
        let is_broken = said.status.code().is_none_or(|code| code == 70 || code == 2);
        ensure!(!is_broken && !said.err.contains("panicked"), "{args:?}: {said:?}");
        Ok(said)
    }

    /// Submits a job for a guest, or a batch, or the same twice at once, and answers what was said.
    pub(super) fn submit(
        &mut self,
        does: Option<(&str, Effect)>,
        args: &[&str],
        twice: bool,
    ) -> anyhow::Result<Seen> {
        let key = format!("{}-{}-{}", self.seed, self.at.0, self.at.1);
        let args = [&["submit"], args, &["--idempotency-key", &key]].concat();
        let invocations: Vec<_> = (0..=u8::from(twice))
            .map(|_| {
                let mut command = self.site.program.command(&args);
                let piped = std::process::Stdio::piped;
                command.stdout(piped()).stderr(piped()).spawn()
            })
            .collect::<Result<_, _>>()?;
        let mut ids = Vec::new();
        let mut refusal = String::new();
        let mut unsure = false;
        for invocation in invocations {
            let said = crate::program::said(invocation.wait_with_output()?)?;
            match said.status.code() {
                Some(0) => ids.push(said.out.trim().to_owned()),
                Some(4) => refusal = said.err.trim().replace('\n', "; "),
                // No master, or one that cannot write: nobody knows.
                Some(5 | 7) => unsure = true,
                _ => bail!("{args:?}: {said:?}"),
            }
        }
        ids.dedup();
        ensure!(ids.len() <= 1, "one key, and these jobs: {ids:?}");
        let id = ids.pop();
        if id.is_some() {
            self.goes_where_it_may(&args)?;
        }
        let seen = match &id {
            Some(id) => format!("job {}", &id[id.len() - 8..]),
            None if unsure => "nobody answered".to_owned(),
            None => refusal,
        };
        let before = self.sent.len();
        if id.is_some() || unsure {
            self.sent.push(Sent {
                id,
                args: args.iter().map(|&arg| arg.to_owned()).collect(),
                does: does.map(|(guest, effect)| (guest.to_owned(), effect)),
            });
        }
        let took = self.sent.len() > before;
        let told = format!("{}{seen}", if twice { "twice: " } else { "" });
        Ok(Seen { took, told })
    }

    /// A host, drawn.
    pub(super) fn any_host(&self, random: &mut Rng) -> String {
        self.hosts[random.usize(0..self.hosts.len())].clone()
    }

    /// What may help to understand a finding.
    fn keep(&mut self, error: &anyhow::Error) -> String {
        let _ = self.tell(format_args!("FINDING: {error:#}"));
        let mut told = String::new();
        for args in [
            &["status", "--all", "--limit", "100000"][..],
            &["locks"],
            &["gc"],
            &["scan"],
            &["guest", "list"],
        ] {
            let said = self.site.vsjob(args);
            told.push_str(&format!("== {args:?}\n{said:#?}\n").replace("\\n", "\n"));
        }
        for host in &self.hosts {
            let units = "journalctl -b --no-pager -n 300; ls -lR /var/lib/vsjob; ls -l /var/lib/machines";
            let said = self.site.lab.run(host, units);
            told.push_str(&format!(
                "== {host}\n{}\n",
                said.unwrap_or_else(|e| format!("{e:#}"))
            ));
        }
        let folder = self.site.program.folder();
        let written = std::fs::write(folder.join("told"), told);
        match written
            .map_err(anyhow::Error::from)
            .and_then(|()| self.trace.keep(folder))
        {
            Ok(kept) => format!("what is known besides in {}", kept.display()),
            Err(error) => format!("nothing else could be kept: {error:#}"),
        }
    }
}
