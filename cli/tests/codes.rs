//! Every error code that the sources name is explained, and nothing else is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

/// Codes that only tests and help texts name.
const EXAMPLES: [&str; 1] = ["VSJ0999"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The codes in the sources of a folder: Rust and shell.
fn named(folder: &Path, found: &mut BTreeSet<String>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            named(&path, found)?;
        } else if path.extension().is_some_and(|end| end == "rs" || end == "sh") {
            let text = std::fs::read_to_string(&path)?;
            let codes = text
                .match_indices("VSJ0")
                .filter_map(|(at, _)| text.get(at..at + 7));
            let whole = codes.filter(|code| code[3..].chars().all(|c| c.is_ascii_digit()));
            found.extend(whole.map(str::to_owned));
        }
    }
    Ok(())
}

#[test]
fn every_code_is_explained_and_in_the_index() -> anyhow::Result<()> {
    let mut codes = BTreeSet::new();
    for folder in ["engine/src", "workers/src", "workflows/src", "cli/src"] {
        named(&root().join(folder), &mut codes)?;
    }
    let index = std::fs::read_to_string(root().join("docs/errors/README.md"))?;
    for code in codes.iter().filter(|code| !EXAMPLES.contains(&code.as_str())) {
        let file = root().join(format!("docs/errors/{code}.md"));
        ensure!(file.exists(), "{} is missing", file.display());
        ensure!(
            index.contains(&format!("[{code}]({code}.md)")),
            "{code} is not in the index"
        );
    }
    for entry in std::fs::read_dir(root().join("docs/errors"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let code = name.trim_end_matches(".md");
        ensure!(
            code == "README" || codes.contains(code),
            "docs/errors/{name} explains what nothing names"
        );
    }
    Ok(())
}
