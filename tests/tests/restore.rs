//! A generation is brought back: as the guest that it was, with everything that a tree can hold; or beside it, as another
//! one. What is damaged is never restored, and what is there is never overwritten.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;
use vsjob_tests::guests::nothing_left;
use vsjob_tests::hosts::World as _;
use vsjob_tests::house::House;
use vsjob_tests::program::{Master, Said};

/// Whatever a copy can get wrong.
const FILL: &str = r#"
    mkdir -p 'a b' var/lib/data
    echo one >'a b/one'; ln 'a b/one' hard; ln -s ../../../../etc/passwd out
    printf x >"a b/$(printf 'new\nline')"; printf y >"a b/$(printf '\351')"; printf z >'#x'
    truncate -s 3M hole; printf end >>hole
    mknod null c 1 3; mkfifo pipe
    echo owned >owned; chown 123456:654321 owned; chmod 4751 owned
    echo marked >marked
    touch -d '2001-02-03T04:05:06.789012345Z' 'a b/one'; touch -h -d '2002-02-03T04:05:06.5Z' out
"#;

/// Gives a file an ACL, a capability and an attribute.
fn mark(file: &Path) -> anyhow::Result<()> {
    let acl: [(u16, u16, u32); 5] = [(1, 6, !0), (2, 4, 1234), (4, 4, !0), (16, 4, !0), (32, 4, !0)];
    let entries = acl
        .iter()
        .flat_map(|(tag, may, id)| [&tag.to_le_bytes()[..], &may.to_le_bytes(), &id.to_le_bytes()].concat());
    let acl: Vec<u8> = 2_u32.to_le_bytes().into_iter().chain(entries).collect();
    let words: [u32; 5] = [0x0200_0001, 1 << 13, 0, 0, 0];
    let capability: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    for (name, value) in [
        ("system.posix_acl_access", &acl[..]),
        ("security.capability", &capability),
        ("user.colour", b"blue"),
    ] {
        rustix::fs::lsetxattr(file, name, value, rustix::fs::XattrFlags::empty()).context(name)?;
    }
    Ok(())
}

struct Kept {
    // Dropped before the folder that it works in.
    _master: Master,
    house: House,
}

impl Kept {
    /// A guest that was backed up.
    fn new() -> anyhow::Result<Self> {
        let house = House::new()?;
        let tree = "cd \"$R/var/lib/machines/ldap\"";
        house.paper.host(1).run(&format!("{tree}; {FILL}"), &[])?;
        mark(&house.paper.host(1).path("var/lib/machines/ldap/marked"))?;
        let master = house.program.master()?;
        house.program.run(&["guest", "adopt"])?.ok()?;
        let kept = Self {
            _master: master,
            house,
        };
        kept.backup()?;
        Ok(kept)
    }

    fn vsjob(&self, args: &[&str]) -> anyhow::Result<Said> {
        self.house.program.run(args)
    }

    /// Backs it up; the folder of the generation.
    fn backup(&self) -> anyhow::Result<PathBuf> {
        let id = self.vsjob(&["submit", "backup", "--name=ldap"])?.ok()?;
        let job = self.house.ended(&id)?;
        ensure!(job["state"] == "succeeded", "{job}");
        let list = self.vsjob(&["generation", "list", "--json"])?.json()?;
        let last = list["generations"].as_array().and_then(|all| all.last());
        let name = last.context("none")?["generation"].as_str().context("no name")?;
        Ok(self.house.program.state().join("generations/ldap").join(name))
    }

    fn restore(&self, flags: &[&str]) -> anyhow::Result<Value> {
        let submit = ["submit", "restore", "--name=ldap"];
        let id = self.vsjob(&[&submit[..], flags].concat())?.ok()?;
        self.house.ended(&id)
    }

    /// Nothing of the guest is left on its host, as if somebody had deleted it there.
    fn destroy(&self) -> anyhow::Result<()> {
        self.house.paper.host(1).run(
            "machinectl stop ldap || true; machinectl disable ldap
             rm -r \"$R/var/lib/machines/ldap\" \"$R/etc/systemd/nspawn/ldap.nspawn\"
             rm -rf \"$R/etc/systemd/system/systemd-nspawn@ldap.service.d\"",
            &[],
        )?;
        Ok(())
    }

    fn tree(&self, number: usize, guest: &str) -> PathBuf {
        self.house
            .paper
            .host(number)
            .path(&format!("var/lib/machines/{guest}"))
    }
}

/// What rsync sees of one tree that is not so in another: content, owners, modes, times, links, attributes, devices and holes.
fn differences(one: &Path, other: &Path) -> anyhow::Result<Vec<String>> {
    let compared = Command::new("rsync")
        .args(["-naHAXSi", "--numeric-ids", "--delete", "--checksum"])
        .arg("--modify-window=-1")
        .args([one.join(""), other.join("")])
        .output()?;
    ensure!(compared.status.success(), "{compared:?}");
    let said = String::from_utf8_lossy(&compared.stdout).into_owned();
    Ok(said.lines().map(str::to_owned).collect())
}

