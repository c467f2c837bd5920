//! `backup-master` and `restore-master`. Both work on files alone, whether a master runs or not.

use std::path::Path;

use serde_json::json;
use vsjob_engine::{Clock, SystemClock};

use crate::args::Global;
use crate::backup::{self, Source};
use crate::complaint::Stop;
use crate::output::Output;
use crate::place::Files;
use crate::{Exit, master};

pub(crate) fn backup(output: Output, global: &Global, file: &Path) -> Result<Exit, Stop> {
    let files = Files::read(global)?;
    let settings = files.settings(global)?;
    let source = Source {
        templates: names(&settings.state.join("templates")),
        config: files.found().map(Path::to_owned).collect(),
        state: settings.state,
    };
    let manifest = backup::write(&source, file, master::moment(SystemClock.now()))?;
    if output.json {
        output.document(&manifest)?;
        return Ok(Exit::Done);
    }
    output.line(format!(
        "{}: {} records of the journal, head {}, and {} configuration files",
        file.display(),
        manifest.records,
        manifest.head,
        source.config.len()
    ))?;
    output.talk("not in it: SSH keys and known hosts, and the templates themselves");
    Ok(Exit::Done)
}

/// The names in a folder; none if it cannot be read.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

pub(crate) fn restore(output: Output, global: &Global, file: &Path) -> Result<Exit, Stop> {
    let files = Files::read(global)?;
    let state = files.settings(global)?.state;
    let restored = backup::restore(file, &state, files.folder())?;
    let paths = |paths: &[std::path::PathBuf]| -> Vec<String> {
        paths.iter().map(|path| path.display().to_string()).collect()
    };
    let (config, differing) = (paths(&restored.config), paths(&restored.differing));
    let manifest = restored.manifest;
    if output.json {
        output.document(&json!({
            "manifest": manifest, "state": state, "config": config, "differing": differing,
        }))?;
        return Ok(Exit::Done);
    }
    output.line(format!(
        "{}: {} records of the journal, as of {} on {}",
        state.display(),
        manifest.records,
        manifest.made.format("%Y-%m-%d %H:%M:%S UTC"),
        manifest.machine.escape_default()
    ))?;
    for path in config {
        output.line(format!("{path}: from the backup"))?;
    }
    for path in differing {
        output.line(format!("{path}: the backup's; what was there stays in use"))?;
    }
    if !manifest.templates.is_empty() {
        output.talk(format!(
            "templates that were there: {}",
            manifest.templates.join(", ")
        ));
    }
    output.talk(
        "next: see that the old master is off and that `ssh HOST` works from here; then `vsjob master --take-over` and `vsjob scan`",
    );
    Ok(Exit::Done)
}
