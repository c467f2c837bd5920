//! Opens a store: puts the journal, the snapshots and the index together, and decides what is repaired, and what is
//! refused, when they disagree.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use uuid::Uuid;

use super::audit;
use super::cursor::{Journal, Map, Tail};
use super::database::{self, OpenedIndex};
use super::directory::{self, Lock, Paths};
use super::disk::Disk;
use super::index::Index;
use super::journal::Writer;
use super::keeper::Keeper;
use super::options::LocalOptions;
use super::prepare::Maker;
use super::recover::{self, End, Survey};
use super::segment;
use super::snapshot::{self, Begin, Snapshot};
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
        let ended = match self.end_of_journal(id, &mut opened, &snapshots) {
            Err(error) if self.options.accept_loss && means_loss(&error) => {
                self.warn("VSJ0122", format!("records were given up: {error}"));
                drop(opened);
                opened = database::rebuild(&self.disk, &self.paths, &self.options)?;
                snapshots = self.give_up_the_rest(id, &mut opened)?;
                self.end_of_journal(id, &mut opened, &snapshots)?
            }
            other => other?,
        };
        if let Some(why) = opened.distrust {
            drop(opened);
            opened = database::rebuild(&self.disk, &self.paths, &self.options)?;
            self.warn_rebuilt(why);
        }
        if let Some(newest) = snapshots.last().filter(|_| opened.must_be_made()) {
            database::load(&mut opened, &self.paths, newest)?;
        }
        self.set_snapshots_aside()?;
        self.start(id, opened, ended, &snapshots)
    }

    fn start(
        self,
        id: Uuid,
        opened: OpenedIndex,
        ended: Ended,
        snapshots: &[Snapshot],
    ) -> Result<Opened<Local>, StoreError> {
        let indexed = opened.head;
        let journal_limit = self.options.journal_limit;
        let journal = self.journal(id, &ended.survey, ended.tail);
        let unsaved = match snapshots {
            [] if ended.survey.number == 1 => Some((1, 0)),
            [_, newest] => Some((newest.begin.segment, newest.begin.offset)),
            // Unless two snapshots can be relied on, the next one is due at once.
            _ => None,
        };
        let unsaved = unsaved.map_or(u64::MAX / 2, |(segment, offset)| {
            journal.map_mut().bytes_after(segment, offset)
        });
        if let Some(newest) = snapshots.last() {
            journal.map_mut().snapshot = newest.length(&self.disk)?;
        }
        let writer = Writer::start(
            self.options.clone(),
            journal.clone(),
            ended.survey,
            ended.tail,
            unsaved,
        )?;
        let saved = snapshots.last().map_or(Head::EMPTY, |newest| newest.begin.head());
        let keeper = Keeper {
            journal: journal.clone(),
            archive_limit: self.options.archive_limit,
        };
        let (index, index_thread) =
            Index::start(opened, self.disk, &self.paths, &self.options, keeper, saved)?;
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
        let numbers = segment::list(&self.disk, &self.paths.journal)?;
        let from_segment = match numbers.first() {
            Some(&number) => self.title(number)?,
            None => None,
        };
        let id = match directory::read_id(&self.disk, &self.paths) {
            Ok(Some(id)) => return Ok(id),
            Ok(None) if numbers.is_empty() && !self.options.accept_loss && self.has_a_past()? => {
                let path = self.paths.journal.clone();
                return Err(StoreError::Absent { path });
            }
            Ok(None) => from_segment,
            Err(error) if !self.options.accept_loss => return Err(error),
            Err(_) => from_segment,
        };
        let id = id.unwrap_or_else(Uuid::new_v4);
        if numbers.is_empty() {
            self.maker(id).make(1)?;
        }
        directory::write_id(&self.disk, &self.paths, id)?;
        Ok(id)
    }

    /// Whether there was a store before: what it has kept besides its journal is there.
    fn has_a_past(&self) -> Result<bool, StoreError> {
        let archived = segment::list(&self.disk, &self.paths.archive)?;
        Ok(!archived.is_empty() || !snapshot::list(&self.disk, &self.paths)?.is_empty())
    }

    fn title(&self, number: u64) -> Result<Option<Uuid>, StoreError> {
        let path = self.paths.journal.join(segment::name(number));
        let title = segment::title(&self.disk.open_to_read(&path)?)?;
        Ok(title.map(|title| title.id))
    }

    fn maker(&self, id: Uuid) -> Maker {
        Maker {
            disk: self.disk.clone(),
            paths: self.paths.clone(),
            id,
            size: self.options.segment_size,
        }
    }

    fn open_index(&mut self) -> Result<OpenedIndex, StoreError> {
        let (opened, set_aside) = database::open(&self.disk, &self.paths, &self.options)?;
        if let Some(why) = set_aside {
            self.warn_rebuilt(&why);
        }
        Ok(opened)
    }

    /// With which segment the journal begins. What was archived is read again only if nothing has the state after it.
    fn first_segment(
        &self,
        snapshots: &[Snapshot],
        opened: &OpenedIndex,
        numbers: &[u64],
    ) -> Result<u64, StoreError> {
        match numbers.first() {
            Some(&first) if snapshots.is_empty() && !opened.must_be_made() => Ok(first),
            _ => audit::first_segment(&self.disk, &self.paths, snapshots),
        }
    }

    /// Finds the journal's end, cuts what a crash tore, and checks that everything the index knows is there.
    fn end_of_journal(
        &mut self,
        id: Uuid,
        opened: &mut OpenedIndex,
        snapshots: &[Snapshot],
    ) -> Result<Ended, StoreError> {
        let numbers = segment::list(&self.disk, &self.paths.journal)?;
        let first = self.first_segment(snapshots, opened, &numbers)?;
        let survey = recover::survey(&self.disk, &self.paths, id, (first, &numbers), snapshots)?;
        if !opened.must_be_made() && opened.head.sequence < survey.begin.sequence {
            opened.distrust = Some("it is behind the journal that is kept");
        }
        let bytes = survey.current.bytes()?;
        let end = recover::find_end(&survey.current, &bytes, survey.before).map_err(StoreError::Damaged)?;
        let journal = self.journal(id, &survey, end.tail);
        let states = snapshots.iter().map(|snapshot| snapshot.begin.head());
        let indexed = Some(opened.head).filter(|head| head.sequence >= survey.begin.sequence);
        for known in states.chain(indexed).filter(|head| *head != Head::EMPTY) {
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

    /// Keeps the good beginning of the journal, if it reaches the newest snapshot; else that alone. The rest is set aside.
    fn give_up_the_rest(&mut self, id: Uuid, opened: &mut OpenedIndex) -> Result<Vec<Snapshot>, StoreError> {
        let numbers = segment::list(&self.disk, &self.paths.journal)?;
        recover::mend(&self.disk, &self.paths.journal, &numbers)?;
        self.unusable.clear();
        self.warnings.retain(|warning| warning.code != "VSJ0123");
        let snapshots = self.snapshots(id, true)?;
        let first = audit::first_segment(&self.disk, &self.paths, &snapshots)?;
        let found = audit::walk(&self.disk, &self.paths, id, first, &snapshots, None)?;
        let has_all = match snapshots.last() {
            Some(newest) => found.has(newest),
            None => found.begin == Head::EMPTY && !self.archive_has(found.tail.number)?,
        };
        if !has_all {
            return self.begin_anew(id, opened, &numbers, snapshots);
        }
        if found.audit.damage.is_some() {
            recover::set_aside(&self.disk, &self.paths.journal, &numbers, found.tail)?;
        }
        let missing = found.tail.number;
        if !segment::list(&self.disk, &self.paths.journal)?.contains(&missing) {
            self.maker(id).make(missing)?;
        }
        let (usable, others): (Vec<_>, Vec<_>) = snapshots.into_iter().partition(|one| found.has(one));
        self.unusable
            .extend(others.into_iter().map(|snapshot| snapshot.path));
        Ok(usable)
    }

    /// Whether a segment of that number, or a later one, is archived.
    fn archive_has(&self, number: u64) -> Result<bool, StoreError> {
        let archived = segment::list(&self.disk, &self.paths.archive)?;
        Ok(archived.last().is_some_and(|&last| last >= number))
    }

    /// Begins a journal after the newest snapshot, or after nothing. Its segment has a number that none had before.
    fn begin_anew(
        &mut self,
        id: Uuid,
        opened: &mut OpenedIndex,
        numbers: &[u64],
        mut snapshots: Vec<Snapshot>,
    ) -> Result<Vec<Snapshot>, StoreError> {
        let archived = segment::list(&self.disk, &self.paths.archive)?;
        let known = snapshots.iter().map(|snapshot| snapshot.begin.segment);
        let last = archived.iter().chain(numbers).copied().chain(known).max();
        let number = last.unwrap_or(0) + 1;
        let newest = snapshots.pop();
        if let Some(newest) = &newest {
            database::load(opened, &self.paths, newest)?;
        }
        let head = newest.map_or(Head::EMPTY, |newest| newest.begin.head());
        self.maker(id).make(number)?;
        for number in numbers {
            let path = self.paths.journal.join(segment::name(*number));
            self.disk.rename(&path, &path.with_extension("lost"))?;
        }
        self.unusable
            .extend(snapshots.into_iter().map(|snapshot| snapshot.path));
        let at = segment::HEADER;
        let begin = Begin::at(id, Tail { number, at, head });
        let records = opened.records(&self.paths);
        Ok(vec![snapshot::write(&self.disk, &self.paths, begin, records)?])
    }

    fn journal(&self, id: Uuid, survey: &Survey, tail: Tail) -> Journal {
        Journal {
            disk: self.disk.clone(),
            paths: self.paths.clone(),
            id,
            map: Arc::new(Mutex::new(Map {
                number: survey.number,
                before: survey.begin,
                kept: survey.kept.clone(),
                tail,
                spare: 0,
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
