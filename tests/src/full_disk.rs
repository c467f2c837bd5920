//! Fills a small file system, such as that of a master's store, and makes room in it again.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::ensure;

/// What takes the room. Whoever else writes may take some of it first: then it is tried again.
const FILL: &str = "for try in $(seq 100); do \
    free=$(df --output=avail --block-size=1 \"$1\" | tail -n 1); [ \"$free\" -gt \"$3\" ] || exit 0; \
    fallocate --length $((free - $3)) \"$2\" 2>/dev/null && exit; done; exit 1";

/// Leaves that many bytes of the file system of `folder`.
///
/// # Errors
/// It cannot be filled.
pub fn fill(folder: &Path, left: u32) -> anyhow::Result<()> {
    let mut command = Command::new("sh");
    let command = command.args(["-euc", FILL, "fill"]);
    let command = command.arg(folder).arg(filler(folder)).arg(left.to_string());
    let status = command.status()?;
    ensure!(
        status.success(),
        "{} cannot be filled: {status}",
        folder.display()
    );
    Ok(())
}

/// Gives it back.
///
/// # Errors
/// It was not filled.
pub fn make_room(folder: &Path) -> anyhow::Result<()> {
    Ok(std::fs::remove_file(filler(folder))?)
}

fn filler(folder: &Path) -> PathBuf {
    folder.join("full")
}
