//! `clock`: how late it is by the master, and whether it believes its wall clock.

use chrono::TimeDelta;

use crate::args::Clock;
use crate::complaint::Stop;
use crate::message::{ClockView, Moment};
use crate::session::Session;
use crate::{Exit, words};

pub(crate) async fn clock(session: &Session, clock: &Clock) -> Result<Exit, Stop> {
    let view: ClockView = match clock {
        Clock::Show => session.client.get("/v1/clock").await?,
        Clock::Accept { reason } => {
            let who = session.who(reason.as_ref());
            session.client.post("/v1/clock/accept", &who).await?
        }
    };
    let out = session.output;
    if out.json {
        out.document(&view)?;
    } else {
        let up = TimeDelta::seconds(i64::try_from(view.up).unwrap_or(i64::MAX / 1000));
        let rows = [
            ["by the master", &told(view.master)],
            ["by its wall clock", &told(view.wall)],
            ["masters were up", &words::span(up)],
        ];
        let rows = rows.map(|row| row.map(str::to_owned));
        out.table(["clock", "says"], rows.to_vec())?;
        if let Some(jump) = &view.jump {
            out.talk(format!(
                "the wall clock said {} when it was {}; what waits for a time of its own is held; if the clock is right: \
                 vsjob clock accept --reason …",
                told(jump.to),
                told(jump.from)
            ));
        }
    }
    let jumped = view.jump.is_some();
    Ok(if jumped { Exit::Differs } else { Exit::Done })
}

fn told(at: Moment) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}
