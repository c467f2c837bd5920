//! `config check`: every mistake of every file in one run.

use serde_json::json;
use vsjob_workers::Problems;

use crate::Exit;
use crate::args::Global;
use crate::complaint::Stop;
use crate::output::Output;
use crate::place::Files;

pub(crate) fn check(output: Output, global: &Global) -> Result<Exit, Stop> {
    let files = Files::read(global)?;
    let checks = [
        files.settings(global).err(),
        files.slaves().err(),
        files.networks().err(),
        files.create_defaults().err(),
        files.backup_conf().err(),
    ];
    let wrong: Vec<Problems> = checks.into_iter().flatten().collect();
    if wrong.is_empty() {
        files.operations_of(&files.settings(global)?)?;
    }
    if output.json {
        let problems: Vec<_> = wrong.iter().flat_map(as_json).collect();
        output.document(&json!({ "problems": problems }))?;
    } else {
        for problems in &wrong {
            output.line(problems.to_string())?;
        }
        if wrong.is_empty() {
            let found: Vec<_> = files.found().map(|path| path.display().to_string()).collect();
            output.talk(match found.is_empty() {
                true => format!(
                    "no files in {}: what is shipped counts, and there are no hosts",
                    files.folder().display()
                ),
                false => format!("{}: no mistakes", found.join(", ")),
            });
        }
    }
    Ok(if wrong.is_empty() {
        Exit::Done
    } else {
        Exit::Config
    })
}

fn as_json(problems: &Problems) -> Vec<serde_json::Value> {
    let one = |problem| {
        let (line, column) = problems.place(problem);
        json!({
            "file": problems.file, "line": line, "column": column,
            "code": problem.code, "message": problem.message, "hint": problem.hint,
        })
    };
    problems.problems.iter().map(one).collect()
}
