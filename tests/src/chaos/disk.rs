//! The disk of the master, full to the last byte or nearly so. New work is refused and says why; the master goes on, and so do
//! the jobs that it has, to their end; one that is killed meanwhile starts again, or says that there is no room to; and once
//! there is room new work is taken in at once.

use anyhow::Context;
use fastrand::Rng;

use super::draw::Seen;
use super::faults::is_well;
use super::run::Run;
use super::troubles::Trouble;
use crate::full_disk;
use crate::program::Said;

/// How large it is: the store and its index take a tenth.
pub(super) const SIZE: &str = "256M";

/// How many bytes stay free: less than what new work needs.
const LEAVES: [u32; 3] = [0, 1 << 20, 30 << 20];

/// New work that touches no host.
const NEW_WORK: [&str; 3] = ["submit", "demo", "--no-wait"];

pub(super) fn fill(run: &mut Run, random: &mut Rng) -> anyhow::Result<Seen> {
    let (leaves, lasts) = (LEAVES[random.usize(0..LEAVES.len())], random.usize(2..=8));
    if run.troubles.has(&Trouble::NoRoom) {
        return Ok(Seen::in_vain("it is full already"));
    }
    full_disk::fill(&run.site.program.state(), leaves)?;
    run.troubles.begin(Trouble::NoRoom, lasts);
    if is_well(run) {
        run.new_work()?.refuses("VSJ0103", 7)?;
    }
    Ok(Seen::took(format!("{} KiB are left", leaves / 1024)))
}

impl Run {
    fn new_work(&self) -> anyhow::Result<Said> {
        self.ask(&NEW_WORK)
    }

    /// There is room again. A master that found none for its index ends now, and another one makes the index again.
    pub(super) fn make_room(&mut self) -> anyhow::Result<()> {
        full_disk::make_room(&self.site.program.state())?;
        if is_well(self) && self.index_has_failed() {
            self.tell("  the index had found no room")?;
            self.site.take_master()?.ends()?;
            self.start_master()?;
        }
        Ok(())
    }

    fn index_has_failed(&self) -> bool {
        let log = self.site.program.log();
        let this_life = log.rsplit("the master is ready").next();
        this_life.is_some_and(|said| said.contains("the index failed"))
    }

    /// There is room again, and no other trouble.
    pub(super) fn takes_new_work(&self) -> anyhow::Result<()> {
        self.new_work()?.ok().map(drop).context("there is room again")
    }

    /// There is no room, and no other trouble.
    pub(super) fn takes_no_new_work(&self) -> anyhow::Result<()> {
        self.new_work()?.refuses("VSJ0103", 7)
    }

    /// A master that could not start: for want of room it may, but then it has said so, and starts as soon as there is some.
    pub(super) fn start_with_room(&mut self, why: anyhow::Error) -> anyhow::Result<()> {
        let log = self.site.program.log();
        let last = log
            .lines()
            .rev()
            .find(|line| line.contains("VSJ"))
            .unwrap_or_default();
        let is_full = self.troubles.has(&Trouble::NoRoom) && last.contains("VSJ0103");
        if !is_full {
            return Err(why.context("the master does not start again"));
        }
        full_disk::make_room(&self.site.program.state())?;
        self.troubles.forget(&Trouble::NoRoom);
        self.tell("  there was no room to start in")?;
        self.site.start_master().context("although there is room again")
    }
}
