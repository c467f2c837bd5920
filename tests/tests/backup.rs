//! A master's backup: made beside the running master, restored elsewhere, and refused when it is not whole.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, ensure};
use serde_json::Value;
use vsjob_tests::program::Program;

fn program(hosts: &str) -> anyhow::Result<Program> {
    Program::new("", hosts)
}

#[test]
fn a_backup_of_a_running_master_is_that_master_on_another_machine() -> anyhow::Result<()> {
    let (here, there) = (program("#vsh-01\n")?, program("#vsh-02\n")?);
    let master = here.master()?;
    let done = here
        .run(&["submit", "demo", "--no-wait", "--wait", "--json"])?
        .ok()?;
    let open = here.run(&["submit", "demo"])?.ok()?;
    let file = here.folder().join("backup.tar");
    let path = file.display().to_string();
    let made: Value = here.run(&["backup-master", &path, "--json"])?.json()?;
    ensure!(fs::metadata(&file)?.permissions().mode() & 0o777 == 0o600);
    here.run(&["backup-master", &path])?.refuses("VSJ0551", 4)?;
    // What comes later is not in it.
    here.run(&["demo", "go", &open])?.ok()?;

    there.run(&["restore-master", &path])?.ok()?;
    let kept = fs::read_to_string(there.folder().join("slaves.conf"))?;
    let beside = fs::read_to_string(there.folder().join("slaves.conf.from-backup"))?;
    ensure!(kept == "#vsh-02\n" && beside == "#vsh-01\n", "{kept}{beside}");
    let verified: Value = there.run(&["audit", "verify", "--json"])?.json()?;
    ensure!(
        verified["damage"].is_null() && verified["head"] == made["head"],
        "{verified} {made}"
    );
    there.run(&["master"])?.refuses("VSJ0304", 4)?;
    let _other = there.master_with(&["--take-over"])?;
    let status = there.run(&["status", "--all", "--json"])?.ok()?;
    ensure!(
        status.contains(&open) && done.lines().all(|_| status.contains("succeeded")),
        "{status}"
    );
    let scan: Value = there.run(&["scan", "--json"])?.json()?;
    ensure!(scan["held"]["jobs"][0]["job"] == open, "{scan}");

    // Not over a master that is there, which does not even notice.
    here.run(&["restore-master", &path])?.refuses("VSJ0554", 4)?;
    ensure!(master.stop()?.success(), "{}", here.log());
    here.run(&["restore-master", &path])?.refuses("VSJ0554", 4)?;
    let _master = here.master()?;
    Ok(())
}

#[test]
fn what_is_no_whole_backup_is_refused_and_leaves_no_store() -> anyhow::Result<()> {
    let here = program("")?;
    let master = here.master()?;
    here.run(&["submit", "demo", "--no-wait", "--wait"])?.ok()?;
    master.kill()?;
    let file = here.folder().join("backup.tar");
    here.run(&["backup-master", &file.display().to_string()])?.ok()?;
    let whole = fs::read(&file)?;

    // In the first record of the journal, after the headers of its entry and of its segment.
    let mut damaged = whole.clone();
    let is_segment = |block: &[u8]| block.starts_with(b"store/journal/00000001");
    let entry = whole.chunks(512).position(is_segment).context("no segment")?;
    damaged[512 * (entry + 1) + 512 + 70] ^= 1;
    let evil = {
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.as_gnu_mut().into_iter().for_each(|header| {
            header.name[..9].copy_from_slice(b"../escape");
        });
        header.set_size(1);
        header.set_cksum();
        archive.append(&header, &b"x"[..])?;
        archive.into_inner()?
    };
    let link = {
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        archive.append_link(&mut header, "store", "/etc")?;
        archive.into_inner()?
    };
    for (name, bytes) in [
        ("cut short", &whole[..whole.len() / 2]),
        ("damaged", &damaged[..]),
        ("with a name that leads out", &evil[..]),
        ("with a link", &link[..]),
        ("no archive", b"nothing of the kind"),
    ] {
        let there = program("")?;
        let bad = there.folder().join("bad.tar");
        fs::write(&bad, bytes)?;
        let said = there.run(&["restore-master", &bad.display().to_string()])?;
        ensure!(
            !said.status.success() && said.err.contains("VSJ0"),
            "{name}: {said:?}"
        );
        ensure!(!there.state().join("store").exists(), "{name}: a store is there");
        ensure!(!there.folder().join("../escape").exists(), "{name}");
        // Nothing of it stands in the way of the whole one.
        let file = file.display().to_string();
        there
            .run(&["restore-master", &file])?
            .ok()
            .map_err(|e| e.context(name))?;
    }
    Ok(())
}
