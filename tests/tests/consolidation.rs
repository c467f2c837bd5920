//! The copies of guests that the master keeps: what is new comes over, what was not to be trusted is compared, and what
//! was sealed stays as it was.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;
use vsjob_engine::StepNo;
use vsjob_tests::guests::nothing_left;
use vsjob_tests::hosts::{During, Fault, World as _};
use vsjob_tests::house::House;
use vsjob_tests::kept::Kept;
use vsjob_tests::mounted::Mounted;

/// Hosts that take snapshots, and hosts that take none.
const STORAGES: [&str; 2] = ["", ":storage=dir"];

#[test]
fn what_has_not_changed_is_linked_to_the_generation_before_and_comes_over_no_line() -> anyhow::Result<()> {
    STORAGES
        .into_iter()
        .try_for_each(what_has_not_changed_is_linked_to_the_generation_before_and_comes_over_no_line_on)
}

fn what_has_not_changed_is_linked_to_the_generation_before_and_comes_over_no_line_on(
    storage: &str,
) -> anyhow::Result<()> {
    let kept = Kept::on(storage)?;
    kept.run("mkdir data; for n in $(seq 500); do head -c 4000 /dev/urandom >data/$n; done")?;
    let first = kept.backed_up(&[])?;
    kept.is_the_guest(&first)?;
    kept.write("data/7", "new")?;
    let second = kept.backed_up(&[])?;
    kept.is_the_guest(&second)?;
    let inode = |folder: &PathBuf, name: &str| {
        let path = folder.join("tree/data").join(name);
        anyhow::Ok(std::fs::metadata(path)?.ino())
    };
    ensure!(inode(&first, "8")? == inode(&second, "8")?, "not linked");
    ensure!(inode(&first, "7")? != inode(&second, "7")?);
    let received = |line: &Value| line["facts"]["received"].as_u64().unwrap_or_default();
    let list = kept.list()?;
    ensure!(
        received(&list[0]) > 2_000_000 && received(&list[1]) < 100_000,
        "{list:?}"
    );
    // The job is told what it will be about, and counts nothing itself.
    let job = kept.backup(&[])?;
    ensure!(
        job["plan"][0]["outputs"]["bytes"].as_str() == Some(&list[1]["facts"]["size"].to_string()),
        "{job}"
    );
    let base = first.file_name().context("no name")?.to_string_lossy();
    ensure!(list[1]["facts"]["base"] == *base, "{list:?}");
    ensure!(list[1]["facts"]["running"] == true && list[1]["facts"]["host"] == "vsh-01");
    nothing_left(kept.house.paper.host(1), &["ldap"])
}

#[test]
fn a_sealed_generation_is_never_written_however_the_guest_changes() -> anyhow::Result<()> {
    STORAGES
        .into_iter()
        .try_for_each(a_sealed_generation_is_never_written_however_the_guest_changes_on)
}

fn a_sealed_generation_is_never_written_however_the_guest_changes_on(storage: &str) -> anyhow::Result<()> {
    let kept = Kept::on(storage)?;
    kept.run("mkdir d; echo one >d/a; ln d/a d/b; chmod 600 d/a; echo x >kind; touch -d 2020-01-01 d/a")?;
    let first = kept.backed_up(&[])?;
    let name = first
        .file_name()
        .context("no name")?
        .to_string_lossy()
        .into_owned();
    for change in [
        "chmod 644 d/a",
        "touch -d 2021-01-01 d/a",
        "rm kind; mkdir kind",
        "echo two >d/a",
        "rm d/b; ln -s /etc/shadow d/b",
        "rmdir kind; mv d e",
    ] {
        kept.run(change)?;
        kept.is_the_guest(&kept.backed_up(&[])?)?;
        let said = kept.vsjob(&["generation", "verify", "--name=ldap", &name])?;
        ensure!(said.ok()?.contains("as it was sealed"), "after {change}");
    }
    Ok(())
}

