//! Templates of a master, on paper hosts: what is removed and when that is refused.

use std::path::PathBuf;

use anyhow::ensure;
use vsjob_tests::house::House;
use vsjob_tests::program::Master;

struct Home {
    // Dropped before the folder that it works in.
    _master: Master,
    house: House,
}

impl Home {
    fn new() -> anyhow::Result<Self> {
        let house = House::new()?;
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
