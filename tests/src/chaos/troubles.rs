//! Troubles that last for a while: how each ends.

use std::collections::BTreeMap;
use std::process::Child;

use anyhow::ensure;

use super::run::Run;
use crate::lab::Lab;

/// Makes room on the disk of a host, also for after a power cut.
const EMPTY: &str = "rm -f /var/full*; sync -f /var";

/// Something that is wrong until it is healed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trouble {
    /// The host is off.
    Off(String),
    /// Its cable is cut.
    Cut(String),
    /// These two do not hear each other.
    Apart(String, String),
    /// Its sshd stand still.
    Frozen(String),
    /// Its cable is slow.
    Slow(String),
    /// Its disk is full.
    Full(String),
    /// The master is to die at one of its next durable writes, or has died.
    Doomed,
    /// The master is not there.
    NoMaster,
    /// Its wall clock is wrong.
    WrongClock,
    /// Its disk is full.
    NoRoom,
}

/// The troubles of now, each with the number of happenings after which it ends.
#[derive(Default)]
pub(super) struct Troubles {
    present: BTreeMap<Trouble, usize>,
    /// Hosts that are going down and coming up by themselves.
    rebooting: BTreeMap<String, Child>,
}

impl Troubles {
    /// It is there for so many happenings.
    pub(super) fn begin(&mut self, trouble: Trouble, lasts: usize) {
        self.present.insert(trouble, lasts);
    }

    /// Whether it is there.
    pub(super) fn has(&self, trouble: &Trouble) -> bool {
        self.present.contains_key(trouble)
    }

    /// It is no more.
    pub(super) fn forget(&mut self, trouble: &Trouble) {
        self.present.remove(trouble);
    }

    /// Begins an orderly reboot of a host, which goes on by itself.
    pub(super) fn reboot(&mut self, lab: &Lab, host: &str) -> anyhow::Result<()> {
        self.await_reboot(host)?;
        let mut tool = Lab::tool_in(lab.folder(), "reboot");
        let rebooting = tool.arg(host).stderr(std::process::Stdio::null()).spawn()?;
        self.rebooting.insert(host.to_owned(), rebooting);
        Ok(())
    }

    /// Returns when a reboot of the host, should one be under way, is over.
    pub(super) fn await_reboot(&mut self, host: &str) -> anyhow::Result<()> {
        if let Some(mut rebooting) = self.rebooting.remove(host) {
            // What it is in the end is seen when the host is looked at.
            rebooting.wait()?;
        }
        Ok(())
    }

    /// Those that end now.
    fn due(&mut self) -> Vec<Trouble> {
        for left in self.present.values_mut() {
            *left = left.saturating_sub(1);
        }
        let due = self.present.iter().filter(|(_, left)| **left == 0);
        due.map(|(trouble, _)| trouble.clone()).collect()
    }

    fn all(&self) -> Vec<Trouble> {
        self.present.keys().cloned().collect()
    }
}

impl Run {
    /// One more happening has been: ends what does not last longer.
    pub(super) fn heal_due(&mut self) -> anyhow::Result<()> {
        let due = self.troubles.due();
        due.into_iter().try_for_each(|trouble| self.heal(&trouble))
    }

    /// Ends every trouble, but leaves the disk of the master as it is.
    pub(super) fn heal_all(&mut self) -> anyhow::Result<()> {
        for host in self.hosts.clone() {
            self.troubles.await_reboot(&host)?;
        }
        let all = self.troubles.all().into_iter();
        all.filter(|trouble| *trouble != Trouble::NoRoom)
            .try_for_each(|trouble| self.heal(&trouble))
    }

    pub(super) fn heal(&mut self, trouble: &Trouble) -> anyhow::Result<()> {
        // To end one may take the end of another.
        if !self.troubles.has(trouble) {
            return Ok(());
        }
        let lab = &self.site.lab;
        match trouble {
            Trouble::Off(host) => {
                lab.boot(host)?;
                if !self.troubles.has(&Trouble::Full(host.clone())) {
                    lab.run(host, EMPTY)?;
                }
            }
            Trouble::Cut(host) => lab.heal(host)?,
            Trouble::Apart(one, other) => lab.join(one, other)?,
            Trouble::Doomed => self.end_of_doom()?,
            Trouble::NoMaster => self.start_master()?,
            Trouble::NoRoom => self.make_room()?,
            Trouble::WrongClock => self.fate.wall_clock_is_ahead(0)?,
            Trouble::Frozen(host) => self.at(host, "pkill --signal CONT --exact --ns 1 --nslist pid sshd")?,
            Trouble::Slow(host) => self.at(host, "tc qdisc delete dev eth0 root")?,
            Trouble::Full(host) => self.at(host, EMPTY)?,
        }
        self.troubles.forget(trouble);
        self.tell(format_args!("  over: {trouble:?}"))
    }

    /// Runs a text on a host that may be off, or may have been booted anew since it was needed.
    fn at(&mut self, host: &str, text: &str) -> anyhow::Result<()> {
        self.troubles.await_reboot(host)?;
        // A host that is off has none of these troubles when it is on again, but for its full disk, which is seen to then.
        if !self.troubles.has(&Trouble::Off(host.to_owned())) {
            self.site.lab.run(host, &format!("{text} || true"))?;
        }
        Ok(())
    }

    /// Starts the master, which must become ready.
    pub(super) fn start_master(&mut self) -> anyhow::Result<()> {
        match self.site.start_master() {
            Ok(()) => Ok(()),
            Err(why) => self.start_with_room(why),
        }
    }

    /// The master lives on, or another one begins.
    fn end_of_doom(&mut self) -> anyhow::Result<()> {
        if !self.fate.end()? {
            return Ok(());
        }
        self.tell("  it has died at that write")?;
        self.site.take_master()?.was_killed()?;
        self.start_master()
    }

    /// Whether the host can be reached at its console.
    pub(super) fn is_on(&self, host: &str) -> bool {
        self.site.lab.run(host, "true").is_ok()
    }

    /// That no master has ended that was not made to.
    pub(super) fn master_lives(&mut self) -> anyhow::Result<()> {
        if self.troubles.has(&Trouble::NoMaster) || self.troubles.has(&Trouble::Doomed) {
            return Ok(());
        }
        ensure!(self.site.master_runs()?, "the master has ended by itself");
        Ok(())
    }
}