#[test]
fn a_file_of_the_same_size_and_time_with_another_content_is_noticed() -> anyhow::Result<()> {
    STORAGES
        .into_iter()
        .try_for_each(a_file_of_the_same_size_and_time_with_another_content_is_noticed_on)
}

fn a_file_of_the_same_size_and_time_with_another_content_is_noticed_on(storage: &str) -> anyhow::Result<()> {
    let kept = Kept::on(storage)?;
    kept.run(
        "mkdir current next; printf old >current/file; printf new >next/file
         printf aaa >rewritten; touch -d 2026-01-01 current/file next/file rewritten; printf x >'#odd'; touch -d 2026-01-01 '#odd'
         ln next/file zz",
    )?;
    kept.backed_up(&[])?;
    kept.run(
        "mv current previous; mv next current; printf bbb >rewritten; touch -d 2026-01-01 rewritten
         printf y >'#odd'; touch -d 2026-01-01 '#odd'",
    )?;
    let second = kept.backed_up(&[])?;
    ensure!(std::fs::read(second.join("tree/current/file"))? == b"new");
    ensure!(std::fs::read(second.join("tree/rewritten"))? == b"bbb");
    ensure!(std::fs::read(second.join("tree/#odd"))? == b"y");
    ensure!(
        std::fs::read(second.join("tree/zz"))? == b"new",
        "another name of a doubtful file"
    );
    kept.is_the_guest(&second)
}

#[test]
fn a_cold_backup_starts_its_guest_again_and_commands_run_around_a_hot_one() -> anyhow::Result<()> {
    STORAGES
        .into_iter()
        .try_for_each(a_cold_backup_starts_its_guest_again_and_commands_run_around_a_hot_one_on)
}

fn a_cold_backup_starts_its_guest_again_and_commands_run_around_a_hot_one_on(
    storage: &str,
) -> anyhow::Result<()> {
    let kept = Kept::on(storage)?;
    let job = kept.backup(&["--cold"])?;
    ensure!(job["state"] == "succeeded" && kept.house.runs("ldap", 1), "{job}");
    ensure!(job["stood_still"].as_u64() > Some(0), "{job}");

    // A paper guest runs commands by this file.
    kept.write(
        "paper/exec",
        "#!/bin/sh\nprintf '%s\\n' \"$*\" >>\"${0%/*}/said\"\ncase $* in *refuse*) exit 1 ;; esac\n",
    )?;
    kept.run("chmod 755 paper/exec")?;
    let hot = kept.backed_up(&["--hot", "--pre=dump it", "--post=clean up"])?;
    let said = kept.run("cat paper/said")?;
    ensure!(
        said.lines().count() == 2 && said.contains("dump it") && said.contains("clean up"),
        "{said}"
    );
    let inside = std::fs::read_to_string(hot.join("tree/paper/said"))?;
    ensure!(
        inside.contains("dump it") && !inside.contains("clean up"),
        "{inside}"
    );

    // Only what is read while it is written to is no picture of one moment.
    let list = kept.vsjob(&["generation", "list"])?.ok()?;
    let torn = list.matches("not crash-consistent").count();
    ensure!(torn == usize::from(!storage.is_empty()), "{list}");

    let before = kept.names()?;
    let job = kept.backup(&["--pre=refuse", "--post=clean up"])?;
    ensure!(
        job["state"] == "rolled back" && job["why"]["code"] == "VSJ0494",
        "{job}"
    );
    ensure!(kept.names()? == before);
    ensure!(
        kept.run("tail -n 1 paper/said")?.contains("clean up"),
        "what was prepared is taken back"
    );
    nothing_left(kept.house.paper.host(1), &["ldap"])
}

