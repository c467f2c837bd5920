//! Opens a store: puts the journal, the snapshots and the index together, and decides what is repaired, and what is
//! refused, when they disagree.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use uuid::Uuid;

use super::audit;
use super::cursor::{Journal, Map, Tail};
use super::directory::{self, Lock, Paths};
use super::disk::Disk;
use super::index::{self, Index, OpenedIndex};
use super::journal::Writer;
use super::keeper::Keeper;
use super::options::LocalOptions;
use super::prepare::Maker;
use super::recover::{self, End, Survey};
use super::snapshot::{self, Snapshot};
use super::store::Local;
use crate::store::{Head, Opened, StoreError, Warning};

/// A store on the way to be open.
pub(super) struct Opening {
    disk: Disk,
    paths: Paths,
    options: LocalOptions,
    lock: Lock,
    warnings: Vec<Warning>,
    /// Snapshots that are set aside when it is open.
    unusable: Vec<PathBuf>,
}

/// A journal whose end is known and clean.
struct Ended {
    survey: Survey,
    tail: Tail,
}

impl Opening {
    pub(super) fn begin(directory: &Path, options: LocalOptions) -> Result<Self, StoreError> {
        let disk = Disk::new(options.faults.clone());
        let paths = Paths::of(directory);
        disk.create_directory(&paths.root)?;
        let lock = Lock::take(&disk, &paths)?;
        Ok(Self {
            disk,
            paths,
            options,
            lock,
            warnings: Vec::new(),
            unusable: Vec::new(),
        })
    }

    pub(super) fn finish(mut self) -> Result<Opened<Local>, StoreError> {
        let id = self.identify()?;
        let mut opened = self.open_index()?;
        let mut snapshots = self.snapshots(id, opened.must_be_made())?;
        let ended = match self.end_of_journal(id, &opened, &snapshots) {
            Err(error) if self.options.accept_loss && means_loss(&error) => {
                self.warn("VSJ0122", format!("records were given up: {error}"));
                drop(opened);
                opened = index::rebuild(&self.disk, &self.paths, &self.options)?;
                snapshots = self.give_up_the_rest(id)?;
                self.end_of_journal(id, &opened, &snapshots)?
            }
            other => other?,
        };
        if let Some(why) = opened.distrust {
            drop(opened);
            opened = index::rebuild(&self.disk, &self.paths, &self.options)?;
            self.warn_rebuilt(why);
        }
        if let Some(newest) = snapshots.last().filter(|_| opened.must_be_made()) {
            index::load(&mut opened, &self.paths, newest)?;
        }
        self.set_snapshots_aside()?;
        self.start(id, opened, ended, snapshots.last())
    }

    fn start(
        self,
        id: Uuid,
        opened: OpenedIndex,
        ended: Ended,
        newest: Option<&Snapshot>,
    ) -> Result<Opened<Local>, StoreError> {
        let indexed = opened.head;
        let journal_limit = self.options.journal_limit;
        let journal = self.journal(id, &ended.survey, ended.tail);
        let unsaved = if self.unusable.is_empty() {
            let begin = newest.map(|newest| newest.begin);
            journal.bytes_after(
                begin.map_or(1, |begin| begin.segment),
                begin.map_or(0, |begin| begin.offset),
            )
        } else {
            // There may be one only, or none: the next one is due at once.
            u64::MAX / 2
        };
        if let Some(newest) = newest {
            journal.map_mut().snapshot = self.disk.open_to_read(&newest.path)?.size()?;
        }
        let writer = Writer::start(
            self.options.clone(),
            journal.clone(),
            ended.survey,
            ended.tail,
            unsaved,
        )?;
        let keeper = Keeper {
            journal: journal.clone(),
            paths: self.paths.clone(),
        };
        let (index, index_thread) = Index::start(opened, self.disk, &self.paths, &self.options, keeper)?;
        let store = Local {
            writer,
            _index_thread: index_thread,
            index,
            journal,
            journal_limit,
            _lock: self.lock,
        };
        Ok(Opened {
            store,
            indexed,
            warnings: self.warnings,
        })
    }

    /// The snapshots that can be used, oldest first. If the index must be made again, all of each has been read.
    fn snapshots(&mut self, id: Uuid, whole: bool) -> Result<Vec<Snapshot>, StoreError> {
        let mut usable = Vec::new();
        for path in snapshot::list(&self.disk, &self.paths)? {
            let read = if whole { snapshot::check } else { snapshot::open };
            match read(&path, id) {
                Ok(snapshot) => usable.push(snapshot),
                Err(error @ StoreError::Snapshot(_)) => {
                    let aside = path.with_extension("lost");
                    let message = format!("{error}; it is not used, and set aside as {}", aside.display());
                    self.warn("VSJ0123", message);
                    self.unusable.push(path);
                }
                Err(other) => return Err(other),
            }
        }
        Ok(usable)
    }

    fn set_snapshots_aside(&self) -> Result<(), StoreError> {
        for path in &self.unusable {
            self.disk.rename(path, &path.with_extension("lost"))?;
        }
        Ok(())
    }

    fn warn(&mut self, code: &'static str, message: String) {
        self.warnings.push(Warning { code, message });
    }

    fn warn_rebuilt(&mut self, why: &str) {
        let aside = self.paths.index_aside.display();
        let message = format!("the index is rebuilt from the journal: {why}; it was set aside as {aside}");
        self.warn("VSJ0120", message);
    }

