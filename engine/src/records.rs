//! How the world is kept in the store's index: one record a job, and small ones that point at it.
//!
//! | key | value |
//! |---|---|
//! | `job/` id (16 bytes) | the job |
//! | `jobs` | how many records of jobs there are |
//! | `open/` id | empty; the job is open, or owes an undo |
//! | `by/` lock key, 0, id | empty; the job locks, or locked, this guest, host or address |
//! | `key/` idempotency key | the job's id |
//! | `place/` guest | its host |
//! | `host/` name | which machine it is, and whether nothing new is sent there |
//! | `schedule/` name | a schedule as it stands |
//! | `master` | the last epoch, and whether the master left in good order |
//! | `due/` id | how long a master will have been up when the time of this job, which waits for it, comes |
//! | `clock` | when the last entry was written, how long a master was up, and a jump of the wall clock |
//! | `held` | empty; a master took over, and nobody has accepted yet how the hosts are |

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::codec::{self, CodecError};
use crate::store::{Put, Read, Scan};
use crate::world::{Dirty, KnownTime, World};
use crate::{EngineError, Epoch, HostName, Job, JobId, Jump, Status, Timestamp};

/// The version in the envelope of every record.
const VERSION: u16 = 1;

#[derive(Serialize, Deserialize)]
struct Clock {
    seen: Timestamp,
    up: Duration,
    jump: Option<Jump>,
}

#[derive(Serialize, Deserialize)]
struct Master {
    epoch: Option<Epoch>,
    closed: bool,
}

fn key(prefix: &str, rest: &[u8]) -> Vec<u8> {
    [prefix.as_bytes(), rest].concat()
}

fn read<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let envelope = codec::decode(bytes)?;
    match envelope.version {
        VERSION => envelope.read(),
        _ => Err(envelope.newer_than(VERSION)),
    }
}

/// The records of everything that changed since the last call. Jobs that are over and owe nothing leave the world.
pub(crate) fn take_changes(world: &mut World) -> Result<Vec<Put>, CodecError> {
    let dirty = std::mem::take(&mut world.dirty);
    let puts = puts(world, &dirty)?;
    world.let_go(&dirty.jobs);
    Ok(puts)
}

/// How many records of jobs are looked at in one go.
const PAGE: usize = 256;

/// What makes the index forget the oldest jobs, as far as more are known than are to be kept: at least as many as `told`, how
/// many records it was told last. A job that is open, or owes an undo, is kept, and so is each that is younger than one of
/// those: what belongs to it can be looked up.
pub(crate) fn forget(
    world: &mut World,
    reader: &dyn Read,
    kept: u64,
    told: usize,
) -> Result<Vec<Put>, EngineError> {
    let too_many = usize::try_from(world.known_jobs.saturating_sub(kept)).unwrap_or(usize::MAX);
    let oldest = reader.scan(Scan {
        limit: PAGE.max(told).min(too_many),
        ..Scan::all(b"job/")
    })?;
    // Ids of one millisecond tell of no order.
    let open = world.jobs.values().map(|job| job.first).min();
    let mut puts = Vec::new();
    for record in oldest {
        let job: Job = read(&record.value)?;
        if open.is_some_and(|open| job.first >= open) {
            continue;
        }
        puts.extend(keys_of(&job).into_iter().map(|key| Put { key, value: None }));
        world.known_jobs -= 1;
    }
    if !puts.is_empty() {
        puts.push(count(world)?);
    }
    Ok(puts)
}

/// Every record that is about this job alone.
fn keys_of(job: &Job) -> Vec<Vec<u8>> {
    let id = job.id.as_bytes();
    let mut keys: Vec<_> = ["job/", "open/", "due/"].map(|kind| key(kind, id)).into();
    keys.extend(job.locks.iter().map(|lock| key("by/", &about(&lock.key, job.id))));
    keys.extend(job.request.key.iter().map(|name| key("key/", name.as_bytes())));
    keys
}

/// The end of a key in `by/`.
fn about(lock: &str, id: JobId) -> Vec<u8> {
    [lock.as_bytes(), b"\0", id.as_bytes()].concat()
}

fn count(world: &World) -> Result<Put, CodecError> {
    Ok(Put {
        key: b"jobs".to_vec(),
        value: Some(codec::encode(VERSION, &world.known_jobs)?),
    })
}

