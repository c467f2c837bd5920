//! Tries the points of a matrix side by side, and says which ended badly.

use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::ensure;

/// How many points are tried at once for each processor: most of a point's time is spent waiting.
const AT_ONCE: usize = 3;

/// Those points that are asked for: with `VSJOB_ONLY` in the environment, whose description contains that.
pub fn asked_for<P: Debug>(points: Vec<P>) -> Vec<P> {
    let only = std::env::var("VSJOB_ONLY").unwrap_or_default();
    points
        .into_iter()
        .filter(|point| format!("{point:?}").contains(&only))
        .collect()
}

/// Tries each point.
///
/// # Errors
/// Every point that ended badly, with what was wrong.
pub fn sweep<P: Debug + Sync>(
    points: &[P],
    try_one: impl Fn(&P) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<()> {
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(2, usize::from) * AT_ONCE;
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(point) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = try_one(point) {
                        let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
                        failures.push(format!("{point:?}: {error:#}"));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    ensure!(
        failures.is_empty(),
        "{} of {} points ended badly:\n{}",
        failures.len(),
        points.len(),
        failures.join("\n\n")
    );
    Ok(())
}
