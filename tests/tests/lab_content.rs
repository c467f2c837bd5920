//! What a guest writes while it is moved is all there in the end; what a copy would miss is refused, with its path.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, ensure};
use tempfile::TempDir;
use vsjob_tests::compiler;
use vsjob_tests::figures;
use vsjob_tests::lab::Template;
use vsjob_tests::site::{ADDRESS, MOVE, Site};
use vsjob_tests::tree::Tree;

/// Compiles `tests/lab/writer.c` so that it runs in any guest. `None`: this machine has no compiler.
fn writer(folder: &TempDir) -> anyhow::Result<Option<Vec<u8>>> {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("lab/writer.c");
    let program = folder.path().join("writer");
    Ok(match compiler::compile(&["-static"], &source, &program)? {
        true => Some(std::fs::read(program)?),
        false => None,
    })
}

#[test]
fn what_a_guest_rewrites_and_maps_while_it_is_moved_is_all_there() -> anyhow::Result<()> {
    all_is_there("", "")
}

#[test]
fn what_a_guest_in_a_folder_rewrites_and_maps_while_it_is_moved_is_all_there() -> anyhow::Result<()> {
    all_is_there(",storage=dir", ",storage=dir")
}

#[test]
fn what_a_guest_rewrites_and_maps_while_it_moves_out_of_a_folder_is_all_there() -> anyhow::Result<()> {
    all_is_there(",storage=dir", "")
}

/// Nothing of what was written before the stop is missing in its copy on the master, although most came over in a pass before.
#[test]
fn what_a_guest_in_a_folder_rewrites_and_maps_until_it_is_stopped_is_all_in_its_generation()
-> anyhow::Result<()> {
    let Some(site) = writing(",storage=dir", "")? else {
        return Ok(());
    };
    for flags in [&["--hot"][..], &["--cold"], &["--hot"], &["--cold"]] {
        let id = site.submit(&[&["backup", "--name", "web"], flags].concat())?;
        site.succeeds(&id)?;
    }
    let list = site.vsjob(&["generation", "list", "--json"])?.json()?;
    let generations = list["generations"].as_array().context("no list")?;
    let mut cold = generations.iter().filter(|one| one["facts"]["mode"] == "cold");
    for generation in [cold.next(), cold.next()] {
        let name = generation
            .and_then(|one| one["generation"].as_str())
            .context("no name")?;
        let tree = site
            .program
            .state()
            .join("generations/web")
            .join(name)
            .join("tree");
        let told = Command::new("sh")
            .args(["-c", &values(&tree.display().to_string())])
            .output()?;
        let (files, last) = as_written(std::str::from_utf8(&told.stdout)?)?;
        figures::tell(format_args!(
            "a guest in a folder that writes until it is stopped for its cold backup: {last} values in {files} files: all there"
        ));
        site.vsjob(&["generation", "verify", "--name=web", name])?.ok()?;
    }
    site.is_in_order()
}

