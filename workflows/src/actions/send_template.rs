//! Brings a template from the master to a host. It is unpacked there by `tar` alone: hosts need no decompressor, so
//! the master sends it plain.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::AsyncReadExt;
use tokio::process::Command;
use vsjob_engine::{Class, Failure, Mode, Outcome, Outputs, Performing, Work};

use super::argument;
use crate::generation::gone_is_fine;
use crate::planner::master_action;
use crate::template::is_whole;
use crate::{Given, Line, YesNo};

master_action! {
    /// Copies `archive` to the host's folder of templates, under the short id of the job. The step before it, which made
    /// room, takes it away when the job unwinds.
    SendTemplate { archive: Given<Line>, work: Line, destination: Line, shell: Line, compress: YesNo } -> TemplateSent {}
    "send-template" version 2, "bring the template", |_, work| send(work)
}

/// Where templates of jobs are on a host.
const FOLDER: &str = "/var/lib/vsjob/templates";

fn send(work: Work) -> Performing {
    Box::pin(async move {
        // What of it came to the host goes with the room that was made for it.
        if work.mode == Mode::Undo {
            return Outcome::Done(Outputs::new());
        }
        match bring(&work).await {
            Ok(()) => Outcome::Done(Outputs::new()),
            Err(failure) => Outcome::Failed(failure),
        }
    })
}

async fn bring(work: &Work) -> Result<(), Failure> {
    let job = work.job.short();
    let plain = Path::new(argument(work, "work")).join(format!("{job}.tar"));
    let result = async {
        let archive = unpacked(Path::new(argument(work, "archive")), &plain)
            .await
            .map_err(|why| {
                Failure::new(
                    Class::Permanent,
                    "VSJ0424",
                    format!("the template cannot be read: {why}"),
                )
            })?;
        let to = format!("{}{FOLDER}/{job}.tar", argument(work, "destination"));
        copy(&archive, &to, work).await
    }
    .await;
    if let Err(why) = gone_is_fine(tokio::fs::remove_file(&plain).await) {
        tracing::warn!(file = %plain.display(), %why, "a temporary archive stays");
    }
    result
}

/// The archive without compression: itself, or unpacked to `plain`.
async fn unpacked(archive: &Path, plain: &Path) -> io::Result<PathBuf> {
    let named = archive.to_owned();
    let whole = tokio::task::spawn_blocking(move || is_whole(&named)).await;
    if !whole.unwrap_or_else(|panic| Err(io::Error::other(panic)))? {
        return Err(io::Error::other(
            "it is not what was packed: its checksum is another",
        ));
    }
    let tool = match archive.extension().and_then(|ending| ending.to_str()) {
        Some("gz" | "tgz") => "gzip",
        Some("xz") => "xz",
        Some("zst") => "zstd",
        _ => return Ok(archive.to_owned()),
    };
    if let Some(folder) = plain.parent() {
        tokio::fs::create_dir_all(folder).await?;
    }
    let from = std::fs::File::open(archive)?;
    let to = std::fs::File::create(plain)?;
    let status = Command::new(tool)
        .arg("-dc")
        .stdin(from)
        .stdout(to)
        .kill_on_drop(true)
        .status()
        .await?;
    if !status.success() {
        return Err(io::Error::other(format!("{tool} ended with {status}")));
    }
    Ok(plain.to_owned())
}

/// Copies with rsync, which resumes where it was. An empty `shell` means that `to` is a path.
async fn copy(archive: &Path, to: &str, work: &Work) -> Result<(), Failure> {
    let shell = argument(work, "shell");
    let mut command = Command::new("rsync");
    command.args([
        "--partial",
        "--inplace",
        // A template may be kept elsewhere and linked to; without this rsync would skip the link and say that all is well.
        "--copy-links",
        "--whole-file",
        "--mkpath",
        "--chmod=F600",
    ]);
    if argument(work, "compress") == YesNo::Yes.as_str() {
        command.arg("--compress");
    }
    if !shell.is_empty() {
        command.arg("-e").arg(shell);
    }
    command
        .arg("--")
        .arg(archive)
        .arg(to)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    work.progress
        .send_modify(|progress| progress.note = "bringing the template".to_owned());
    let broken =
        |why: io::Error| Failure::new(Class::Permanent, "VSJ0425", format!("rsync cannot run: {why}"));
    let mut child = command.spawn().map_err(broken)?;
    let mut said = String::new();
    if let Some(errors) = child.stderr.take() {
        errors
            .take(16_384)
            .read_to_string(&mut said)
            .await
            .map_err(broken)?;
    }
    let status = child.wait().await.map_err(broken)?;
    if status.success() {
        return Ok(());
    }
    let class = match status.code() {
        Some(10 | 12 | 20 | 30 | 35 | 255) => Class::Transient,
        Some(23) => Class::Partial,
        _ => Class::Permanent,
    };
    let mut failure = Failure::new(class, "VSJ0425", "the template cannot be brought to the host");
    failure.detail = said;
    Err(failure)
}
