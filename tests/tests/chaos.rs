//! Chaos on real hosts, for a while and with fixed seeds; `tests/chaos` runs it for as long as you like.

use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use vsjob_tests::chaos::{self, Length, Seed};
use vsjob_tests::figures;

/// When a run of all tests draws its last round: with what has to be made up, and the end, it takes ten minutes or so.
const LONGEST: Duration = Duration::from_secs(480);

#[test]
fn whatever_befalls_the_pool_nothing_is_lost_and_nothing_stays_half_way() -> anyhow::Result<()> {
    let seed = asked("SEED")?.unwrap_or(Seed::FIXED);
    let minutes: Option<u64> = asked("MINUTES")?;
    let length = Length {
        hosts: asked("HOSTS")?.unwrap_or(3),
        from: asked("FROM")?.unwrap_or(1),
        time: minutes.map_or(LONGEST, |minutes| Duration::from_secs(60 * minutes)),
        aloud: minutes.is_some(),
    };
    if let Some(tally) = chaos::run(seed, length)? {
        figures::tell(format_args!("chaos, seed {seed}: {tally}"));
    }
    Ok(())
}

/// What `tests/chaos` was asked for.
fn asked<T: FromStr>(what: &str) -> anyhow::Result<Option<T>>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let name = format!("VSJOB_CHAOS_{what}");
    let Ok(given) = std::env::var(&name) else {
        return Ok(None);
    };
    given.parse().map(Some).context(name)
}