fn copy(from: &Path, into: &Path) -> anyhow::Result<()> {
    let copied = Command::new("cp")
        .args(["-a", "--sparse=always"])
        .args([from, into])
        .status()?;
    ensure!(copied.success(), "cp: {copied}");
    Ok(())
}

#[test]
fn a_guest_that_was_destroyed_is_back_as_it_was_backed_up_wherever_that_is_asked_for() -> anyhow::Result<()> {
    for (flags, number) in [(&[][..], 1), (&["--host=vsh-02"][..], 2)] {
        let kept = Kept::new()?;
        // Of the guest itself: what its backup lost would be missing in both, else.
        let was = tempfile::tempdir()?;
        copy(&kept.tree(1, "ldap").join("."), was.path())?;
        kept.backup()?;
        kept.destroy()?;
        let job = kept.restore(flags)?;
        ensure!(job["state"] == "succeeded", "{job}");
        let back = kept.tree(number, "ldap");
        let differs = differences(was.path(), &back)?;
        ensure!(differs.is_empty(), "{differs:?}");
        let hole = kept
            .house
            .paper
            .host(number)
            .run("stat -c %b \"$R/var/lib/machines/ldap/hole\"", &[])?;
        ensure!(hole.trim().parse::<u64>()? < 100, "the hole was filled: {hole}");
        ensure!(kept.house.runs("ldap", number), "it does not run");
        let list = kept.vsjob(&["guest", "list", "--json"])?.ok()?;
        ensure!(list.contains(&format!("vsh-0{number}")), "{list}");
        for host in kept.house.paper.hosts() {
            nothing_left(host, &["ldap"])?;
        }
    }
    Ok(())
}

#[test]
fn nothing_that_is_there_is_overwritten() -> anyhow::Result<()> {
    let kept = Kept::new()?;
    let before = kept.tree(1, "ldap").join("a b/one");
    for flags in [&[][..], &["--host=vsh-02"][..]] {
        let job = kept.restore(flags)?;
        ensure!(
            job["state"] == "rolled back" && job["why"]["code"] == "VSJ0476",
            "{job}"
        );
    }
    ensure!(before.exists() && kept.house.runs("ldap", 1));
    nothing_left(kept.house.paper.host(2), &[])
}

