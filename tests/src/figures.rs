//! Figures of a run that people want to see at its end: how many points a matrix had, how many bytes were sent.

use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::Write;

/// The file whose lines `./test` prints at the end.
const KEPT_IN: &str = "VSJOB_FIGURES";

/// Tells a figure: in the file that keeps them, or else on standard output.
pub fn tell(figure: impl Display) {
    let kept = std::env::var_os(KEPT_IN).and_then(|path| {
        let mut file = OpenOptions::new().create(true).append(true).open(path).ok()?;
        file.write_all(format!("{figure}\n").as_bytes()).ok()
    });
    if kept.is_none() {
        // Nobody may be reading; that changes nothing of what was tested.
        let _ = writeln!(std::io::stdout(), "{figure}");
    }
}
