//! The engine's time. It runs with the machine's steady clock and follows the wall clock in small corrections only: set
//! forward a little, it is right at once; set back a little, it goes at half speed until it is right, and never back. A
//! wall clock that jumps by more than [`JUMP`] is not followed until somebody accepts it, and until then no job begins
//! that waits for a time of its own, such as a purge. What waits so counts only the time that a master was up.

use std::time::Duration;

use super::Core;
use crate::{Actor, ClockEvent, EngineError, Event, JobId, Moment, Timestamp};

/// The wall clock is believed when it moves by less than this.
pub(super) const JUMP: Duration = Duration::from_secs(600);
/// How much of the time that a master was up may be forgotten when it is killed.
const NOTED: Duration = Duration::from_secs(600);
/// While something waits for less, that is noted more often, but not more often than this.
const NOTED_AT_MOST: Duration = Duration::from_secs(10);

/// The engine's time at a moment of the machine's clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time {
    /// What it was,
    at: Timestamp,
    /// and what of a millisecond more: it is looked at more often than that, and must not stand still for it;
    rest: Duration,
    /// when the machine's clocks said this.
    moment: Moment,
}

impl Time {
    /// Begins where the wall clock is, but not before `seen`, when the last entry was written.
    pub(super) fn begin(moment: Moment, seen: Timestamp) -> Self {
        Self {
            at: moment.wall.max(seen),
            rest: Duration::ZERO,
            moment,
        }
    }

    /// The engine's time.
    pub(super) fn at(&self) -> Timestamp {
        self.at
    }

    /// The engine's time when the steady clock says so.
    fn read(&self, steady: Duration) -> Timestamp {
        self.at + steady.saturating_sub(self.moment.steady)
    }

    /// How far the wall clock is from the engine's time, either way.
    fn off(&self) -> Duration {
        self.moment
            .wall
            .since(self.at)
            .max(self.at.since(self.moment.wall))
    }

    /// Goes on to `moment` and follows its wall clock, if that is `believed`.
    fn go_on(&mut self, moment: Moment, believed: bool) {
        let passed = moment.steady.saturating_sub(self.moment.steady);
        // Half as fast until the wall clock has come up with it; one that is not behind is followed below.
        let goes_on = self.rest + if believed { passed / 2 } else { passed };
        self.at = self.at + goes_on;
        self.rest = Duration::from_nanos(u64::from(goes_on.subsec_nanos() % 1_000_000));
        if believed && moment.wall >= self.at {
            (self.at, self.rest) = (moment.wall, Duration::ZERO);
        }
        self.moment = moment;
    }
}

impl Core {
    /// Lets time pass.
    pub fn tick(&mut self, moment: impl Into<Moment>) {
        self.go_on_to(moment.into());
        self.pass_times();
        self.call_off();
        while let Some((at, id)) = self.alarms.first().copied()
            && at <= self.now
        {
            self.alarms.pop_first();
            self.advance(id);
        }
    }

    /// How long until [`Core::tick`] should be called next.
    #[must_use]
    pub fn next_wait(&self, moment: impl Into<Moment>) -> Option<Duration> {
        let now = self.time.read(moment.into().steady);
        self.next_alarm().map(|at| at.since(now))
    }

    /// The engine's time, as of the last tick.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// What the wall clock said at the last tick.
    #[must_use]
    pub fn wall(&self) -> Timestamp {
        self.time.moment.wall
    }

    /// The wall clock, which jumped, is right: the engine's time is its from now on. Waits stay as long as they are.
    ///
    /// # Errors
    /// It has not jumped.
    pub fn accept_clock(&mut self, actor: Actor) -> Result<(), EngineError> {
        if self.world.clock.jump.is_none() {
            return Err(EngineError::ClockInOrder);
        }
        let (before, after) = (self.now, self.wall());
        (self.time.at, self.time.rest) = (after, Duration::ZERO);
        self.now = after;
        let alarms = std::mem::take(&mut self.alarms);
        let moved = alarms.into_iter().map(|(at, id)| (after + at.since(before), id));
        self.alarms = moved.collect();
        self.record(Event::Clock(ClockEvent::Accepted { actor }));
        self.look_up_all();
        self.advance_all();
        Ok(())
    }

    fn go_on_to(&mut self, moment: Moment) {
        let mut next = self.time;
        next.go_on(moment, false);
        let believed = self.world.clock.jump.is_none() && next.off() <= JUMP;
        self.time.go_on(moment, believed);
        self.now = self.time.at;
        self.doubt();
        if let Some(least) = self
            .world
            .clock
            .due
            .keys()
            .filter_map(|id| self.time_left(*id))
            .min()
            && self.up_unnoted() >= noted_after(least)
        {
            self.note_up();
        }
    }

    /// Notices that the wall clock has jumped, against the steady one or against the journal.
    pub(super) fn doubt(&mut self) {
        if self.world.clock.jump.is_some() || self.time.off() <= JUMP {
            return;
        }
        let (from, to) = (self.now, self.wall());
        tracing::warn!(code = "VSJ0547", %from, %to, "the wall clock has jumped; what waits for its time is held until `vsjob clock accept`");
        self.record(Event::Clock(ClockEvent::Jumped { from, to }));
    }

    /// How long a master has been up over this store, in all.
    #[must_use]
    pub fn up(&self) -> Duration {
        self.world.clock.up + self.up_unnoted()
    }

    /// How much of it the journal does not know.
    fn up_unnoted(&self) -> Duration {
        self.time.moment.steady.saturating_sub(self.noted)
    }

    /// Writes down how long a master has been up.
    pub(super) fn note_up(&mut self) {
        let up = self.up();
        self.noted = self.time.moment.steady;
        self.record(Event::Clock(ClockEvent::Up { up }));
    }

    /// How long until the job's own time has come; `None` if it has, or if it has none.
    pub(super) fn time_left(&self, id: JobId) -> Option<Duration> {
        let due = self.world.clock.due.get(&id)?;
        due.checked_sub(self.up()).filter(|left| !left.is_zero())
    }

    /// Whether the job has to wait for its own time, or for the clock; and then looks at it again in time.
    pub(super) fn waits_for_its_time(&mut self, id: JobId) -> bool {
        if self.world.clock.jump.is_some() && self.world.clock.due.contains_key(&id) {
            return true;
        }
        let Some(left) = self.time_left(id) else {
            return false;
        };
        // A part of a millisecond would be no wait at all, and this would be asked again at once, without end.
        let wait = left.min(noted_after(left)).max(Duration::from_millis(1));
        self.alarms.insert((self.now + wait, id));
        true
    }
}

fn noted_after(least: Duration) -> Duration {
    (least / 8).clamp(NOTED_AT_MOST, NOTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: Timestamp = Timestamp::from_millis(1_764_000_000_000);

    fn moment(wall: Timestamp, micros: u64) -> Moment {
        Moment {
            wall,
            steady: Duration::from_micros(micros),
        }
    }

    #[test]
    fn time_goes_on_however_often_it_is_looked_at_while_the_wall_clock_is_behind() {
        let mut time = Time::begin(moment(BEGIN, 0), BEGIN);
        let behind = Timestamp::from_millis(BEGIN.as_millis() - 60_000);
        for micros in (0..100_000).step_by(700) {
            time.go_on(moment(behind, micros), true);
        }
        assert_eq!(time.at().since(BEGIN), Duration::from_millis(49));
    }
}
