//! Receives what is new in a guest since its last generation, from its snapshot.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::Path;

use vsjob_engine::{Failure, Mode, Outcome, Outputs, Performing, Work};
use vsjob_workers::Context;

use super::argument;
use super::begin_generation::Incoming;
use crate::generation::{Generation, Pull, Pulled};
use crate::planner::master_action;
use crate::{GuestName, Line, Ref, TreeKind};

master_action! {
    /// Makes the generation equal to the snapshot. What was received stays received: run again it goes on.
    ReceiveGeneration { folder: Line, tree: TreeKind, guest: GuestName, source: Line, shell: Line, remote: Line, snapshot: Ref<Line>, lists: Ref<Line>, bytes: Ref<u64>, bwlimit: u64 } -> GenerationReceived {
        /// Its files.
        files: u64,
        /// Their bytes.
        size: u64,
        /// The bytes that came over the line.
        received: u64,
    }
    "receive-generation" version 1, "receive {guest}", run
}

fn run(_: Context, work: Work) -> Performing {
    Box::pin(async move {
        // There is nothing to take back: what it began is removed with its place.
        if work.mode == Mode::Undo {
            return Outcome::Done(Outputs::new());
        }
        match receive(&work).await {
            Ok(Pulled {
                files,
                size,
                received,
            }) => Outcome::Done(Outputs::from([
                ("files".to_owned(), files.to_string()),
                ("size".to_owned(), size.to_string()),
                ("received".to_owned(), received.to_string()),
            ])),
            Err(Trouble::Line(failure)) => Outcome::Failed(failure),
            Err(Trouble::Disk(why)) => Incoming::of(&work).trouble(&why),
        }
    })
}

enum Trouble {
    Line(Failure),
    Disk(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(why: io::Error) -> Self {
        Self::Disk(why)
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Line(failure)
    }
}

async fn receive(work: &Work) -> Result<Pulled, Trouble> {
    let at = Incoming::of(work);
    let said = |name| argument(work, name);
    let lock = at.lock();
    let pull = |total, note| Pull {
        source: said("source"),
        shell: said("shell"),
        remote: said("remote"),
        lock: &lock,
        total,
        note,
    };
    let lists = at.folder.join("lists");
    fs::create_dir_all(&lists)?;
    fs::create_dir_all(at.folder.join("partial"))?;
    let only = ["--include=/changed", "--include=/folders", "--exclude=*"].map(OsStr::new);
    let from = format!("{}/", said("lists"));
    let mut all = pull(0, "receiving the lists")
        .run(&from, &lists, &only, work)
        .await?;

    let base = at.base()?.map(|(folder, _)| folder);
    let options = options(work, &at, base.as_deref())?;
    let options: Vec<&OsStr> = options.iter().map(OsString::as_os_str).collect();
    let from = format!("{}/", said("snapshot"));
    let total = said("bytes").parse().unwrap_or(0);
    let doubtful = at.folder.join("doubtful");
    if doubt(&lists, base.as_deref(), &doubtful)? {
        let mut compared = OsString::from("--files-from=");
        compared.push(&doubtful);
        let more = ["-r", "--ignore-times", "--from0"].map(OsStr::new);
        let options = [&options[..], &more[..], &[compared.as_os_str()]].concat();
        let some = pull(0, "comparing what has changed")
            .run(&from, &at.tree(), &options, work)
            .await?;
        all.received += some.received;
    }
    let options = [
        &options[..],
        &["--delete", "--delete-excluded"].map(OsStr::new)[..],
    ]
    .concat();
    let whole = pull(total, "receiving")
        .run(&from, &at.tree(), &options, work)
        .await?;
    Ok(Pulled {
        received: all.received + whole.received,
        ..whole
    })
}

/// What each run that writes the tree is told.
fn options(work: &Work, at: &Incoming, base: Option<&Path>) -> io::Result<Vec<OsString>> {
    let path = |option: &str, path: &Path| {
        let mut option = OsString::from(option);
        option.push(path);
        option
    };
    let mut options = vec![path("--partial-dir=", &at.folder.join("partial"))];
    options.push(format!("--bwlimit={}", argument(work, "bwlimit")).into());
    for exclude in Generation::read(&at.folder)?.excludes {
        options.push(format!("--exclude={exclude}").into());
    }
    if let (TreeKind::Folder, Some(base)) = (at.generations.kind, base) {
        options.push(path("--link-dest=", &base.join("tree")));
    }
    Ok(options)
}

/// Writes down of what in the tree size and time do not tell: the files whose status has changed since the last
/// generation, and all beneath a folder that is not the one of that name then. Whether there is any.
fn doubt(lists: &Path, base: Option<&Path>, doubtful: &Path) -> io::Result<bool> {
    let Some(base) = base else { return Ok(false) };
    let names = |file: &Path| {
        let bytes = fs::read(file)?;
        let names = bytes.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        Ok::<BTreeSet<Vec<u8>>, io::Error>(names.map(<[u8]>::to_vec).collect())
    };
    let (before, now) = (names(&base.join("folders"))?, names(&lists.join("folders"))?);
    let mut doubts = names(&lists.join("changed"))?;
    doubts.extend(now.difference(&before).filter_map(|folder| {
        let space = folder.iter().position(|byte| *byte == b' ')?;
        folder.get(space + 1..).map(<[u8]>::to_vec)
    }));
    let mut text = Vec::new();
    for name in &doubts {
        // So that none is a comment, or a folder above.
        text.extend(b"./");
        text.extend(name);
        text.push(0);
    }
    fs::write(doubtful, text)?;
    Ok(!doubts.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    #[test]
    fn a_folder_that_is_another_one_than_before_is_doubted_with_all_beneath() {
        let (lists, base) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(base.path().join("folders"), "7 a\x009 b\x0012 c d\0").unwrap();
        fs::write(lists.path().join("folders"), "7 a\x0011 b\x0012 c d\x0020 new\0").unwrap();
        fs::write(lists.path().join("changed"), "#x\0a/1\0").unwrap();
        let doubtful = lists.path().join("doubtful");
        assert!(doubt(lists.path(), Some(base.path()), &doubtful).unwrap());
        let told = OsString::from_vec(fs::read(&doubtful).unwrap());
        assert_eq!(told, "./#x\0./a/1\0./b\0./new\0");
        assert!(!doubt(lists.path(), None, &doubtful).unwrap());
    }
}
