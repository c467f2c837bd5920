//! Time. The only file that asks the machine what time it is or sleeps; everything else takes a [`Clock`], so that
//! tests run on virtual time and wait for nothing.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// Wall-clock time in milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since 1970.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is before it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, by: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)),
        )
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match chrono::DateTime::from_timestamp_millis(self.0) {
            Some(time) => write!(f, "{}", time.format("%Y-%m-%dT%H:%M:%S%.3fZ")),
            None => write!(f, "{} ms", self.0),
        }
    }
}

/// A pending wait.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What the machine's clocks say at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The wall clock, which people and time servers set.
    pub wall: Timestamp,
    /// The steady clock, which nobody sets: the time since some point, with what the machine slept.
    pub steady: Duration,
}

impl From<Timestamp> for Moment {
    /// On a machine whose wall clock is never set.
    fn from(wall: Timestamp) -> Self {
        Self {
            wall,
            steady: wall.since(Timestamp(0)),
        }
    }
}

/// Where time comes from.
pub trait Clock: Send + Sync {
    /// Now, by the wall clock.
    fn now(&self) -> Timestamp;
    /// Now, by both clocks.
    fn moment(&self) -> Moment;
    /// Resolves when `for_how_long` has passed.
    fn sleep(&self, for_how_long: Duration) -> Sleep;
}

/// The machine's own clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place where time comes from"
)]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp(chrono::Utc::now().timestamp_millis())
    }

    fn moment(&self) -> Moment {
        let since_boot = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(since_boot.tv_sec).unwrap_or(0);
        let nanos = u64::try_from(since_boot.tv_nsec).unwrap_or(0);
        Moment {
            wall: self.now(),
            steady: Duration::from_secs(seconds) + Duration::from_nanos(nanos),
        }
    }

    fn sleep(&self, for_how_long: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(for_how_long))
    }
}

/// A clock that moves only when told, for tests.
#[derive(Clone, Default)]
pub struct VirtualClock {
    inner: Arc<Mutex<VirtualTime>>,
}

#[derive(Default)]
struct VirtualTime {
    /// How far the wall clock was set, in milliseconds.
    set: i64,
    now: Timestamp,
    sleepers: Vec<(Timestamp, tokio::sync::oneshot::Sender<()>)>,
}

impl VirtualClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self {
            inner: Arc::new(Mutex::new(VirtualTime {
                now,
                ..VirtualTime::default()
            })),
        }
    }

    /// A clock of its own that says the same now: that of a new master, whose dead one sees no time pass any more.
    #[must_use]
    pub fn another(&self) -> Self {
        let time = self.lock();
        let inner = VirtualTime {
            set: time.set,
            now: time.now,
            sleepers: Vec::new(),
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    /// Sets the wall clock forward, or back if `millis` are negative. Whoever sleeps does not notice.
    pub fn set_by(&self, millis: i64) {
        self.lock().set += millis;
    }

    fn lock(&self) -> MutexGuard<'_, VirtualTime> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the clock forward and wakes whoever waited for that.
    pub fn advance(&self, by: Duration) {
        let mut time = self.lock();
        time.now = time.now + by;
        let now = time.now;
        let (due, later) = std::mem::take(&mut time.sleepers)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        time.sleepers = later;
        drop(time);
        for (_, wake) in due {
            // A sleeper that no longer waits has dropped its end.
            let _ = wake.send(());
        }
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.moment().wall
    }

    fn moment(&self) -> Moment {
        let time = self.lock();
        Moment {
            wall: Timestamp(time.now.0.saturating_add(time.set)),
            steady: time.now.since(Timestamp(0)),
        }
    }

    fn sleep(&self, for_how_long: Duration) -> Sleep {
        let mut time = self.lock();
        let (wake, woken) = tokio::sync::oneshot::channel();
        let at = time.now + for_how_long;
        time.sleepers.push((at, wake));
        Box::pin(async move {
            let _ = woken.await;
        })
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    #[test]
    fn a_time_is_written_in_utc_with_its_milliseconds() {
        let time = Timestamp::from_millis(1_700_000_000_123);
        assert_eq!(time.to_string(), "2023-11-14T22:13:20.123Z");
        assert_eq!(time.as_millis(), 1_700_000_000_123);
    }

    #[test]
    fn the_steady_clock_of_the_machine_counts_from_its_boot() {
        let uptime = || {
            let said = std::fs::read_to_string("/proc/uptime").unwrap();
            Duration::from_secs_f64(said.split(' ').next().unwrap().parse().unwrap())
        };
        // What the kernel says there is cut to hundredths.
        let hundredth = Duration::from_millis(10);
        let before = uptime();
        let moment = SystemClock.moment();
        assert!(before <= moment.steady, "{before:?} {moment:?}");
        assert!(moment.steady <= uptime() + hundredth, "{moment:?}");
        assert!(
            moment.wall > Timestamp::from_millis(1_700_000_000_000),
            "{moment:?}"
        );
    }

    #[test]
    fn whoever_sleeps_on_a_virtual_clock_wakes_when_it_is_time_and_not_before() {
        let clock = VirtualClock::at(Timestamp::from_millis(1_000));
        let mut sleep = clock.sleep(Duration::from_secs(2));
        let mut context = Context::from_waker(Waker::noop());
        assert!(sleep.as_mut().poll(&mut context).is_pending());
        clock.advance(Duration::from_secs(1));
        assert!(sleep.as_mut().poll(&mut context).is_pending());
        clock.advance(Duration::from_secs(1));
        assert!(sleep.as_mut().poll(&mut context).is_ready());
        assert_eq!(clock.now(), Timestamp::from_millis(3_000));
    }
}
