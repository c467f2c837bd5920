//! What a test needs of the machine. A test that cannot be run says so, and the skipped ones are counted by what they
//! said.

use std::fs::OpenOptions;
use std::io::Write;

/// The file in which `./test` counts what was skipped.
const COUNTED_IN: &str = "VSJOB_SKIPPED";

/// Says that the test is skipped: in the file that counts, or else past the capturing of the test's output.
pub fn skip(missing: &str) {
    let line = format!("skipped: needs {missing}\n");
    let counted = std::env::var_os(COUNTED_IN).and_then(|path| {
        let mut file = OpenOptions::new().create(true).append(true).open(path).ok()?;
        file.write_all(line.as_bytes()).ok()
    });
    if counted.is_none() {
        // A test that cannot even say so is only not counted.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}