#[test]
fn what_is_left_out_is_left_out_and_a_folder_that_cannot_be_used_costs_no_generation() -> anyhow::Result<()> {
    let kept = Kept::new()?;
    kept.run("mkdir tmp; echo x >tmp/x; echo y >y")?;
    let first = kept.backed_up(&[])?;
    ensure!(first.join("tree/tmp/x").exists());
    let second = kept.backed_up(&["--exclude=/tmp/*"])?;
    ensure!(second.join("tree/tmp").exists() && !second.join("tree/tmp/x").exists());
    // A file in the place of the folder: nothing can be written there.
    let last = kept.names()?;
    let folder = kept.folder.clone();
    std::fs::rename(&folder, folder.with_extension("away"))?;
    std::fs::write(&folder, "")?;
    let job = kept.backup(&[])?;
    ensure!(
        job["state"] == "rolled back" && job["why"]["code"] == "VSJ0496",
        "{job}"
    );
    std::fs::remove_file(&folder)?;
    std::fs::rename(folder.with_extension("away"), &folder)?;
    ensure!(kept.names()? == last && kept.house.runs("ldap", 1));
    kept.backed_up(&[]).map(drop)
}

#[test]
fn all_are_those_of_the_file_each_as_it_says_and_one_that_there_is_not_costs_the_others_nothing()
-> anyhow::Result<()> {
    let house = House::new()?;
    house.guest("www", 1, 10)?;
    house.guest("dns", 2, 11)?;
    let conf = "# Web\nwww:cold,exclude=/usr\n# Others\nldap:hot,keep=1d,pre=true\ngone:hot\n";
    std::fs::write(house.program.folder().join("backup.conf"), conf)?;
    let folder = house.program.state().join("generations");
    let kept = Kept::of(house, &folder)?;

    let all = kept.vsjob(&["submit", "backup", "--all", "--wait"])?;
    ensure!(all.status.code() == Some(9), "{all:?}");
    ensure!(
        all.err.contains("not done for 1 of 3 guests: gone refused"),
        "{all:?}"
    );
    let guests: Vec<_> = kept
        .list()?
        .into_iter()
        .map(|line| line["guest"].clone())
        .collect();
    ensure!(guests == ["ldap", "www"], "{guests:?}");
    let www = &kept.list()?[1]["generation"];
    let told = std::fs::read_to_string(folder.join(format!(
        "www/{}/generation.json",
        www.as_str().unwrap_or_default()
    )))?;
    let told: Value = serde_json::from_str(&told)?;
    ensure!(
        told["mode"] == "cold" && told["excludes"] == serde_json::json!(["/usr"]),
        "{told}"
    );

    // The same counts for one alone, and the request wins.
    let first = kept.names()?[0].clone();
    kept.backed_up(&[])?;
    let names = kept.names()?;
    ensure!(names.len() == 2 && !names.contains(&first), "{names:?}");
    let plan = kept
        .vsjob(&[
            "submit",
            "backup",
            "--name=www",
            "--hot",
            "--exclude=/tmp",
            "--plan",
        ])?
        .ok()?;
    ensure!(plan.contains("hot") && !plan.contains("cold"), "{plan}");
    Ok(())
}

