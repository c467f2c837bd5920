//! The program `vsjob`.

use std::process::ExitCode;

fn main() -> ExitCode {
    vsjob::run()
}
