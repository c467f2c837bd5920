//! Builds the tree of a Debian on the disk of the master, by `debootstrap`.

use std::collections::VecDeque;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Command;
use tokio::sync::watch;
use vsjob_engine::{Class, Failure, Mode, Outcome, Outputs, Performing, Progress, Work};
use vsjob_workers::Context;

use super::argument;
use super::begin_generation::{Incoming, remove};
use crate::generation::end_orphans;
use crate::planner::master_action;
use crate::{Line, SuiteName, TreeKind};

master_action! {
    /// Builds the tree of the job in `place`, anew if it was begun before. No mirror: that of debootstrap. Its undo removes it.
    Debootstrap { place: Line, tree: TreeKind, suite: SuiteName, mirror: Line } -> Bootstrapped {}
    "debootstrap" version 1, "build {suite}", run
}

/// So many of its last lines are kept.
const WORDS: usize = 20;

fn run(context: Context, work: Work) -> Performing {
    Box::pin(async move {
        let at = Incoming::in_place(&work);
        if let Err(why) = end_orphans(&at.lock(), &*context.clock).await {
            return at.trouble(&why);
        }
        let removed = at.clone().blocking(remove).await;
        if work.mode == Mode::Undo || !matches!(removed, Outcome::Done(_)) {
            return removed;
        }
        match build(&at, &work).await {
            Ok(Ok(())) => Outcome::Done(Outputs::new()),
            Ok(Err(failure)) => Outcome::Failed(failure),
            Err(why) => at.trouble(&why),
        }
    })
}

/// It holds the lock of the tree as long as anything of it lives.
async fn build(at: &Incoming, work: &Work) -> io::Result<Result<(), Failure>> {
    DirBuilder::new().recursive(true).mode(0o700).create(&at.folder)?;
    File::create(at.lock())?.sync_all()?;
    let mut child = Command::new("flock")
        .args(["--no-fork", "--nonblock"])
        .arg(at.lock())
        .args(["unshare", "--mount", "--", "sh", "-euc"])
        .args([include_str!("debootstrap.sh"), "debootstrap"])
        .arg(argument(work, "suite"))
        .arg(at.tree())
        .arg(argument(work, "mirror"))
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let (out, errors) = (child.stdout.take(), child.stderr.take());
    let (mut said, wrong) = tokio::join!(listen(out, &work.progress), listen(errors, &work.progress));
    said.extend(wrong);
    let status = child.wait().await?;
    if status.success() {
        return Ok(Ok(()));
    }
    let mut failure = Failure::new(
        Class::Permanent,
        "VSJ0435",
        format!("debootstrap ended with {status}"),
    );
    failure.detail = said.into_iter().collect::<Vec<_>>().join("\n");
    Ok(Err(failure))
}

/// Tells each line as what is being done, and answers the last ones.
async fn listen(out: Option<impl AsyncRead + Unpin>, tell: &watch::Sender<Progress>) -> VecDeque<String> {
    let mut said = VecDeque::new();
    let Some(out) = out else { return said };
    let mut lines = BufReader::new(out).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let line: String = String::from_utf8_lossy(&line).chars().take(300).collect();
        tell.send_modify(|progress| line.trim().clone_into(&mut progress.note));
        said.push_back(line);
        if said.len() > WORDS {
            said.pop_front();
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_lines_are_kept() {
        let (tell, told) = watch::channel(Progress::default());
        for lines in [WORDS, WORDS + 2] {
            let said: Vec<String> = (0..lines).map(|line| format!("line {line}")).collect();
            let kept = listen(Some(said.join("\n").as_bytes()), &tell).await;
            assert!(kept.iter().eq(&said[lines - WORDS..]), "{kept:?}");
            assert_eq!(told.borrow().note, said[lines - 1]);
        }
    }
}