#[test]
fn a_generation_that_somebody_has_changed_is_told_and_one_that_is_pinned_stays() -> anyhow::Result<()> {
    let kept = Kept::new()?;
    kept.write("secret", "one")?;
    let first = kept.backed_up(&[])?;
    for number in 2..4 {
        kept.write("secret", &format!("number {number}"))?;
        kept.backed_up(&[])?;
    }
    let names = kept.names()?;
    let [oldest, middle, newest] = &names[..] else {
        anyhow::bail!("{names:?}");
    };
    std::fs::write(first.join("tree/secret"), "two")?;
    let said = kept.vsjob(&["generation", "verify", "--name=ldap", oldest])?;
    ensure!(
        said.status.code() == Some(7) && said.out.contains("secret"),
        "{said:?}"
    );
    kept.vsjob(&["generation", "verify", "--name=ldap", middle])?
        .ok()?;
    kept.vsjob(&["generation", "show", "--name=ldap", newest])?.ok()?;

    let prune = ["generation", "prune", "--name=ldap", "--keep=1d"];
    let planned = kept.vsjob(&[&prune[..], &["--plan"]].concat())?.ok()?;
    ensure!(
        planned.contains(oldest) && planned.contains(middle) && !planned.contains(newest),
        "{planned}"
    );
    ensure!(kept.names()?.len() == 3, "--plan deletes nothing");
    kept.vsjob(&["generation", "pin", "--name=ldap", oldest, "--reason=evidence"])?
        .ok()?;
    kept.vsjob(&prune)?.ok()?;
    ensure!(kept.names()? == [oldest.clone(), newest.clone()]);
    kept.vsjob(&["generation", "unpin", "--name=ldap", oldest])?
        .ok()?;
    // A backup with a rule prunes when its own is sealed.
    let last = kept.backed_up(&["--keep=1d"])?;
    ensure!(
        kept.names()?
            == [last
                .file_name()
                .context("no name")?
                .to_string_lossy()
                .into_owned()]
    );
    let left = std::fs::read_dir(kept.folder.clone())?.count();
    ensure!(left == 1, "{left} entries are left");

    kept.vsjob(&["generation", "verify", "--name=ldap", oldest])?
        .refuses("VSJ0497", 4)?;
    kept.vsjob(&["generation", "pin", "--name=ldap", "20260101T000000000Z-00000000"])?
        .refuses("VSJ0497", 4)?;
    for bad in ["../../etc", "", "incoming-1f2e3d4c"] {
        let said = kept.vsjob(&["generation", "verify", "--name=ldap", bad])?;
        ensure!(!said.status.success() && said.err.contains("VSJ0"), "{said:?}");
    }
    kept.vsjob(&["submit", "backup", "--name=ldap", "--keep=7"])?
        .refuses("VSJ0404", 4)?;
    kept.vsjob(&["submit", "backup", "--name=ldap", "--hot", "--cold"])?
        .refuses("VSJ0404", 4)?;
    kept.vsjob(&["submit", "backup", "--name=nobody"])?
        .refuses("VSJ0405", 4)
}

#[test]
fn a_generation_that_cannot_be_read_is_not_built_upon_and_never_pruned() -> anyhow::Result<()> {
    let kept = Kept::new()?;
    let first = kept.backed_up(&[])?;
    std::fs::write(first.join("generation.json"), "{")?;
    let second = kept.backed_up(&[])?;
    let list = kept.list()?;
    ensure!(
        list[0]["trouble"].is_string() && list[1]["facts"]["base"].is_null(),
        "{list:?}"
    );
    kept.is_the_guest(&second)?;
    kept.backed_up(&["--keep=1d"])?;
    ensure!(first.exists(), "somebody has to look at it");
    ensure!(
        kept.vsjob(&["generation", "list"])?.ok()?.contains("EOF"),
        "its trouble is shown"
    );
    Ok(())
}

#[test]
fn a_guest_that_its_host_has_stopped_or_is_yet_to_start_counts_as_one_that_runs() -> anyhow::Result<()> {
    let kept = Kept::new()?;
    let host = kept.house.paper.host(1);
    for (file, text, waits) in [
        ("run/paper/system", "stopping", 1),
        ("run/paper/jobs/ldap", "17\n", 0),
    ] {
        host.run("systemctl stop systemd-nspawn@ldap", &[])?;
        host.write(file, text)?;
        let id = kept.vsjob(&["submit", "backup", "--name=ldap", "--cold"])?.ok()?;
        kept.house.until(&id, |job| {
            let state = &job["plan"][waits]["state"];
            state == "waiting" || state == "running"
        })?;
        // Its host is there again.
        host.run("rm \"$R/$1\"; systemctl start systemd-nspawn@ldap", &[file])?;
        let job = kept.house.ended(&id)?;
        ensure!(job["state"] == "succeeded" && kept.house.runs("ldap", 1), "{job}");
        ensure!(job["stood_still"].as_u64() > Some(0), "{job}");
    }
    Ok(())
}

