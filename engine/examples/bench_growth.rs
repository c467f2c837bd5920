//! What many stored jobs cost: how long a master takes to open its store, and how much memory, with its index and without
//! it; what it takes from there to decide what is next, a step; and what the store takes on the disk.
//!
//! `cargo run --release -p vsjob-engine --example bench_growth [DIRECTORY [JOBS…]]`; the directory decides which disk is
//! measured, and 1000, 10000, 100000 and 1000000 are the jobs. Each opening is a process of its own, so that its peak of
//! memory is that of nothing else.

#![expect(clippy::print_stdout, reason = "a benchmark says what it measured")]

use std::path::Path;
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use uuid::Uuid;
use vsjob_engine::store::{Local, LocalOptions, Purpose, Store};
use vsjob_engine::{
    ActionRef, Actions, Actor, Arg, Engine, Entry, Epoch, Event, HostName, JobEvent, JobId, Lock, NewJob,
    Options, Outcome, Outputs, Performing, Plan, Priority, Request, Retry, Step, StepNo, SystemClock,
    Timestamp, Value, Work,
};

type Error = Box<dyn std::error::Error>;

/// Of each job.
const STEPS: u16 = 6;
/// So many jobs are written between two openings: each brings the index, and the snapshots, up to the journal.
const AT_ONCE: usize = 20_000;
/// So many jobs are run beside the stored ones, these at a time.
const DECIDED: usize = 2000;
const AT_A_TIME: usize = 100;

struct Nothing;

impl Actions for Nothing {
    fn knows(&self, _: &ActionRef) -> bool {
        true
    }

    fn perform(&self, _: Work) -> Performing {
        Box::pin(async { Outcome::Done(Outputs::new()) })
    }

    fn forget(&self, _: JobId, _: Vec<HostName>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async {})
    }
}

/// A job that holds one guest of a thousand.
fn new_job(number: usize) -> Result<NewJob, Error> {
    let guest = format!("guest-{}", number % 1000);
    let host: HostName = "vsh-01".parse()?;
    let step = |no: u16| Step {
        title: format!("step {no} for {guest}"),
        action: ActionRef {
            name: "guest-stop".to_owned(),
            version: 1,
        },
        args: vec![Arg {
            name: "name".to_owned(),
            value: Value::Text(guest.clone()),
        }],
        hosts: vec![host.clone()],
        undo: None,
        pivot: false,
        retry: Retry::default(),
        creates: Vec::new(),
        strikes: Vec::new(),
        places: Vec::new(),
    };
    let request = Request {
        operation: "stop".to_owned(),
        args: vec![("name".to_owned(), guest.clone())],
        actor: Actor {
            user: "root".to_owned(),
            from: "a benchmark".to_owned(),
            reason: None,
        },
        key: None,
        priority: Priority::Normal,
        not_before: None,
    };
    let lock = Lock {
        key: format!("guest/{guest}"),
        shared: false,
    };
    Ok(NewJob {
        request,
        title: format!("stop {guest}"),
        plan: Plan {
            steps: (0..STEPS).map(step).collect(),
        },
        locks: vec![lock],
    })
}

/// A job that was done, as its entries.
fn job(number: usize) -> Result<Vec<Entry>, Error> {
    let new = new_job(number)?;
    let at = Timestamp::from_millis(1_764_000_000_000 + i64::try_from(number)?);
    let job = JobId::new(at);
    let epoch = Epoch {
        counter: 1,
        id: Uuid::nil(),
    };
    let mut events = vec![JobEvent::Started];
    for step in (0..STEPS).map(StepNo) {
        let outputs = Outputs::from([("running".to_owned(), "yes".to_owned())]);
        let attempt = 1;
        events.push(JobEvent::StepStarted { step, attempt, epoch });
        events.push(JobEvent::StepSucceeded { step, outputs });
    }
    events.push(JobEvent::Succeeded);
    let submitted = Event::Submitted {
        job,
        new: Box::new(new),
    };
    let events = events.into_iter().map(|event| Event::Job { job, event });
    let all = std::iter::once(submitted).chain(events);
    Ok(all.map(|event| Entry { at, event }).collect())
}

/// Appends the entries of `jobs`.
fn write(directory: &Path, jobs: std::ops::Range<usize>) -> Result<(), Error> {
    let mut store = Local::open(directory, LocalOptions::default())?.store;
    let all: Vec<usize> = jobs.collect();
    for some in all.chunks(200) {
        let mut frames = Vec::new();
        for &number in some {
            for entry in job(number)? {
                frames.push(entry.encode()?);
            }
        }
        store.append(&frames, Purpose::Finish)?;
    }
    Ok(())
}

