//! A witness outside: a client of a guest that writes to it all the time, never the same number twice, and remembers
//! which writes the guest has acknowledged. Each of those must be in the guest for ever.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, ensure};

/// The port of the guest's service that takes writes.
const PORT: u16 = 9;

/// How long the guest may take for one.
const LIMIT: Duration = Duration::from_secs(2);

/// Between two writes.
const PACE: Duration = Duration::from_millis(50);

/// The guest's service.
pub(super) const SERVICE: &str = "#!/bin/sh\nexec nc -ll -p 9 -e /bin/ledger\n";

/// What it runs for each connection: a number is acknowledged when it is on the disk.
pub(super) const LEDGER: &str = "#!/bin/sh\n\
    while read -r number; do\n\
    echo \"$number\" | dd of=/var/lib/data/ledger oflag=append conv=notrunc,fsync 2>/dev/null || exit\n\
    echo \"$number\"\n\
    done\n";

/// Where it keeps them, in the guest's root.
pub(super) const KEPT: &str = "var/lib/data/ledger";

/// A client of one guest. Dropped, it ends.
pub(super) struct Client {
    acknowledged: Arc<Mutex<BTreeSet<u64>>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Client {
    /// Begins to write to the guest at `address`, as soon as it answers.
    pub(super) fn of(address: &str) -> anyhow::Result<Self> {
        let at = SocketAddr::new(address.parse()?, PORT);
        let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
        let ended = Arc::new(AtomicBool::new(false));
        let (set, end) = (Arc::clone(&acknowledged), Arc::clone(&ended));
        let thread = std::thread::spawn(move || {
            let mut number = 0;
            while !end.load(Ordering::Relaxed) {
                // That it breaks off is what this is about.
                let _ = write_on(at, &mut number, &set, &end);
                std::thread::park_timeout(PACE);
            }
        });
        Ok(Self {
            acknowledged,
            ended,
            thread: Some(thread),
        })
    }

    /// What has been acknowledged so far.
    pub(super) fn acknowledged(&self) -> BTreeSet<u64> {
        self.acknowledged
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Client {
    /// These are lost because somebody has put its guest back to what it was before.
    pub(super) fn forgive(&self, lost: &BTreeSet<u64>) {
        let mut acknowledged = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        acknowledged.retain(|number| !lost.contains(number));
    }
}

/// The numbers in a ledger.
pub(super) fn numbers(ledger: &str) -> anyhow::Result<BTreeSet<u64>> {
    let read = |line: &str| line.parse().with_context(|| format!("`{line}` is no number"));
    ledger.lines().map(read).collect()
}

impl Drop for Client {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // It cannot have panicked, and it ends within its limits.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn write_on(
    at: SocketAddr,
    number: &mut u64,
    acknowledged: &Mutex<BTreeSet<u64>>,
    ended: &AtomicBool,
) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect_timeout(&at, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    let mut answers = BufReader::new(stream.try_clone()?).lines();
    while !ended.load(Ordering::Relaxed) {
        *number += 1;
        writeln!(stream, "{number}")?;
        let answer: u64 = answers.next().context("no answer")??.parse()?;
        ensure!(answer == *number, "{answer} is no answer to {number}");
        acknowledged
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(*number);
        std::thread::park_timeout(PACE);
    }
    Ok(())
}
