//! That another master has the hosts. A master that learns so stops for good: started again it would come with a later
//! epoch than the other's and take the hosts back, and the two would go on like that for ever. So it leaves a mark in its
//! folder, and with the mark there a master starts only to take over. A master that was restored from a backup has the
//! same mark: its store does not know what the hosts have seen since.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use vsjob_workers::HostError;

use crate::message::Moment;
use crate::{Complaint, Exit};

fn mark(state: &Path) -> PathBuf {
    state.join("superseded")
}

/// Whether a master may start: as usual, or to take over from one whose epoch had this counter.
///
/// # Errors
/// Another master has the hosts, and this one is not started to take over.
pub(crate) fn admit(state: &Path, take_over: bool) -> Result<Option<u64>, Complaint> {
    let said = match std::fs::read_to_string(mark(state)) {
        Ok(said) => Some(said),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(format!(
            "0 its mark in {} cannot be read: {error}",
            state.display()
        )),
    };
    match (said, take_over) {
        (None, false) => Ok(None),
        (None, true) => Ok(Some(0)),
        (Some(said), true) => Ok(Some(counter(&said))),
        (Some(said), false) => {
            let (_, why) = said.trim_end().split_once(' ').unwrap_or(("", said.as_str()));
            let message = "this master does not start by itself: another one has, or has had, the hosts";
            let mut complaint = Complaint::new("VSJ0304", Exit::Refused, message);
            complaint.causes.push(why.to_owned());
            Err(complaint.hint("keep this one off, or start it with --take-over if it is the right one"))
        }
    }
}

/// The counter of an epoch such as `2-1f2e3d4c`, or of a mark, which begins with one.
fn counter(text: &str) -> u64 {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..digits].parse().unwrap_or(0)
}

/// Leaves the mark. A master that cannot is told by its hosts again.
pub(crate) fn remember(state: &Path, by: &HostError) {
    let HostError::EpochRefused { have, .. } = by else {
        return;
    };
    if let Err(error) = write(state, &format!("{} {by}\n", counter(have))) {
        tracing::error!("that another master has the hosts cannot be remembered: {error}");
    }
}

/// Leaves the mark in the folder of a master that is being restored.
///
/// # Errors
/// It cannot be written.
pub(crate) fn mark_restored(state: &Path, machine: &str, made: Moment) -> io::Result<()> {
    let machine = machine.escape_default();
    write(
        state,
        &format!("0 it was restored from a backup that was made on {machine} at {made}\n"),
    )
}

fn write(state: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create(mark(state))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    File::open(state)?.sync_all()
}

/// Removes the mark: this master has taken over.
pub(crate) fn forget(state: &Path) {
    match std::fs::remove_file(mark(state)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::error!("the mark of another master stays, so the next start is refused: {error}");
        }
        _ => {}
    }
}