/// What is measured of one master.
struct Measured {
    /// Until it has opened its store and answers, in seconds.
    opening: f64,
    /// Of a processor's time, for each step that it then lets do nothing, in microseconds.
    step: f64,
}

/// Opens the store as a master does, and runs so many jobs.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn open(directory: &Path, jobs: usize) -> Result<Measured, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let _guard = runtime.enter();
    let begin = Instant::now();
    let opened = Local::open(directory, LocalOptions::default())?.boxed();
    let clock = Arc::new(SystemClock);
    let engine = Engine::open(opened, Arc::new(Nothing), clock, Options::default())?;
    runtime.block_on(engine.time())?;
    let opening = begin.elapsed().as_secs_f64();
    let before = processor()?;
    runtime.block_on(async {
        for some in (0..jobs).collect::<Vec<_>>().chunks(AT_A_TIME) {
            let mut ids = Vec::new();
            for number in some {
                ids.push(engine.submit(new_job(*number)?).await?.id);
            }
            for id in ids {
                engine.ended(id).await?;
            }
        }
        Ok::<(), Error>(())
    })?;
    let steps = jobs.max(1) as f64 * f64::from(STEPS);
    let step = (processor()? - before) / steps * 1e6;
    runtime.block_on(engine.close())?;
    Ok(Measured { opening, step })
}

/// The processor time that this process has had, in seconds.
fn processor() -> Result<f64, Error> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').ok_or("no name")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? / 100.0)
}

/// The most memory that this process had, in MB.
fn peak() -> Result<u64, Error> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|rest| rest.split_whitespace().next());
    Ok(kilobytes.unwrap_or("0").parse::<u64>()? / 1000)
}

/// Runs this program again for one part of the work, and returns what it says.
fn again(part: &str, directory: &Path, numbers: &[usize]) -> Result<String, Error> {
    let said = Command::new(std::env::current_exe()?)
        .arg(part)
        .arg(directory)
        .args(numbers.iter().map(ToString::to_string))
        .stderr(Stdio::inherit())
        .output()?;
    if !said.status.success() {
        return Err(format!("{part}: {}", said.status).into());
    }
    Ok(String::from_utf8(said.stdout)?.trim().to_owned())
}

fn megabytes(path: &Path) -> Result<u64, Error> {
    let mut bytes = 0;
    let mut folders = vec![path.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                bytes += entry.metadata()?.len();
            }
        }
    }
    Ok(bytes / 1_000_000)
}

fn measure(folder: &Path, jobs: usize) -> Result<(), Error> {
    let directory = folder.join(format!("growth-{jobs}"));
    for from in (0..jobs).step_by(AT_ONCE) {
        again("write", &directory, &[from, jobs.min(from + AT_ONCE)])?;
        again("open", &directory, &[])?;
    }
    let with = again("open", &directory, &[])?;
    let decided = again("decide", &directory, &[])?;
    std::fs::remove_dir_all(directory.join("index"))?;
    let without = again("open", &directory, &[])?;
    let size = |name: &str| megabytes(&directory.join(name));
    println!(
        "| {jobs} | {with} | {without} | {decided} | {} | {} | {} | {} |",
        size("journal")?,
        size("archive")?,
        size("snapshots")?,
        size("index")?
    );
    std::fs::remove_dir_all(directory)?;
    Ok(())
}

fn main() -> Result<(), Error> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let numbers =
        |from: usize| -> Result<Vec<usize>, _> { args.iter().skip(from).map(|text| text.parse()).collect() };
    match args.first().map(String::as_str) {
        Some("write") => match numbers(2)?[..] {
            [from, to] => write(Path::new(&args[1]), from..to),
            _ => Err("from which job to which?".into()),
        },
        Some("open") => {
            let opening = open(Path::new(&args[1]), 0)?.opening;
            println!("{opening:.2} s, {} MB", peak()?);
            Ok(())
        }
        Some("decide") => {
            let step = open(Path::new(&args[1]), DECIDED)?.step;
            println!("{step:.0} µs");
            Ok(())
        }
        folder => {
            let jobs = Some(numbers(1)?).filter(|jobs| !jobs.is_empty());
            println!(
                "| jobs | opened | the same, index lost | a step | journal, MB | archive | snapshots | index |"
            );
            println!("|---|---|---|---|---|---|---|---|");
            for jobs in jobs.unwrap_or(vec![1000, 10_000, 100_000, 1_000_000]) {
                measure(Path::new(folder.unwrap_or(".")), jobs)?;
            }
            Ok(())
        }
    }
}
