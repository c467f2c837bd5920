//! Receives what is new in a guest since its last generation: from its snapshot, or in passes through the guest's own tree.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use vsjob_engine::{Class, Failure, Mode, Outcome, Outputs, Performing, Work};
use vsjob_workers::{Context, boot_id};

use super::argument;
use super::begin_generation::{Incoming, write};
use crate::generation::{Counted, Generation, Rsync, end_orphans};
use crate::planner::master_action;
use crate::{Given, GuestName, Line, Ref, TreeKind, YesNo};

master_action! {
    /// Makes the generation equal to the snapshot; or to the tree of the guest, in this `pass`, from 1 on, and no snapshot. What
    /// was received stays received: run again it goes on.
    ReceiveGeneration { folder: Line, tree: TreeKind, guest: GuestName, source: Line, shell: Line, remote: Line, snapshot: Ref<Line>, lists: Ref<Line>, bytes: Ref<u64>, bwlimit: u64, pass: u64, still: YesNo, before: Given<u64> } -> GenerationReceived {
        /// Its files.
        files: u64,
        /// Their bytes.
        size: u64,
        /// The bytes that came over the line, in the passes `before`, too.
        received: u64,
    }
    "receive-generation" version 1, "receive {guest}", run
}

fn run(context: Context, work: Work) -> Performing {
    Box::pin(async move {
        // There is nothing to take back: what it began is removed with its place.
        if work.mode == Mode::Undo {
            return Outcome::Done(Outputs::new());
        }
        match receive(&context, &work).await {
            Ok(Counted {
                files,
                size,
                received,
            }) => Outcome::Done(Outputs::from([
                ("files".to_owned(), files.to_string()),
                ("size".to_owned(), size.to_string()),
                ("received".to_owned(), received.to_string()),
            ])),
            Err(Trouble::Disk(why)) => Incoming::of(&work).trouble(&why),
            Err(Trouble::Line(failure)) => Incoming::of(&work).blocking(|at| whose(at, failure)).await,
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

async fn receive(context: &Context, work: &Work) -> Result<Counted, Trouble> {
    let at = Incoming::of(work);
    end_orphans(&at.lock(), &*context.clock).await?;
    let said = |name| argument(work, name);
    let number = |name| said(name).parse::<u64>().unwrap_or(0);
    let lock = at.lock();
    let pass = number("pass");
    // What it calls there sees to it that the tree is there, and that no link leads out of one that lives.
    let reader = format!("{} {}/read", said("remote").replace("rsync", "sh"), said("lists"));
    let pull = |total, note, lives| Rsync {
        host: said("source"),
        shell: said("shell"),
        remote: &reader,
        lock: &lock,
        total,
        note,
        lives,
    };
    let lives = pass > 0 && said("still") != "yes";
    let lists = at.folder.join("lists");
    fs::create_dir_all(&lists)?;
    fs::create_dir_all(at.folder.join("partial"))?;
    let only = [
        "--include=/changed",
        "--include=/folders",
        "--include=/linked",
        "--include=/mapped.names",
        "--exclude=*",
    ]
    .map(OsStr::new);
    let listed = format!("{}/", said("lists"));
    let known = Rsync {
        remote: said("remote"),
        ..pull(0, "", false)
    };
    let known = known.pull(&listed, &lists, &only, &work.progress);

    let base = at.base()?.map(|(folder, _)| folder);
    let options = options(work, &at, may_be_lost(&at)?)?;
    let mut whole: Vec<&OsStr> = options.iter().map(OsString::as_os_str).collect();
    let mut some = whole.clone();
    whole.extend(["--delete", "--delete-excluded"].map(OsStr::new));
    let linked = base.as_deref().map(link_to);
    whole.extend(
        linked
            .as_deref()
            .filter(|_| at.generations.kind == TreeKind::Folder && pass < 2),
    );
    let from = format!("{}/", said("snapshot"));
    let tree = at.open()?;
    let all = pull(number("bytes"), "receiving", lives);
    // At the same time: a line is slow to come to be.
    let (known, all) = tokio::try_join!(known, all.pull(&from, &tree, &whole, &work.progress))?;

    // After it, and without links to the generation before: rsync puts such a link in the place of a file that looks the
    // same, although another content was received for it.
    let doubts = match (pass, &base) {
        (0, Some(base)) => doubt(
            &lists,
            Some(&base.join("folders")),
            Some(&base.join("mapped.names")),
        )?,
        (1, Some(base)) => doubt(&lists, None, Some(&base.join("mapped.names")))?,
        (0 | 1, None) => Vec::new(),
        _ => doubt(&lists, None, None)?,
    };
    let doubtful = at.folder.join("doubtful");
    let mut compared = Counted::default();
    if !doubts.is_empty() {
        fs::write(&doubtful, doubts)?;
        let mut list = OsString::from("--files-from=");
        list.push(&doubtful);
        some.extend(["-r", "--checksum", "--from0"].map(OsStr::new));
        if lives {
            some.push(OsStr::new("--ignore-missing-args"));
        }
        some.push(&list);
        compared = match pull(0, "comparing what may have changed", lives)
            .pull(&from, &tree, &some, &work.progress)
            .await
        {
            // A link was put where a folder was, or the like: that has changed since this pass began, which the next one sees.
            Err(failure) if lives && pass == 1 && failure.class == Class::Partial => Counted::default(),
            compared => compared?,
        };
    }
    keep(at, tree).await?;
    Ok(Counted {
        received: number("before") + known.received + all.received + compared.received,
        ..all
    })
}

/// What a full snapshot of ours did not take looks like a fault of the line.
fn whose(at: &Incoming, failure: Failure) -> io::Result<Outputs> {
    at.generations.kind.is_sound(&at.tree())?;
    Err(io::Error::other(failure))
}

/// The boot of this machine in which something is received that may not be on the disk.
const BOOT: &str = "boot";

/// Whether this machine may have lost what an earlier attempt received when it went down: then size and time of a file prove
/// nothing.
fn may_be_lost(at: &Incoming) -> io::Result<bool> {
    let (file, now) = (at.folder.join(BOOT), boot_id()?);
    match fs::read_to_string(&file) {
        Ok(then) => Ok(then != now),
        Err(_) => write(&file, &now).map(|()| false),
    }
}

/// All that was received is on the disk.
async fn keep(at: Incoming, tree: PathBuf) -> io::Result<()> {
    let kept = tokio::task::spawn_blocking(move || {
        rustix::fs::syncfs(fs::File::open(tree)?)?;
        fs::remove_file(at.folder.join(BOOT))
    });
    kept.await.unwrap_or_else(|panic| Err(io::Error::other(panic)))
}

fn link_to(base: &Path) -> OsString {
    let mut option = OsString::from("--link-dest=");
    option.push(base.join("tree"));
    option
}

/// What each run that writes the tree is told.
fn options(work: &Work, at: &Incoming, lost: bool) -> io::Result<Vec<OsString>> {
    let mut partial = OsString::from("--partial-dir=");
    partial.push(at.folder.join("partial"));
    let mut options = vec![partial, format!("--bwlimit={}", argument(work, "bwlimit")).into()];
    if lost {
        options.push("--checksum".into());
    }
    for exclude in Generation::read(&at.folder)?.excludes {
        options.push(format!("--exclude={exclude}").into());
    }
    Ok(options)
}

/// Of what in the tree size and time do not tell, as rsync reads it: the files whose status has changed since the copy was
/// right, those of another list, all beneath a folder that is not the one of that name in a list of before, and every other
/// name of such a file.
fn doubt(lists: &Path, folders_before: Option<&Path>, more: Option<&Path>) -> io::Result<Vec<u8>> {
    let renamed: BTreeSet<Vec<u8>> = match folders_before {
        None => BTreeSet::new(),
        Some(before) => names(&lists.join("folders"))?
            .difference(&names(before)?)
            .filter_map(|one| numbered(one))
            .map(|(_, name)| name)
            .collect(),
    };
    let mut doubts = names(&lists.join("changed"))?;
    if let Some(list) = more.filter(|list| list.exists()) {
        doubts.extend(names(list)?);
    }
    let is_doubted = |name: &[u8]| {
        let slashes = name.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        let mut above = slashes.filter_map(|(at, _)| name.get(..at));
        doubts.contains(name) || above.any(|folder| renamed.contains(folder))
    };
    let mut groups: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
    for (inode, name) in names(&lists.join("linked"))?
        .iter()
        .filter_map(|one| numbered(one))
    {
        groups.entry(inode).or_default().push(name);
    }
    groups.retain(|_, names| names.iter().any(|name| is_doubted(name)));
    doubts.extend(groups.into_values().flatten());
    doubts.extend(renamed);
    let mut text = Vec::new();
    for name in &doubts {
        // So that none is a comment, or a folder above.
        text.extend(b"./");
        text.extend(name);
        text.push(0);
    }
    Ok(text)
}

/// The names of a list, each of which ends with NUL.
fn names(list: &Path) -> io::Result<BTreeSet<Vec<u8>>> {
    let bytes = fs::read(list)?;
    let names = bytes.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    Ok(names.map(<[u8]>::to_vec).collect())
}

/// The number of a file, and its name.
fn numbered(line: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let space = line.iter().position(|byte| *byte == b' ')?;
    Some((line.get(..space)?.to_vec(), line.get(space + 1..)?.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    #[test]
    fn a_folder_that_is_another_one_than_before_is_doubted_with_all_beneath_and_its_other_names() {
        let (lists, base) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(base.path().join("folders"), "7 a\x009 b\x0012 c d\0").unwrap();
        fs::write(lists.path().join("folders"), "7 a\x0011 b\x0012 c d\x0020 new\0").unwrap();
        fs::write(lists.path().join("changed"), "#x\0a/1\0").unwrap();
        let linked = "30 b/deep/one\x0030 z\x0031 a/2\x0031 y\x0032 a/1\x0032 x\0";
        fs::write(lists.path().join("linked"), linked).unwrap();
        let folders = base.path().join("folders");
        let told =
            |folders, more: &Path| OsString::from_vec(doubt(lists.path(), folders, Some(more)).unwrap());
        let none = base.path().join("none");
        assert_eq!(
            told(Some(&*folders), &none),
            "./#x\0./a/1\0./b\0./b/deep/one\0./new\0./x\0./z\0"
        );
        assert_eq!(told(None, &none), "./#x\0./a/1\0./x\0");
        let mapped = base.path().join("mapped.names");
        fs::write(&mapped, "y\0").unwrap();
        assert_eq!(told(None, &mapped), "./#x\0./a/1\0./a/2\0./x\0./y\0");
    }
}