/// The page cache is written back before each pass, so what the kernel then tells of a page's next write hides nearly always
/// that somebody was not asked.
#[test]
fn a_host_knows_which_files_a_guest_has_mapped() -> anyhow::Result<()> {
    let Some(site) = writing(",storage=dir", ",storage=dir")? else {
        return Ok(());
    };
    let id = site.submit(&[&MOVE[..], &["--max-downtime", "1ms"]].concat())?;
    let mut follower = site.follow(&id)?;
    follower.until("step started", "copy web while it runs")?;
    site.vsjob(&["pause", &id])?.ok()?;
    follower.until("step succeeded", "copy web while it runs")?;
    let noted = site.lab.run(
        "vsh-01",
        "cd /var/lib/machines/web/var/lib/data/written
         find . -name 'mapped.*' -printf '%i\\n' | LC_ALL=C sort | LC_ALL=C comm -12 - /var/lib/vsjob/jobs/*/mapped",
    )?;
    ensure!(!noted.is_empty(), "none is noted");
    site.vsjob(&["resume", &id])?.ok()?;
    site.succeeds(&id)?;
    site.is_in_order()
}

/// A guest that writes all the time, on the first of two hosts with these options.
fn writing(from: &'static str, to: &'static str) -> anyhow::Result<Option<Site>> {
    let Some(writer) = writer(&tempfile::tempdir()?)? else {
        return Ok(None);
    };
    let Some(site) = Site::up_with(2, |host| if host == "vsh-01" { from } else { to })? else {
        return Ok(None);
    };
    let tree = Tree::of(Template::Tiny)?;
    tree.file("bin/service", 0o755, &writer)?;
    site.template("writer", &tree.archive()?)?;
    site.guest("web", ADDRESS, "vsh-01", "writer")?;
    Ok(Some(site))
}

/// Moves it.
fn all_is_there(from: &'static str, to: &'static str) -> anyhow::Result<()> {
    let Some(site) = writing(from, to)? else {
        return Ok(());
    };
    // No downtime is short enough: it is copied again and again for as long as that helps.
    let id = site.submit(&[&MOVE[..], &["--max-downtime", "1ms"]].concat())?;
    let job = site.succeeds(&id)?;

    let moved = format!("web.moved-{}", &id[id.len() - 8..]);
    let (left, came) = (
        content(&site, "vsh-01", &moved)?,
        content(&site, "vsh-02", "web")?,
    );
    ensure!(left == came, "{}", differences(&left, &came));
    let told = site.lab.run("vsh-02", &values("/var/lib/machines/web"))?;
    let (files, last) = as_written(&told)?;
    let passes = job["plan"].as_array().into_iter().flatten();
    let passes = passes
        .clone()
        .find_map(|step| step["outputs"]["passes"].as_str())
        .context("no passes")?;
    figures::tell(format_args!(
        "a guest that writes while it is moved: {last} values in {files} files, rewritten and mapped, in {passes} passes and the last one: all there"
    ));
    site.is_in_order()
}

/// Every file of a volume by its kind, mode, owner, size, time and content, but for what the guest's own init rewrites.
fn content(site: &Site, host: &str, volume: &str) -> anyhow::Result<String> {
    site.lab.run(
        host,
        &format!(
            "cd '/var/lib/machines/{volume}'
             find . ! -type d ! -name alive -printf '%p %y %m %U:%G %s %T@ %l\\n' | sort
             find . -type f ! -name alive -exec sha256sum {{}} + | sort -k 2"
        ),
    )
}

fn differences(left: &str, came: &str) -> String {
    let lines = left
        .lines()
        .filter(|line| !came.lines().any(|other| other == *line));
    lines.take(20).collect::<Vec<_>>().join("\n")
}

/// Tells what each file in the guest's tree holds.
fn values(tree: &str) -> String {
    format!(
        "cd '{tree}/var/lib/data/written'
         awk 'FNR == 1 {{ first[FILENAME] = $1 }} $1 != first[FILENAME] {{ print FILENAME, \"is torn\" }}
              END {{ for (name in first) print name, first[name] + 0 }}' *"
    )
}

/// Checks that each file holds the last value that was written to it, and answers how many files and values there are.
fn as_written(told: &str) -> anyhow::Result<(usize, u64)> {
    // As tests/lab/writer.c has them.
    const BURST: u64 = 100;
    const AT_ONCE: u64 = 8;
    let mut values = BTreeMap::new();
    for line in told.lines() {
        let (name, value) = line.split_once(' ').context("a name and a value")?;
        values.insert(name, value.parse::<u64>().with_context(|| line.to_owned())?);
    }
    let last = values.remove("last").context("it did not end by itself")?;
    for (name, value) in &values {
        let (_, number) = name.split_once('.').context("a number")?;
        let should = ((number.parse::<u64>()? / AT_ONCE + 1) * BURST - 1).min(last);
        ensure!(*value == should, "{name} holds {value}, and {should} was written");
    }
    ensure!(
        values.len() as u64 == 2 * AT_ONCE * (last / BURST + 1),
        "{} files, {last}",
        values.len()
    );
    Ok((values.len(), last))
}

#[test]
fn what_a_copy_would_miss_is_refused_with_its_path_and_nothing_changes() -> anyhow::Result<()> {
    let Some(site) = Site::with_guest()? else {
        return Ok(());
    };
    let inside = "/var/lib/machines/web/srv";
    site.lab.run("vsh-01", &format!("mkdir {inside}"))?;
    for (make, unmake, path) in [
        (
            "btrfs subvolume create {}/nested && echo x >{}/nested/file",
            "btrfs subvolume delete {}/nested",
            "the subvolume srv/nested",
        ),
        ("mount -t tmpfs none {}", "umount {}", "the mount srv"),
    ] {
        site.lab.run("vsh-01", &make.replace("{}", inside))?;
        let before = site.footprint()?;
        let said = site.vsjob(&[&["submit"], &MOVE[..], &["--wait"]].concat())?;
        said.refuses("VSJ0473", 1)?;
        ensure!(said.err.contains(path), "{said:?}");
        site.is_as_before(&before)?;
        site.lab.run("vsh-01", &unmake.replace("{}", inside))?;
    }

    // It comes to be after the guest was copied, and before it stands still for the rest.
    let before = site.footprint()?;
    let id = site.submit(&MOVE)?;
    let mut follower = site.follow(&id)?;
    follower.until("step started", "copy web while it runs")?;
    site.vsjob(&["pause", &id])?.ok()?;
    follower.until("step succeeded", "copy web while it runs")?;
    site.lab.run(
        "vsh-01",
        &format!("btrfs subvolume create {inside}/late && echo x >{inside}/late/file"),
    )?;
    site.vsjob(&["resume", &id])?.ok()?;
    let told = follower.to_the_end()?;
    ensure!(
        told.contains("VSJ0473 vsh-01: web contains the subvolume srv/late"),
        "{told}"
    );
    let job = site.job(&id)?;
    ensure!(job["state"] == "rolled back", "{job}");
    site.lab
        .run("vsh-01", &format!("btrfs subvolume delete {inside}/late"))?;
    site.is_as_before(&before)?;

    site.succeeds(&site.submit(&MOVE)?)?;
    Ok(())
}