#[test]
fn a_guest_is_put_back_and_what_it_was_is_kept_until_a_purge() -> anyhow::Result<()> {
    let kept = Kept::new()?;
    let host = kept.house.paper.host(1);
    host.write("var/lib/machines/ldap/etc/backdoor", "open\n")?;
    let job = kept.restore(&["--replace", "--grace=0s"])?;
    ensure!(job["state"] == "succeeded", "{job}");
    ensure!(kept.house.runs("ldap", 1) && !host.has("var/lib/machines/ldap/etc/backdoor"));
    for _ in 0..3000 {
        let names = std::fs::read_dir(host.path("var/lib/machines"))?.count();
        if names == 1 {
            return nothing_left(host, &["ldap"]);
        }
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
    anyhow::bail!("it was never deleted: {}", kept.vsjob(&["status"])?.out)
}

#[test]
fn a_guest_that_is_put_back_without_a_grace_stays_for_whoever_looks_at_it() -> anyhow::Result<()> {
    let kept = Kept::new()?;
    let host = kept.house.paper.host(1);
    host.write("var/lib/machines/ldap/etc/backdoor", "open\n")?;
    // Whatever is left of it: here its root alone.
    host.run("rm \"$R/etc/systemd/nspawn/ldap.nspawn\"", &[])?;
    let job = kept.restore(&["--replace", "--grace=never"])?;
    ensure!(job["state"] == "succeeded", "{job}");
    let id = job["short"].as_str().context("no id")?;
    ensure!(host.has(&format!("var/lib/machines/ldap.replaced-{id}/etc/backdoor")));
    ensure!(!host.has("var/lib/machines/ldap/etc/backdoor") && kept.house.runs("ldap", 1));
    kept.vsjob(&["gc"])?.ok()?;
    kept.vsjob(&["scan"])?.ok()?;
    let moved = format!("--moved=ldap.replaced-{id}");
    let id = kept
        .vsjob(&["submit", "purge", "--name=ldap", "--host=vsh-01", &moved])?
        .ok()?;
    let job = kept.house.ended(&id)?;
    ensure!(job["state"] == "succeeded", "{job}");
    ensure!(std::fs::read_dir(host.path("var/lib/machines"))?.count() == 1);
    Ok(())
}

#[test]
fn a_guest_that_is_not_healthy_when_it_is_put_back_runs_as_it_was() -> anyhow::Result<()> {
    let kept = Kept::new()?;
    let host = kept.house.paper.host(1);
    // Nothing succeeds in it as it was, and all does as it is now.
    let tree = "var/lib/machines/ldap";
    host.write(&format!("{tree}/paper/exec"), "#!/bin/sh\nexit 1\n")?;
    host.run(&format!("chmod 755 \"$R/{tree}/paper/exec\""), &[])?;
    kept.backup()?;
    host.run(
        &format!("rm \"$R/{tree}/paper/exec\"; echo yes >\"$R/{tree}/etc/living\""),
        &[],
    )?;
    let job = kept.restore(&["--replace", "--health=is it well"])?;
    ensure!(
        job["state"] == "rolled back" && job["why"]["code"] == "VSJ0484",
        "{job}"
    );
    ensure!(host.has("var/lib/machines/ldap/etc/living") && kept.house.runs("ldap", 1));
    ensure!(std::fs::read_dir(host.path("var/lib/machines"))?.count() == 1);
    nothing_left(host, &["ldap"])
}

#[test]
fn a_generation_is_restored_beside_its_guest_with_an_identity_of_its_own() -> anyhow::Result<()> {
    let kept = Kept::new()?;
    kept.house
        .paper
        .host(1)
        .write("var/lib/machines/ldap/etc/hostname", "ldap\n")?;
    let job = kept.restore(&["--as=web", "--interface=10.77.1.20/16", "--host=vsh-02"])?;
    ensure!(job["state"] == "succeeded", "{job}");
    let host = kept.house.paper.host(2);
    ensure!(host.read("var/lib/machines/web/etc/hostname")? == "web\n");
    ensure!(kept.house.runs("web", 2) && kept.house.runs("ldap", 1));
    let own = differences(&kept.backup()?.join("tree"), &kept.tree(2, "web"))?;
    let own: Vec<_> = own
        .iter()
        .filter(|line| !line.contains(" etc/") && !line.contains(" var/") && !line.starts_with(".d..t"))
        .collect();
    ensure!(own.is_empty(), "{own:?}");
    nothing_left(host, &["web"])
}

#[test]
fn a_damaged_generation_is_never_restored_and_the_next_one_is_not_begun_from_it() -> anyhow::Result<()> {
    let kept = Kept::new()?;
    let last = kept.backup()?;
    // Another file in its place: the one that was there is that of the generation before, too.
    std::fs::remove_file(last.join("tree/etc/os-release"))?;
    std::fs::write(last.join("tree/etc/os-release"), "ID=other\n")?;
    kept.destroy()?;
    let job = kept.restore(&[])?;
    let why = job["why"].to_string();
    ensure!(job["state"] == "rolled back" && why.contains("VSJ0498"), "{job}");
    ensure!(why.contains("etc/os-release") && why.contains("whole: "), "{why}");
    nothing_left(kept.house.paper.host(1), &[])?;

    let name = last
        .file_name()
        .and_then(|name| name.to_str())
        .context("no name")?;
    let asked = format!("--generation={name}");
    kept.vsjob(&["submit", "restore", "--name=ldap", &asked])?
        .refuses("VSJ0499", 4)?;
    // The one before it is what there is.
    let job = kept.restore(&[])?;
    ensure!(job["state"] == "succeeded", "{job}");
    ensure!(
        kept.house
            .paper
            .host(1)
            .read("var/lib/machines/ldap/etc/os-release")?
            == "ID=debian\n"
    );
    let next = std::fs::read_to_string(kept.backup()?.join("generation.json"))?;
    ensure!(!next.contains(name), "it was begun from the damaged one: {next}");
    Ok(())
}

#[test]
fn files_of_a_generation_come_into_a_new_folder_that_is_roots_alone() -> anyhow::Result<()> {
    let kept = Kept::new()?;
    let place = tempfile::tempdir()?;
    for (path, name) in [
        ("/a b/", "a b"),
        ("marked", "marked"),
        ("hole", "hole"),
        ("out", "out"),
    ] {
        let to = place.path().join(format!("to {name}"));
        let to_flag = format!("--to={}", to.display());
        let path_flag = format!("--path={path}");
        let job = kept.restore(&[&path_flag, &to_flag])?;
        ensure!(job["state"] == "succeeded", "{job}");
        let only = tempfile::tempdir()?;
        copy(&kept.tree(1, "ldap").join(name), only.path())?;
        let differs = differences(only.path(), &to)?;
        let differs: Vec<_> = differs.iter().filter(|line| !line.ends_with(" ./")).collect();
        ensure!(differs.is_empty(), "{name}: {differs:?}");
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&to)?);
        ensure!(mode & 0o777 == 0o700, "{mode:o}");
        kept.vsjob(&["submit", "restore", "--name=ldap", &path_flag, &to_flag])?
            .refuses("VSJ0404", 4)?;
    }
    ensure!(std::fs::read_dir(place.path())?.count() == 4, "something is left");
    Ok(())
}

#[test]
fn a_file_that_is_damaged_in_its_generation_comes_nowhere() -> anyhow::Result<()> {
    let kept = Kept::new()?;
    let place = tempfile::tempdir()?;
    std::fs::write(kept.backup()?.join("tree/owned"), "other\n")?;
    let to = format!("--to={}", place.path().join("to").display());
    let job = kept.restore(&["--path=owned", &to])?;
    ensure!(
        job["state"] == "rolled back" && job["why"]["code"] == "VSJ0498",
        "{job}"
    );
    ensure!(std::fs::read_dir(place.path())?.count() == 0, "something is left");
    Ok(())
}
