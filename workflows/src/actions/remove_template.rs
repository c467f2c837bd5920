//! Deletes a template of the master.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use vsjob_engine::{Class, Failure, Mode, Outcome, Outputs, Performing, Work};

use super::argument;
use crate::generation::{gone_is_fine, is_gone};
use crate::planner::master_action;
use crate::template::belongs_to;
use crate::{Line, TemplateName};

master_action! {
    /// Deletes every archive of that name, with its checksum. One that is a link stays where it is kept.
    RemoveTemplate { folder: Line, template: TemplateName } -> TemplateRemoved {}
    "remove-template" version 1, "delete the template {template}", |_, work| run(work)
}

fn run(work: Work) -> Performing {
    Box::pin(async move {
        let folder = Path::new(argument(&work, "folder"));
        let removed = match work.mode {
            Mode::Undo => Ok(()),
            Mode::Do => remove(folder, argument(&work, "template")),
        };
        match removed {
            Ok(()) => Outcome::Done(Outputs::new()),
            Err(why) => {
                let what = format!("in {}: {why}", folder.display());
                Outcome::Failed(Failure::new(Class::Permanent, "VSJ0432", what))
            }
        }
    })
}

/// Each goes whole, by one unlink; one that is gone already is as well.
fn remove(folder: &Path, template: &str) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(why) if is_gone(&why) => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let found = name.to_str().and_then(belongs_to);
        if found.is_some_and(|found| found.as_str() == template) {
            gone_is_fine(fs::remove_file(entry.path()))?;
        }
    }
    File::open(folder)?.sync_all()
}
