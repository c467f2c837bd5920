//! Puts the journal and the index together: what is refused when they disagree, and who sees what.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use uuid::Uuid;

use super::audit;
use super::cursor::{Journal, Map, Tail};
use super::directory::{self, Lock, Paths};
use super::disk::Disk;
use super::index::{self, Index, IndexThread, OpenedIndex};
use super::journal::Writer;
use super::options::LocalOptions;
use super::prepare::Maker;
use super::recover::{self, End, Survey};
use crate::store::{
    Audit, Frames, Head, Opened, Purpose, Put, Read, Record, Scan, Store, StoreError, Usage, Warning,
};

/// The store on a local disk. Dropping it is like a crash, but for the lock; [`flush`](Store::flush) first to stop
/// gracefully.
pub struct Local {
    // In the order of dropping: the lock goes last.
    writer: Writer,
    _index_thread: IndexThread,
    index: Arc<Index>,
    journal: Journal,
    journal_limit: u64,
    _lock: Lock,
}

impl Local {
    /// Opens the store in `directory`, or makes one there. One process at a time.
    ///
    /// Repairs what a crash may leave and says so in the warnings. Anything that would mean that acknowledged frames
    /// are lost is refused, and changed nothing, unless [`LocalOptions::accept_loss`].
    pub fn open(directory: &Path, options: LocalOptions) -> Result<Opened<Self>, StoreError> {
        Opening::begin(directory, options)?.finish()
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local")
            .field("directory", &self.journal.directory)
            .field("head", &self.writer.head())
            .finish_non_exhaustive()
    }
}

/// A store on the way to be open.
struct Opening {
    disk: Disk,
    paths: Paths,
    options: LocalOptions,
    lock: Lock,
    warnings: Vec<Warning>,
}

/// A journal whose end is known and clean.
struct Ended {
    survey: Survey,
    tail: Tail,
}

impl Opening {
    fn begin(directory: &Path, options: LocalOptions) -> Result<Self, StoreError> {
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
        })
    }

    fn finish(mut self) -> Result<Opened<Local>, StoreError> {
        let id = self.identify()?;
        let mut opened = self.open_index()?;
        let ended = match self.end_of_journal(id, opened.head) {
            Err(error) if self.options.accept_loss && means_loss(&error) => {
                self.warn("VSJ0122", format!("records were given up: {error}"));
                drop(opened);
                opened = index::rebuild(&self.disk, &self.paths, &self.options)?;
                self.give_up_the_rest(id)?;
                self.end_of_journal(id, Head::EMPTY)?
            }
            other => other?,
        };
        if let Some(why) = opened.distrust {
            drop(opened);
            opened = index::rebuild(&self.disk, &self.paths, &self.options)?;
            self.warn_rebuilt(why);
        }
        let indexed = opened.head;
        let journal_limit = self.options.journal_limit;
        let journal = self.journal(id, &ended.survey, ended.tail);
        let writer = Writer::start(self.options.clone(), journal.clone(), ended.survey, ended.tail)?;
        let (index, index_thread) = Index::start(opened, self.disk, &self.paths, &self.options)?;
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
    fn end_of_journal(&mut self, id: Uuid, indexed: Head) -> Result<Ended, StoreError> {
        let numbers = directory::segments(&self.disk, &self.paths)?;
        let survey = recover::survey(&self.disk, &self.paths.journal, id, &numbers)?;
        let bytes = survey.current.bytes()?;
        let end = recover::find_end(&survey.current, &bytes, survey.before).map_err(StoreError::Damaged)?;
        self.check_against(id, &survey, end.tail, indexed)?;
        if self.options.accept_loss {
            // What must be replayed can be read, or is given up as well.
            self.journal(id, &survey, end.tail)
                .frames_after(indexed.sequence)
                .try_for_each(|frame| frame.map(drop))?;
        }
        self.cut(&survey, &end)?;
        let tail = end.tail;
        Ok(Ended { survey, tail })
    }

    fn check_against(&self, id: Uuid, survey: &Survey, tail: Tail, indexed: Head) -> Result<(), StoreError> {
        if indexed == Head::EMPTY {
            return Ok(());
        }
        if indexed.sequence > tail.head.sequence {
            return Err(StoreError::Missing {
                indexed: indexed.sequence,
                journal: tail.head.sequence,
            });
        }
        let before = indexed.sequence.saturating_sub(1);
        let frame = self.journal(id, survey, tail).frames_after(before).next();
        match frame.transpose()? {
            Some(frame) if frame.head == indexed => Ok(()),
            Some(frame) => Err(StoreError::Diverged {
                indexed,
                journal: frame.head,
            }),
            None => Err(StoreError::Missing {
                indexed: indexed.sequence,
                journal: before,
            }),
        }
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

    /// Keeps the good beginning of the journal; the rest is set aside.
    fn give_up_the_rest(&self, id: Uuid) -> Result<(), StoreError> {
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
        Ok(())
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

impl Local {
    /// An index that failed ends the process, to be rebuilt by the next one. But one that is only full lets running
    /// jobs finish: the journal has its own room, and their changes stay in memory until the next opening makes them
    /// again.
    fn check_index(&self, purpose: Purpose) -> Result<(), StoreError> {
        match (self.index.failure(), purpose) {
            (None, _) => Ok(()),
            (Some(error), Purpose::Finish) if error.is_full() => Ok(()),
            (Some(error), Purpose::NewWork) if error.is_full() => Err(StoreError::Full {
                path: self.journal.directory.clone(),
                needed: 0,
            }),
            (Some(error), _) => Err(error),
        }
    }
}

impl Store for Local {
    fn append(&mut self, frames: &[Vec<u8>], purpose: Purpose) -> Result<Head, StoreError> {
        self.check_index(purpose)?;
        self.writer.append(frames, purpose)
    }

    fn admits(&mut self, purpose: Purpose) -> Result<(), StoreError> {
        self.check_index(purpose)?;
        self.writer.admits(purpose)
    }

    fn index(&mut self, head: Head, puts: Vec<Put>) {
        self.index.push(head, puts);
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.index.flush()
    }

    fn head(&self) -> Head {
        self.writer.head()
    }

    fn reader(&self) -> Arc<dyn Read> {
        Arc::new(Reader {
            index: self.index.clone(),
            journal: self.journal.clone(),
            journal_limit: self.journal_limit,
        })
    }
}

struct Reader {
    index: Arc<Index>,
    journal: Journal,
    journal_limit: u64,
}

impl Read for Reader {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.index.get(key)
    }

    fn scan(&self, scan: Scan<'_>) -> Result<Vec<Record>, StoreError> {
        self.index.scan(scan)
    }

    fn frames_after(&self, sequence: u64) -> Frames {
        Box::new(self.journal.frames_after(sequence))
    }

    fn verify(&self) -> Result<Audit, StoreError> {
        audit::verify(&self.journal)
    }

    fn usage(&self) -> Result<Usage, StoreError> {
        let map = self.journal.map();
        let (index, index_backlog) = self.index.usage()?;
        Ok(Usage {
            journal: map.size,
            journal_limit: self.journal_limit,
            room: map.room,
            index,
            index_backlog,
        })
    }
}
