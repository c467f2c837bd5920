//! The crash matrix of `demo`: whatever the moment of the SIGKILL, there is exactly one book, on the shelf or published.

use std::path::PathBuf;

use anyhow::ensure;
use vsjob_tests::hosts::{World, Worlds};
use vsjob_tests::master::{self, Life, Report};
use vsjob_tests::matrix::{self, Share, Subject};

struct Demo;

impl Subject for Demo {
    fn begin(&self, world: &dyn World) -> anyhow::Result<Life> {
        Ok(world.life("demo", &[("no-wait", "true")]))
    }

    fn is_done(&self, world: &dyn World, _: &Report) -> anyhow::Result<()> {
        let files = files(world)?;
        ensure!(files == ["copy/book", "copy/cover"], "{files:?}");
        Ok(())
    }

    fn is_as_before(&self, world: &dyn World, _: &Report) -> anyhow::Result<()> {
        let files = files(world)?;
        // The book is put on the shelf by the first step, if it gets that far.
        ensure!(files.is_empty() || files == ["shelf/book"], "{files:?}");
        Ok(())
    }
}

/// The files in the job's folder, in order.
fn files(world: &dyn World) -> anyhow::Result<Vec<String>> {
    let mut files = Vec::new();
    let mut folders: Vec<PathBuf> = vec![world.folder().join("state/demo")];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let below_job: PathBuf = path
                    .strip_prefix(world.folder().join("state/demo"))?
                    .iter()
                    .skip(1)
                    .collect();
                files.push(below_job.display().to_string());
            }
        }
    }
    files.sort();
    Ok(files)
}

#[test]
fn a_master() -> anyhow::Result<()> {
    master::serve_if_asked()
}

#[test]
fn demo_killed_at_every_durable_write_is_done_or_as_before() -> anyhow::Result<()> {
    matrix::crash_matrix(&Demo, &Worlds::Paper(0), Share::ALL)?.tell("demo", (12, 20))
}
