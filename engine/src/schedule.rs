//! Schedules.

mod calendar;

pub use calendar::{BadCalendar, Calendar};