fn puts(world: &World, dirty: &Dirty) -> Result<Vec<Put>, CodecError> {
    let mut puts = Vec::new();
    for job in dirty.jobs.iter().filter_map(|id| world.jobs.get(id)) {
        let id = job.id.as_bytes();
        let open = !job.status.is_over() || job.debts().next().is_some();
        puts.push(Put {
            key: key("job/", id),
            value: Some(codec::encode(VERSION, job)?),
        });
        puts.push(Put {
            key: key("open/", id),
            value: open.then(Vec::new),
        });
        if job.request.not_before.is_some() {
            let due = world.clock.due.get(&job.id);
            puts.push(Put {
                key: key("due/", id),
                value: due.map(|due| codec::encode(VERSION, due)).transpose()?,
            });
        }
        for lock in &job.locks {
            puts.push(Put {
                key: key("by/", &about(&lock.key, job.id)),
                value: Some(Vec::new()),
            });
        }
        if let Some(name) = &job.request.key {
            puts.push(Put {
                key: key("key/", name.as_bytes()),
                value: Some(codec::encode(VERSION, &job.id)?),
            });
        }
    }
    for guest in &dirty.guests {
        let host = world
            .placement
            .get(guest)
            .map(|host| codec::encode(VERSION, host))
            .transpose()?;
        puts.push(Put {
            key: key("place/", guest.as_bytes()),
            value: host,
        });
    }
    for host in &dirty.hosts {
        let known = world.hosts.get(host);
        puts.push(Put {
            key: key("host/", host.as_str().as_bytes()),
            value: known.map(|known| codec::encode(VERSION, known)).transpose()?,
        });
    }
    for name in &dirty.schedules {
        let known = world.schedules.get(name);
        puts.push(Put {
            key: key("schedule/", name.as_str().as_bytes()),
            value: known.map(|known| codec::encode(VERSION, known)).transpose()?,
        });
    }
    puts.push(count(world)?);
    let KnownTime { seen, up, jump, .. } = world.clock;
    puts.push(Put {
        key: b"clock".to_vec(),
        value: Some(codec::encode(VERSION, &Clock { seen, up, jump })?),
    });
    if dirty.master {
        let master = Master {
            epoch: world.epoch,
            closed: world.closed,
        };
        puts.push(Put {
            key: b"master".to_vec(),
            value: Some(codec::encode(VERSION, &master)?),
        });
    }
    if dirty.held {
        puts.push(Put {
            key: b"held".to_vec(),
            value: world.held.then(Vec::new),
        });
    }
    Ok(puts)
}

/// The world as the index knows it, at `sequence`.
pub(crate) fn load(reader: &dyn Read, sequence: u64) -> Result<World, EngineError> {
    let mut world = World {
        sequence,
        ..World::default()
    };
    if let Some(bytes) = reader.get(b"master")? {
        let Master { epoch, closed } = read(&bytes)?;
        world.epoch = epoch;
        world.closed = closed;
    }
    if let Some(bytes) = reader.get(b"clock")? {
        let Clock { seen, up, jump } = read(&bytes)?;
        world.clock = KnownTime {
            seen,
            up,
            jump,
            ..KnownTime::default()
        };
    }
    world.held = reader.get(b"held")?.is_some();
    world.known_jobs = match reader.get(b"jobs")? {
        Some(bytes) => read(&bytes)?,
        None => counted(reader)?,
    };
    for record in reader.scan(Scan::all(b"place/"))? {
        let guest = String::from_utf8_lossy(&record.key["place/".len()..]).into_owned();
        world.placement.insert(guest, read::<HostName>(&record.value)?);
    }
    for record in reader.scan(Scan::all(b"host/"))? {
        let host = String::from_utf8_lossy(&record.key["host/".len()..]).into_owned();
        // It was a name when it was written.
        if let Ok(host) = host.parse() {
            world.hosts.insert(host, read(&record.value)?);
        }
    }
    for record in reader.scan(Scan::all(b"schedule/"))? {
        let name = String::from_utf8_lossy(&record.key["schedule/".len()..]).into_owned();
        if let Ok(name) = name.parse() {
            world.schedules.insert(name, read(&record.value)?);
        }
    }
    for record in reader.scan(Scan::all(b"open/"))? {
        let id = &record.key["open/".len()..];
        if let Some(bytes) = reader.get(&key("job/", id))? {
            let job: Job = read(&bytes)?;
            if job.request.not_before.is_some() && job.status == Status::Queued {
                let due = reader.get(&key("due/", id))?;
                let due = due.map(|bytes| read(&bytes)).transpose()?;
                let due = due.unwrap_or_else(|| anew(&world, &job));
                world.clock.due.insert(job.id, due);
            }
            world.restore(job);
        }
    }
    Ok(world)
}

/// How many records of jobs there are in an index of before they were counted.
fn counted(reader: &dyn Read) -> Result<u64, EngineError> {
    let mut count = 0;
    let mut last: Option<Vec<u8>> = None;
    loop {
        let page = reader.scan(Scan {
            after: last.as_deref(),
            limit: PAGE,
            ..Scan::all(b"job/")
        })?;
        count += page.len() as u64;
        match page.into_iter().next_back() {
            Some(record) => last = Some(record.key),
            None => return Ok(count),
        }
    }
}

/// An index of before this was counted does not say when the job's time comes: it waits once more for as long.
fn anew(world: &World, job: &Job) -> Duration {
    let wait = job.request.not_before.map(|at| at.since(job.submitted));
    world.clock.up + wait.unwrap_or_default()
}

/// The job `id`, as the index knows it.
pub(crate) fn job(reader: &dyn Read, id: JobId) -> Result<Option<Job>, EngineError> {
    reader
        .get(&key("job/", id.as_bytes()))?
        .map(|bytes| Ok(read(&bytes)?))
        .transpose()
}

/// The job that has the idempotency key `name`.
pub(crate) fn by_key(reader: &dyn Read, name: &str) -> Result<Option<JobId>, EngineError> {
    reader
        .get(&key("key/", name.as_bytes()))?
        .map(|bytes| Ok(read(&bytes)?))
        .transpose()
}

/// The newest `limit` jobs.
pub(crate) fn newest(reader: &dyn Read, limit: usize) -> Result<Vec<Job>, EngineError> {
    let records = reader.scan(Scan::newest(b"job/", limit))?;
    records.iter().map(|record| Ok(read(&record.value)?)).collect()
}
