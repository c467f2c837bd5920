//! A master that dies at one of its durable writes, whose wall clock is set, or whose index finds no room:
//! `tests/lab/fate.c`, preloaded into it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::compiler;
use crate::program::{Master, Program, said};

/// What masters of one folder meet.
pub struct Fate {
    file: File,
}

impl Fate {
    /// Of all masters that this program starts from now on. `None`: this machine has no compiler, and has said so.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn of(program: &mut Program) -> anyhow::Result<Option<Self>> {
        let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("lab/fate.c");
        let library = program.folder().join("fate.so");
        if !compiler::compile(&["-shared", "-fPIC"], &source, &library)? {
            return Ok(None);
        }
        let told = program.folder().join("fate");
        let fate = Self {
            file: file(&told).with_context(|| told.display().to_string())?,
        };
        fate.write([0, 0, 0])?;
        fate.wall_clock_is_ahead(0)?;
        fate.index_has_room(true)?;
        program.master_env("LD_PRELOAD", &library);
        program.master_env("FATE", &told);
        Ok(Some(fate))
    }

    /// It dies at that durable write from now, counted from 1, right before it or right after it.
    ///
    /// # Errors
    /// It cannot be told.
    pub fn dies_at(&self, write: i64, after: bool) -> anyhow::Result<()> {
        self.write([write, after.into(), 0])
    }

    /// Whether it has come to that write: it dies, or is dead.
    ///
    /// # Errors
    /// It cannot be asked.
    pub fn is_met(&self) -> anyhow::Result<bool> {
        let mut met = [0; 8];
        self.file.read_exact_at(&mut met, 16)?;
        Ok(i64::from_ne_bytes(met) != 0)
    }

    /// It does not die, unless it does so already; answers whether that is so.
    ///
    /// # Errors
    /// It cannot be told, or asked.
    pub fn end(&self) -> anyhow::Result<bool> {
        self.file.write_all_at(&0_i64.to_ne_bytes(), 0)?;
        self.is_met()
    }

    /// Gives an order, such as `submit evacuate --wait`, whose master dies as [`Fate::dies_at`] says; the next one goes on. Answers
    /// the master that works at its end, and whether one has died: the order may have had fewer writes.
    ///
    /// # Errors
    /// It does not end well.
    pub fn befalls(
        &self,
        program: &Program,
        mut master: Master,
        (write, after): (i64, bool),
        order: &[&str],
    ) -> anyhow::Result<(Master, bool)> {
        loop {
            self.dies_at(write, after)?;
            let mut waits = program.command(order);
            let mut waits = waits.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
            let mut died = false;
            while waits.try_wait()?.is_none() {
                if self.is_met()? && !died {
                    died = true;
                    master.was_killed()?;
                    master = program.master()?;
                }
                std::thread::park_timeout(Duration::from_millis(20));
            }
            let ended = said(waits.wait_with_output()?)?;
            if self.end()? && !died {
                died = true;
                master.was_killed()?;
                master = program.master()?;
            }
            // It may die of something else that it writes, before it can be asked: that tells nothing.
            if !(died && ended.err.contains("VSJ0502")) {
                ensure!(ended.status.success(), "killed at write {write}: {ended:?}");
                return Ok((master, died));
            }
        }
    }

    /// Their wall clock is that many milliseconds ahead of this machine's; behind it, if there are less than none.
    ///
    /// # Errors
    /// They cannot be told.
    pub fn wall_clock_is_ahead(&self, millis: i64) -> anyhow::Result<()> {
        Ok(self.file.write_all_at(&millis.to_ne_bytes(), 24)?)
    }

    /// Whether there is room for what their index writes from now on.
    ///
    /// # Errors
    /// They cannot be told.
    pub fn index_has_room(&self, is_so: bool) -> anyhow::Result<()> {
        Ok(self.file.write_all_at(&i64::from(!is_so).to_ne_bytes(), 32)?)
    }

    fn write(&self, numbers: [i64; 3]) -> anyhow::Result<()> {
        let [write, after, met] = numbers.map(i64::to_ne_bytes);
        // The number of the write last: with it the fate is there.
        self.file.write_all_at(&met, 16)?;
        self.file.write_all_at(&after, 8)?;
        Ok(self.file.write_all_at(&write, 0)?)
    }
}

fn file(path: &Path) -> std::io::Result<File> {
    File::options()
        .create(true)
        .truncate(true)
        .read(true)
        .write(true)
        .open(path)
}
