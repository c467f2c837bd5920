//! The machine's C compiler, for the few programs of tests that must be in C.

use std::path::Path;
use std::process::Command;

use anyhow::ensure;

use crate::needs;

/// Compiles a file. `false`: this machine has no compiler, and this has said so.
///
/// # Errors
/// It does not compile.
pub fn compile(options: &[&str], source: &Path, into: &Path) -> anyhow::Result<bool> {
    let mut compiler = Command::new("cc");
    compiler.args(options).arg("-O1").arg("-o").args([into, source]);
    match compiler.output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            needs::skip("a C compiler (Debian packages: gcc libc6-dev)");
            Ok(false)
        }
        output => {
            let output = output?;
            ensure!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            Ok(true)
        }
    }
}
