//! `docs/threat-model.md` and `docs/reliability.md` name a test for what they promise, or have found: each is there. And
//! those that have no better place.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::ensure;
use vsjob_tests::hosts::Host as _;
use vsjob_tests::paper::PaperPool;
use vsjob_workers::Script;
use vsjob_workers::storage::STORAGES;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The names of all functions in the Rust files below `folder`.
fn functions(folder: &Path, found: &mut BTreeSet<String>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("target") {
            functions(&path, found)?;
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(&path)?;
            let names = text.split("fn ").skip(1);
            found.extend(names.filter_map(|rest| Some(rest.split_once('(')?.0.to_owned())));
        }
    }
    Ok(())
}

#[test]
fn every_test_that_these_pages_name_exists() -> anyhow::Result<()> {
    let mut known = BTreeSet::new();
    for folder in ["engine", "workers", "workflows", "cli", "tests"] {
        functions(&Path::new(ROOT).join(folder), &mut known)?;
    }
    for (page, least) in [("docs/threat-model.md", 20), ("docs/reliability.md", 10)] {
        let text = std::fs::read_to_string(Path::new(ROOT).join(page))?;
        let mut named = 0;
        for test in named_last(&text) {
            ensure!(known.contains(test), "{page}: there is no test {test}");
            named += 1;
        }
        ensure!(named > least, "{page}: only {named} tests are named");
    }
    Ok(())
}

#[test]
fn every_line_of_the_threat_model_has_a_test() -> anyhow::Result<()> {
    let text = std::fs::read_to_string(Path::new(ROOT).join("docs/threat-model.md"))?;
    let lines = text.lines().filter(|line| line.starts_with("| "));
    for line in lines.filter(|line| !line.ends_with("| test |")) {
        ensure!(named_last(line).next().is_some(), "no test: {line}");
    }
    Ok(())
}

/// The names of tests in the last cells of tables: what is in backquotes and is one word of small letters.
fn named_last(text: &str) -> impl Iterator<Item = &str> {
    let cells = text
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.rsplit(" | ").next());
    let quoted = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    quoted.filter(|name| {
        name.chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    })
}

#[test]
fn nobody_but_root_enters_the_folder_of_the_trees() -> anyhow::Result<()> {
    for storage in STORAGES {
        let paper = PaperPool::new(1)?;
        let host = paper.paper_host(1);
        let trees = host.path("var/lib/machines");
        fs::create_dir_all(&trees)?;
        fs::set_permissions(&trees, Permissions::from_mode(0o755))?;
        let make = "volume_create web.partial-1f2e3d4c";
        let script = Script::compose("make", &[storage.library], make);
        host.run(&script.text, &[])?;
        ensure!(trees.join("web.partial-1f2e3d4c").is_dir());
        ensure!(fs::metadata(&trees)?.permissions().mode() & 0o777 == 0o700);
    }
    Ok(())
}
