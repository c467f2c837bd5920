//! Every file of a corpus keeps the property that it was found for: what a fuzzer found once stays found, also where
//! there is no fuzzer.

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};

#[path = "../../fuzz/properties/mod.rs"]
mod properties;

type Property = fn(&[u8]);

const ALL: [(&str, Property); 7] = [
    ("answers", properties::answers),
    ("api", properties::api),
    ("codec", properties::codec),
    ("config", properties::config),
    ("frames", properties::frames),
    ("names", properties::names),
    ("store", properties::store),
];

#[test]
fn every_file_of_a_corpus_keeps_its_property() -> anyhow::Result<()> {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    for (name, property) in ALL {
        let mut files = 0;
        for entry in fs::read_dir(corpora.join(name)).context(name)? {
            let path = entry?.path();
            // Its name is the first thing to know, should it fail.
            println!("{}", path.display());
            property(&fs::read(&path)?);
            files += 1;
        }
        ensure!(files > 0, "{name} has no corpus");
    }
    Ok(())
}

#[test]
fn every_fuzz_target_has_its_property_and_every_corpus_its_target() -> anyhow::Result<()> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let known: Vec<_> = ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    for folder in ["fuzz_targets", "corpus"] {
        let mut found = Vec::new();
        for entry in fs::read_dir(fuzz.join(folder))? {
            let name = entry?
                .path()
                .file_stem()
                .map(|name| name.to_string_lossy().into_owned());
            found.extend(name);
        }
        found.sort();
        ensure!(found == known, "{folder} has {found:?}");
    }
    Ok(())
}
