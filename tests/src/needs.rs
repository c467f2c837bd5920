//! What a test needs of the machine. A test that cannot be run says so, and the skipped ones are counted by what they
//! said.

use std::io::Write;

/// Says that the test is skipped, past the capturing of the test's output.
pub fn skip(missing: &str) {
    // A test that cannot even say so is only not counted.
    let _ = writeln!(std::io::stderr(), "skipped: needs {missing}");
}
