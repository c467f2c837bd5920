//! The codes and the scripts of all actions, one by one.

use super::*;
use vsjob_workers::storage::{TREES_LVM, TREES_LVM_THIN};

#[test]
fn every_code_is_explained() {
    let mut texts = vec![include_str!("../refusal.rs").to_owned()];
    let actions = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/actions")).unwrap();
    texts.extend(actions.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()));
    texts.extend(drivers().map(|driver| driver.library.to_owned()));
    let transfer = Drivers::default().library(vsjob_workers::Library::Transfer);
    texts.push(transfer.to_owned());
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/errors");
    for text in texts {
        for (at, _) in text.match_indices("VSJ0") {
            let code = &text[at..at + 7];
            let path = format!("{docs}/{code}.md");
            let told = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("{path} is missing"));
            assert!(told.starts_with(&format!("# {code}: ")), "{path}");
        }
    }
}

#[test]
fn every_script_passes_shellcheck() {
    if Command::new("shellcheck").arg("--version").output().is_err() {
        eprintln!("skipped: needs shellcheck");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut files = vec![];
    let mut add = |name: &str, text: &str| {
        let path = folder.path().join(format!("{name}.sh"));
        std::fs::write(&path, text).unwrap();
        files.push(path);
    };
    for driver in drivers() {
        add(driver.name, driver.library);
    }
    let transfer = Drivers::default().library(vsjob_workers::Library::Transfer);
    add("transfer", transfer);
    add("trees-lvm", TREES_LVM);
    add("trees-lvm-thin", TREES_LVM_THIN);
    for action in registry().iter() {
        let Action::Host(action) = action else { continue };
        add(&format!("{}.do", action.name), action.do_);
        add(&format!("{}.probe", action.name), action.probe);
        add(&format!("{}.undo", action.name), action.undo);
    }
    // Variables and functions of one part are used in others: what is said about that is not meant.
    let output = Command::new("shellcheck")
        .args(["-s", "sh", "-e", "SC2034,SC2154,SC2148"])
        .args(&files)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[test]
fn no_script_takes_a_name_of_the_loop_of_its_channel() {
    for action in registry().iter() {
        let Action::Host(action) = action else { continue };
        for side in [Side::Probe, Side::Do, Side::Undo] {
            let Some(script) = action.script(side, &Drivers::default()) else {
                continue;
            };
            let taken = script
                .text
                .split_whitespace()
                .find(|word| word.starts_with("loop_"));
            assert_eq!(taken, None, "{}", script.name);
        }
    }
}