#[test]
fn a_cold_guest_whose_host_reboots_while_it_is_stopped_is_started_again() -> anyhow::Result<()> {
    let kept = Kept::new()?;
    let plan = kept
        .vsjob(&["submit", "backup", "--name=ldap", "--cold", "--plan", "--json"])?
        .json()?;
    let steps = plan["steps"].as_array().context("no plan")?;
    let taken = steps.iter().position(|step| {
        step["action"]
            .as_str()
            .is_some_and(|name| name.starts_with("take-snapshot"))
    });
    let no = StepNo(u16::try_from(taken.context("no snapshot")?)?);
    kept.run("systemctl disable systemd-nspawn@ldap.service")?;
    kept.house
        .paper
        .host(1)
        .order(Fault::RebootAfter, During::Do(no))?;
    let job = kept.backup(&["--cold"])?;
    ensure!(job["state"] == "succeeded", "{job}");
    ensure!(
        kept.house.paper.host(1).faults_done().contains("reboot-after"),
        "it was never reached"
    );
    nothing_left(kept.house.paper.host(1), &["ldap"])
}

/// What `btrfs` says of the subvolume of a generation.
fn uuid(generation: &Path, what: &str) -> anyhow::Result<String> {
    let output = Command::new("btrfs")
        .args(["subvolume", "show"])
        .arg(generation.join("tree"))
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let known = said.lines().filter_map(|line| line.trim().split_once(':'));
    let mut of = known.filter(|(name, _)| *name == what);
    let (_, uuid) = of.next().with_context(|| format!("{output:?}"))?;
    Ok(uuid.trim().to_owned())
}

#[test]
fn on_a_btrfs_each_generation_is_a_sealed_subvolume_that_began_as_the_last_one() -> anyhow::Result<()> {
    let place = tempfile::tempdir()?;
    let folder = place.path().join("kept");
    let Some(_disk) = Mounted::btrfs(&folder, &place.path().join("image"), 300)? else {
        return Ok(());
    };
    let kept = Kept::elsewhere(&folder, "btrfs")?;
    kept.run("mkdir data; head -c 2000000 /dev/urandom >data/large; echo one >small; ln small another")?;
    let first = kept.backed_up(&[])?;
    kept.run("echo two >small; chmod 600 data/large; rm another; mv data moved")?;
    let second = kept.backed_up(&["--cold"])?;
    kept.is_the_guest(&second)?;
    ensure!(uuid(&second, "Parent UUID")? == uuid(&first, "UUID")?);
    ensure!(
        std::fs::read(first.join("tree/another"))? == b"one\n",
        "the first one changed"
    );
    ensure!(
        std::fs::write(second.join("tree/new"), "").is_err(),
        "it can be written"
    );
    kept.is_as_sealed(&first)?;

    // Taken back, and pruned, subvolumes go too.
    kept.write("paper/exec", "#!/bin/sh\nexit 1\n")?;
    kept.run("chmod 755 paper/exec")?;
    let job = kept.backup(&["--pre=dump it"])?;
    ensure!(job["state"] == "rolled back", "{job}");
    kept.vsjob(&["generation", "prune", "--name=ldap", "--keep=1d"])?
        .ok()?;
    ensure!(std::fs::read_dir(&kept.folder)?.count() == 1 && second.exists());
    Ok(())
}

#[test]
fn a_full_disk_in_the_middle_leaves_the_last_generation_and_with_room_the_next_one_is_made()
-> anyhow::Result<()> {
    let place = tempfile::tempdir()?;
    let folder = place.path().join("kept");
    let Some(_disk) = Mounted::in_memory(&folder, 8)? else {
        return Ok(());
    };
    let kept = Kept::elsewhere(&folder, "dir")?;
    let first = kept.backed_up(&[])?;
    kept.run("head -c 20000000 /dev/urandom >large")?;
    let job = kept.backup(&["--cold"])?;
    ensure!(
        job["state"] == "rolled back" && job["why"]["code"] == "VSJ0495",
        "{job}"
    );
    ensure!(kept.house.runs("ldap", 1));
    ensure!(
        std::fs::read_dir(&kept.folder)?.count() == 1,
        "something is left of it"
    );
    nothing_left(kept.house.paper.host(1), &["ldap"])?;
    kept.is_as_sealed(&first)?;
    kept.run("rm large; echo small >small")?;
    kept.is_the_guest(&kept.backed_up(&[])?)
}
