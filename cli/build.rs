//! Compiles the explanations of `docs/errors` in, so that `vsjob explain` needs no file beside the program.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("../docs/errors");
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut files: Vec<_> = std::fs::read_dir(&folder)?
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .map(|entry| entry.path())
        .collect();
    files.sort();
    let mut table = String::from("&[\n");
    for file in files {
        let Some(code) = file.file_stem().and_then(|stem| stem.to_str()) else {
            continue;
        };
        if code.starts_with("VSJ") {
            println!("cargo:rerun-if-changed={}", file.display());
            writeln!(table, "({code:?}, include_str!({:?})),", file.canonicalize()?)?;
        }
    }
    table.push(']');
    std::fs::write(
        Path::new(&std::env::var("OUT_DIR")?).join("explanations.rs"),
        table,
    )?;
    Ok(())
}
