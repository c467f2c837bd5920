//! Templates of a master, on paper hosts: what one is made of, what is
//! removed, and when that is refused.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use vsjob_tests::guests;
use vsjob_tests::hosts::World as _;
use vsjob_tests::house::House;
use vsjob_tests::needs;
use vsjob_tests::program::Master;

struct Home {
    // Dropped before the folder that it works in.
    _master: Master,
    house: House,
}

impl Home {
    fn new() -> anyhow::Result<Self> {
        let mut house = House::new()?;
        house
            .program
            .master_env("PATH", Path::new(&vsjob_tests::paper::path_of_master()));
        let _master = house.program.master()?;
        house.program.run(&["guest", "adopt"])?.ok()?;
        std::fs::create_dir_all(house.program.state().join("templates"))?;
        Ok(Self { _master, house })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.house.program.state().join("templates").join(name)
    }

    fn templates(&self) -> anyhow::Result<Vec<String>> {
        let list = self.house.program.run(&["template", "list", "--json"])?.json()?;
        let lines = list["templates"].as_array().into_iter().flatten();
        Ok(lines
            .filter_map(|line| line["template"].as_str().map(str::to_owned))
            .collect())
    }

    fn shown(&self, template: &str) -> anyhow::Result<serde_json::Value> {
        self.house
            .program
            .run(&["template", "show", template, "--json"])?
            .json()
    }

    /// The state and the code of a job, once it is over.
    fn ends(&self, args: &[&str]) -> anyhow::Result<(String, String)> {
        let job = self.house.ended(&self.submit(args)?)?;
        let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        Ok((word(&job["state"]), word(&job["why"]["code"])))
    }

    fn submit(&self, args: &[&str]) -> anyhow::Result<String> {
        self.house.program.run(&[&["submit"], args].concat())?.ok()
    }
}

#[test]
fn a_template_goes_with_all_its_archives_and_what_one_is_a_link_to_stays() -> anyhow::Result<()> {
    let home = Home::new()?;
    let kept = home.house.program.folder().join("kept.tar");
    std::fs::write(&kept, "kept elsewhere")?;
    std::os::unix::fs::symlink(&kept, home.file("debian.tar"))?;
    for other in ["debian.tar.zst", "debian-12.tar", "debian.tar.partial-1f2e3d4c"] {
        std::fs::write(home.file(other), "")?;
    }
    home.house.program.run(&["template", "remove", "debian"])?.ok()?;
    ensure!(home.templates()? == ["debian-12"], "{:?}", home.templates()?);
    ensure!(kept.is_file() && home.file("debian.tar.partial-1f2e3d4c").is_file());
    let again = home.house.program.run(&["template", "remove", "debian"])?;
    again.refuses("VSJ0410", 4)
}

#[test]
fn a_template_is_not_removed_while_a_job_has_it_or_waits_for_its_turn_to_have_it() -> anyhow::Result<()> {
    let home = Home::new()?;
    for name in ["first.tar", "second.tar"] {
        std::fs::write(home.file(name), "")?;
    }
    let host = home.house.paper.paper_host(2);
    host.cut()?;
    let create = |template| {
        let place = ["--host=vsh-02", "--interface=10.77.1.20/16"];
        home.submit(&[&["create", "--name=web", template], &place[..]].concat())
    };
    let holds = create("--template=first")?;
    home.house.until(&holds, |job| job["state"] == "running")?;
    let waits = create("--template=second")?;
    for template in ["first", "second"] {
        let refused = home.house.program.run(&["template", "remove", template])?;
        refused.refuses("VSJ0431", 4)?;
        ensure!(
            home.file(&format!("{template}.tar")).is_file(),
            "{template} is gone"
        );
        let shown = home.shown(template)?;
        let names_it = [&holds, &waits].into_iter().filter(|job| {
            let short = &job[job.len() - 8..];
            shown["jobs"]
                .as_array()
                .is_some_and(|jobs| jobs.iter().any(|one| one == short))
        });
        ensure!(names_it.count() == 1 && shown["checksum"].is_null(), "{shown}");
    }
    for job in [&waits, &holds] {
        home.house.program.run(&["cancel", job])?.ok()?;
    }
    host.heal()?;
    home.house.ended(&holds)?;
    for template in ["first", "second"] {
        home.house.program.run(&["template", "remove", template])?.ok()?;
    }
    ensure!(home.templates()?.is_empty());
    Ok(())
}

