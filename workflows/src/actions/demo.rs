//! The actions of `demo`: on a folder of the master, each right from any half-way point of itself.
//!
//! `shelf/book` is the book at the beginning; `copy.partial/` is where it goes, under a name that nobody reads;
//! `copy/` is what is published.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use vsjob_engine::{Class, Failure, Mode, Outcome, Outputs, Performing, Work};
use vsjob_workers::Context;

use crate::generation::gone_is_fine;
use crate::planner::master_action;

/// Where the folders of demo jobs are; a path of one line.
#[derive(Clone, Debug)]
pub struct Folder(String);

impl Folder {
    /// `demo` in the master's own folder.
    ///
    /// # Errors
    /// That path is not one line of text.
    pub fn of(state: &Path) -> Result<Self, &'static str> {
        match state.join("demo").to_str() {
            Some(path) if !path.contains('\n') => Ok(Self(path.to_owned())),
            _ => Err("the path of the master's folder is not one line of text"),
        }
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

master_action! {
    /// Puts a book on the shelf, and makes a place for its copy.
    Prepare { folder: Folder, fails: bool } -> Prepared {}
    "demo-prepare" version 1, "make a place for the book", |_, work| blocking(work, prepare)
}

master_action! {
    /// Takes the book from the shelf. Its undo gates: the place that the book is in must not be cleaned before.
    Borrow { folder: Folder, fails: bool } -> Borrowed {}
    "demo-borrow" version 1, "take the book from the shelf", |_, work| blocking(work, borrow)
}

master_action! {
    /// Waits for a file `go`.
    AwaitGo { folder: Folder, fails: bool } -> Told {}
    "demo-wait" version 1, "wait until told", await_go
}

master_action! {
    /// Gives the place of the book its public name.
    Publish { folder: Folder, fails: bool } -> Published {
        /// The published folder.
        path: String
    }
    "demo-publish" version 1, "publish the book", |_, work| blocking(work, publish)
}

master_action! {
    /// Removes the empty shelf.
    Tidy { folder: Folder, fails: bool } -> Tidied {}
    "demo-tidy" version 1, "remove the empty shelf", |_, work| blocking(work, tidy)
}

fn prepare(at: &Path, mode: Mode) -> io::Result<Outputs> {
    let partial = at.join("copy.partial");
    if mode == Mode::Undo {
        // Not with all that is in it: a book in it would be lost.
        gone_is_fine(fs::remove_file(partial.join("cover")))?;
        gone_is_fine(fs::remove_dir(&partial))?;
        return synced(at);
    }
    let shelf = at.join("shelf");
    fs::create_dir_all(&shelf)?;
    fs::create_dir_all(&partial)?;
    if !partial.join("book").exists() {
        write(&shelf.join("book"), "the only one\n")?;
    }
    write(&partial.join("cover"), "a cover\n")?;
    synced(&shelf)?;
    synced(&partial)?;
    synced(at)
}

fn borrow(at: &Path, mode: Mode) -> io::Result<Outputs> {
    let (shelf, partial) = (at.join("shelf"), at.join("copy.partial"));
    let (from, to) = match mode {
        Mode::Do => (&shelf, &partial),
        Mode::Undo => (&partial, &shelf),
    };
    gone_is_fine(fs::rename(from.join("book"), to.join("book")))?;
    if !to.join("book").exists() && mode == Mode::Do {
        return Err(io::Error::other("the book is gone"));
    }
    for folder in [to, from] {
        if folder.exists() {
            synced(folder)?;
        }
    }
    Ok(Outputs::new())
}

fn publish(at: &Path, _: Mode) -> io::Result<Outputs> {
    let copy = at.join("copy");
    gone_is_fine(fs::rename(at.join("copy.partial"), &copy))?;
    if !copy.join("book").exists() {
        return Err(io::Error::other("there is no book to publish"));
    }
    synced(at)?;
    Ok(Outputs::from([("path".to_owned(), copy.display().to_string())]))
}

fn tidy(at: &Path, _: Mode) -> io::Result<Outputs> {
    gone_is_fine(fs::remove_dir(at.join("shelf")))?;
    gone_is_fine(fs::remove_file(at.join("go")))?;
    synced(at)
}

fn await_go(context: Context, work: Work) -> Performing {
    Box::pin(async move {
        let Some(folder) = folder(&work) else {
            return Outcome::Failed(no_folder());
        };
        let go = folder.join("go");
        work.progress
            .send_modify(|progress| progress.note = format!("waiting for {}", go.display()));
        while work.mode == Mode::Do && !go.exists() {
            context.clock.sleep(Duration::from_millis(20)).await;
        }
        outcome(&work, Ok(Outputs::new()))
    })
}

/// Performs `act`, which waits for the disk, apart from what must not wait.
fn blocking(work: Work, act: fn(&Path, Mode) -> io::Result<Outputs>) -> Performing {
    Box::pin(async move {
        let Some(folder) = folder(&work) else {
            return Outcome::Failed(no_folder());
        };
        let mode = work.mode;
        match tokio::task::spawn_blocking(move || act(&folder, mode)).await {
            Ok(result) => outcome(&work, result),
            Err(panic) => outcome(&work, Err(io::Error::other(panic))),
        }
    })
}

fn folder(work: &Work) -> Option<PathBuf> {
    let (_, folder) = work.args.iter().find(|(name, _)| name == "folder")?;
    Some(Path::new(folder).join(work.job.to_string()))
}

fn no_folder() -> Failure {
    Failure::new(Class::Permanent, "VSJ0423", "the step names no folder")
}

fn outcome(work: &Work, result: io::Result<Outputs>) -> Outcome {
    let told_to_fail = work
        .args
        .iter()
        .any(|(name, value)| name == "fails" && value == "true");
    match result {
        Ok(_) if told_to_fail && work.mode == Mode::Do => Outcome::Failed(Failure::new(
            Class::Permanent,
            "VSJ0421",
            "it was told to fail here",
        )),
        Ok(outputs) => Outcome::Done(outputs),
        Err(why) => Outcome::Failed(Failure::new(Class::Permanent, "VSJ0422", why.to_string())),
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    fs::write(path, text)?;
    File::open(path)?.sync_all()
}

fn synced(folder: &Path) -> io::Result<Outputs> {
    gone_is_fine(File::open(folder).and_then(|folder| folder.sync_all()))?;
    Ok(Outputs::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn books(at: &Path) -> Vec<&'static str> {
        ["shelf/book", "copy.partial/book", "copy/book"]
            .into_iter()
            .filter(|place| at.join(place).exists())
            .collect()
    }

    #[test]
    fn done_twice_and_undone_twice_there_is_one_book() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("job");
        for act in [prepare, borrow] {
            act(&at, Mode::Do).unwrap();
            act(&at, Mode::Do).unwrap();
        }
        prepare(&at, Mode::Do).unwrap();
        assert_eq!(books(&at), ["copy.partial/book"]);
        assert!(
            prepare(&at, Mode::Undo).is_err(),
            "a place with a book in it was cleaned"
        );
        assert_eq!(books(&at), ["copy.partial/book"]);
        for act in [borrow, prepare] {
            act(&at, Mode::Undo).unwrap();
            act(&at, Mode::Undo).unwrap();
        }
        assert_eq!(books(&at), ["shelf/book"]);
        assert!(!at.join("copy.partial").exists());
    }

    #[test]
    fn a_book_that_nobody_has_is_not_borrowed() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("job");
        prepare(&at, Mode::Do).unwrap();
        fs::remove_file(at.join("shelf/book")).unwrap();
        borrow(&at, Mode::Do).unwrap_err();
        borrow(&at, Mode::Undo).unwrap();
    }

    #[test]
    fn the_folder_of_demos_is_one_line() {
        assert_eq!(
            Folder::of(Path::new("/state")).unwrap().to_string(),
            "/state/demo"
        );
        Folder::of(Path::new("/sta\nte")).unwrap_err();
    }

    #[test]
    fn published_twice_there_is_one_book_and_no_shelf() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("job");
        for act in [prepare, borrow, publish, publish, tidy, tidy] {
            act(&at, Mode::Do).unwrap();
        }
        assert_eq!(books(&at), ["copy/book"]);
        assert!(!at.join("shelf").exists());
    }
}
