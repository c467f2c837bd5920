//! Scripts of drivers that run on the machine of the master itself.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

use vsjob_engine::{Class, Failure, HostName, Outputs};

use crate::answer;
use crate::channel::Answer;
use crate::frame::Capture;

/// Paper is elsewhere: the root of this machine, for its devices and what its kernel tells.
const ROOT: &str = "VSJOB_ROOT";

/// What tells one boot of this machine from another.
///
/// # Errors
/// The kernel does not tell.
pub fn boot_id() -> io::Result<String> {
    let root = std::env::var(ROOT).unwrap_or_default();
    fs::read_to_string(format!("{root}/proc/sys/kernel/random/boot_id"))
}

/// In whose place this machine is spoken of.
const HERE: &str = "master";

/// Runs the script here and waits for its end. Whatever of it is left when this process dies holds `lock`, if that is there.
///
/// # Errors
/// As the script says.
pub fn run_here(what: &str, script: &str, args: &[&OsStr], lock: &Path) -> Result<Outputs, Failure> {
    let cannot = |why: &dyn std::fmt::Display| {
        Failure::new(
            Class::Permanent,
            "VSJ0310",
            format!("{HERE}: {what} cannot run: {why}"),
        )
    };
    let host: HostName = HERE.parse().map_err(|why| cannot(&why))?;
    let mut command = match lock.exists() {
        true => {
            let mut held = Command::new("flock");
            held.args(["--no-fork", "--shared"]).arg(lock).arg("sh");
            held
        }
        false => Command::new("sh"),
    };
    let output = command
        .args(["-c", script, what])
        .args(args)
        .stdin(Stdio::null())
        .output()
        .map_err(|why| cannot(&why))?;
    // As a shell tells it of what it ran.
    let killed = output.status.signal().map_or(0, |signal| 128 + signal);
    let code = output.status.code().unwrap_or(killed);
    let answer = Answer {
        code: u8::try_from(code).unwrap_or(u8::MAX),
        stdout: Capture::of(&output.stdout),
        stderr: Capture::of(&output.stderr),
    };
    answer::settle(&host, what, &answer)
}