#[test]
fn a_template_of_a_guest_makes_another_one_that_has_its_files_and_nothing_of_who_it_was() -> anyhow::Result<()>
{
    let home = Home::new()?;
    let host = home.house.paper.host(1);
    let tree = |guest: &str, file: &str| format!("var/lib/machines/{guest}/{file}");
    for own in [
        "etc/machine-id",
        "etc/hostname",
        "etc/ssh/ssh_host_rsa_key",
        "tmp/secret",
    ] {
        host.write(&tree("ldap", own), "ldap its own\n")?;
    }
    host.write(&tree("ldap", "srv/site"), "content\n")?;
    host.write(&tree("ldap", "srv/cache/1"), "left out\n")?;
    let made = home.ends(&[
        "template-create",
        "--name=lamp",
        "--from=ldap",
        "--exclude=/srv/cache",
    ])?;
    ensure!(made.0 == "succeeded", "{made:?}");
    ensure!(home.templates()? == ["lamp"] && home.house.runs("ldap", 1));
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(home.file("lamp.tar"))?);
    ensure!(mode & 0o77 == 0, "others may read it: {mode:o}");
    let shown = home.shown("lamp")?;
    let written = std::fs::read_to_string(home.file("lamp.tar.blake3"))?;
    let is_that = written.split_whitespace().next().context("no checksum")?;
    ensure!(
        shown["checksum"] == is_that && shown["bytes"].as_u64() > Some(0),
        "{shown}"
    );
    let text = home.house.program.run(&["template", "show", "lamp"])?.ok()?;
    ensure!(text.contains(is_that) && text.contains("lamp.tar"), "{text}");
    home.house
        .program
        .run(&["template", "show", "lamb"])?
        .refuses("VSJ0410", 4)?;

    let place = ["--host=vsh-01", "--interface=10.77.1.20/16"];
    let create = [&["create", "--name=web", "--template=lamp"], &place[..]].concat();
    let made = home.ends(&create)?;
    ensure!(made.0 == "succeeded", "{made:?}");
    ensure!(host.read(&tree("web", "srv/site"))? == "content\n");
    ensure!(host.read(&tree("web", "etc/hostname"))? == "web\n");
    for gone in ["srv/cache", "tmp/secret", "etc/systemd/network/80-host0.network"] {
        ensure!(!host.has(&tree("web", gone)), "{gone} came with it");
    }
    let said = host.run(
        "grep -rl 'its own\\|10[.]77[.]1[.]9' \"$R/var/lib/machines/web\" || true",
        &[],
    )?;
    ensure!(said.is_empty(), "{said}");
    guests::nothing_left(host, &["ldap", "web"])
}

#[test]
fn no_template_is_overwritten_and_none_is_made_of_a_guest_that_is_elsewhere_or_nowhere() -> anyhow::Result<()>
{
    let home = Home::new()?;
    std::fs::write(home.file("lamp.tar.zst"), "somebody's")?;
    for (args, code) in [
        (["--name=lamp", "--from=ldap", "--host=vsh-01"], "VSJ0433"),
        (["--name=../lamp", "--from=ldap", "--host=vsh-01"], "VSJ0404"),
        (["--name=new", "--from=nobody", "--host=vsh-01"], "VSJ0405"),
        (["--name=new", "--from=ldap", "--host=vsh-02"], "VSJ0409"),
    ] {
        let refused = home
            .house
            .program
            .run(&[&["submit", "template-create"], &args[..]].concat())?;
        refused.refuses(code, 4).context(code)?;
    }
    ensure!(home.templates()? == ["lamp"]);
    Ok(())
}

#[test]
fn an_archive_that_is_not_what_was_packed_becomes_no_guest() -> anyhow::Result<()> {
    let home = Home::new()?;
    let made = home.ends(&["template-create", "--name=lamp", "--from=ldap"])?;
    ensure!(made.0 == "succeeded", "{made:?}");
    let mut bytes = std::fs::read(home.file("lamp.tar"))?;
    *bytes.last_mut().context("it is empty")? ^= 1;
    std::fs::write(home.file("lamp.tar"), bytes)?;
    let place = ["--host=vsh-01", "--interface=10.77.1.20/16"];
    let made = home.ends(&[&["create", "--name=web", "--template=lamp"], &place[..]].concat())?;
    ensure!(
        made == ("rolled back".to_owned(), "VSJ0424".to_owned()),
        "{made:?}"
    );
    guests::nothing_left(home.house.paper.host(1), &["ldap"])?;
    home.house.program.run(&["template", "remove", "lamp"])?.ok()?;
    let left = std::fs::read_dir(home.file(""))?.count();
    ensure!(left == 0, "its checksum stays");
    Ok(())
}

#[test]
fn what_debootstrap_says_when_it_fails_is_told_and_nothing_is_left() -> anyhow::Result<()> {
    let home = Home::new()?;
    let job = home.submit(&["template-create", "--name=old", "--debootstrap=slink"])?;
    let ended = home.house.ended(&job)?;
    ensure!(ended["why"]["code"] == "VSJ0435", "{ended}");
    ensure!(ended.to_string().contains("E: No such script"), "{ended}");
    let work = std::fs::read_dir(home.house.program.state().join("templates.work"))?;
    ensure!(work.count() == 0 && home.templates()?.is_empty());
    Ok(())
}

#[test]
fn a_debian_from_a_mirror_is_a_template_without_an_identity() -> anyhow::Result<()> {
    // Minutes on a slow machine.
    let Ok(mirror) = std::env::var("VSJOB_MIRROR") else {
        needs::skip("VSJOB_MIRROR=http://deb.debian.org/debian or another one, root, and debootstrap");
        return Ok(());
    };
    let house = House::new()?;
    let _master = house.program.master()?;
    let made = [
        "submit",
        "template-create",
        "--name=bookworm",
        "--debootstrap=bookworm",
        "--wait",
    ];
    house
        .program
        .run(&[&made[..], &["--mirror", mirror.as_str()]].concat())?
        .ok()?;
    let archive = house.program.state().join("templates/bookworm.tar");
    let listed = Command::new("tar").arg("-tf").arg(archive).output()?;
    let names: Vec<&str> = std::str::from_utf8(&listed.stdout)?.lines().collect();
    ensure!(
        names.contains(&"./usr/lib/systemd/systemd-networkd")
            || names.contains(&"./lib/systemd/systemd-networkd")
    );
    for own in ["./etc/machine-id", "./etc/hostname", "./etc/resolv.conf"] {
        ensure!(!names.contains(&own), "{own}");
    }
    Ok(())
}