    /// The id of the store; makes one if the directory is empty.
    fn identify(&mut self) -> Result<Uuid, StoreError> {
        self.disk.create_directory(&self.paths.journal)?;
        directory::remove_unfinished(&self.disk, &self.paths)?;
        let numbers = directory::segments(&self.disk, &self.paths)?;
        let from_segment = match numbers.first() {
            Some(&number) => self.title(number)?,
            None => None,
        };
        let id = match directory::read_id(&self.disk, &self.paths) {
            Ok(Some(id)) => {
                if numbers.is_empty() && !self.options.accept_loss {
                    let path = self.paths.journal.join(super::segment::name(1));
                    return Err(StoreError::Absent { path });
                }
                return self.with_first_segment(id, &numbers);
            }
            Ok(None) => from_segment,
            Err(error) if !self.options.accept_loss => return Err(error),
            Err(_) => from_segment,
        };
        let id = id.unwrap_or_else(Uuid::new_v4);
        let id = self.with_first_segment(id, &numbers)?;
        directory::write_id(&self.disk, &self.paths, id)?;
        Ok(id)
    }

    fn title(&self, number: u64) -> Result<Option<Uuid>, StoreError> {
        let path = self.paths.journal.join(super::segment::name(number));
        let title = super::segment::title(&self.disk.open_to_read(&path)?)?;
        Ok(title.map(|title| title.id))
    }

    fn with_first_segment(&self, id: Uuid, numbers: &[u64]) -> Result<Uuid, StoreError> {
        if numbers.is_empty() {
            self.maker(id).make(1)?;
        }
        Ok(id)
    }

    fn maker(&self, id: Uuid) -> Maker {
        Maker {
            disk: self.disk.clone(),
            journal: self.paths.journal.clone(),
            id,
            size: self.options.segment_size,
        }
    }

    fn open_index(&mut self) -> Result<OpenedIndex, StoreError> {
        let (opened, set_aside) = index::open(&self.disk, &self.paths, &self.options)?;
        if let Some(why) = set_aside {
            self.warn_rebuilt(&why);
        }
        Ok(opened)
    }

    /// Finds the journal's end, cuts what a crash tore, and checks that everything the index knows is there.
    fn end_of_journal(
        &mut self,
        id: Uuid,
        opened: &OpenedIndex,
        snapshots: &[Snapshot],
    ) -> Result<Ended, StoreError> {
        let numbers = directory::segments(&self.disk, &self.paths)?;
        let survey = recover::survey(&self.disk, &self.paths.journal, id, &numbers)?;
        let bytes = survey.current.bytes()?;
        let end = recover::find_end(&survey.current, &bytes, survey.before).map_err(StoreError::Damaged)?;
        let journal = self.journal(id, &survey, end.tail);
        let states = snapshots.iter().map(|snapshot| snapshot.begin.head());
        for known in states.chain([opened.head]).filter(|head| *head != Head::EMPTY) {
            journal.end_of(known)?;
        }
        if self.options.accept_loss {
            // What must be replayed can be read, or is given up as well.
            let newest = snapshots.last().map_or(Head::EMPTY, |newest| newest.begin.head());
            let from = if opened.must_be_made() {
                newest
            } else {
                opened.head
            };
            journal
                .frames_after(from.sequence)
                .try_for_each(|frame| frame.map(drop))?;
        }
        self.cut(&survey, &end)?;
        let tail = end.tail;
        Ok(Ended { survey, tail })
    }

    fn cut(&mut self, survey: &Survey, end: &End) -> Result<(), StoreError> {
        if end.torn == 0 {
            return Ok(());
        }
        recover::cut(&self.disk, &survey.current, end)?;
        let message = format!(
            "{} bytes of a batch that was never acknowledged were cut from {}, after frame {}",
            end.torn,
            survey.current.handle.path.display(),
            end.tail.head.sequence
        );
        self.warn("VSJ0121", message);
        Ok(())
    }

    /// Keeps the good beginning of the journal, and the snapshots of it; the rest is set aside.
    fn give_up_the_rest(&mut self, id: Uuid) -> Result<Vec<Snapshot>, StoreError> {
        let numbers = directory::segments(&self.disk, &self.paths)?;
        recover::mend(&self.disk, &self.paths.journal, &numbers)?;
        let found = audit::walk(&self.disk, &self.paths.journal, id)?;
        if found.audit.damage.is_some() {
            recover::set_aside(&self.disk, &self.paths.journal, &numbers, found.tail)?;
        }
        let missing = found.tail.number;
        let kept = directory::segments(&self.disk, &self.paths)?;
        if !kept.contains(&missing) {
            self.maker(id).make(missing)?;
        }
        self.unusable.clear();
        let snapshots = self.snapshots(id, true)?;
        let (usable, beyond): (Vec<_>, Vec<_>) = snapshots
            .into_iter()
            .partition(|snapshot| snapshot.begin.head().sequence <= found.tail.head.sequence);
        self.unusable
            .extend(beyond.into_iter().map(|snapshot| snapshot.path));
        Ok(usable)
    }

    fn journal(&self, id: Uuid, survey: &Survey, tail: Tail) -> Journal {
        Journal {
            disk: self.disk.clone(),
            directory: self.paths.journal.clone(),
            id,
            map: Arc::new(Mutex::new(Map {
                firsts: survey.firsts.clone(),
                tail,
                size: survey.size,
                room: 0,
                snapshot: 0,
            })),
        }
    }
}

/// Whether an error of opening means that acknowledged frames are missing or unreadable.
const fn means_loss(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Damaged(_)
            | StoreError::Missing { .. }
            | StoreError::Diverged { .. }
            | StoreError::Absent { .. }
    )
}
