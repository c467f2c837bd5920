//! A guest goes from a host with btrfs onto hosts with LVM and back, is backed up on each and restored to one: what it has is the
//! same everywhere.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use vsjob_tests::guests;
use vsjob_tests::lab::{Lab, Template};
use vsjob_tests::needs;
use vsjob_tests::site::{ADDRESS, Site, answers, move_to, until};
use vsjob_tests::tree::Tree;

const BTRFS: &str = "vsh-01";
const THICK: &str = "vsh-02";
const THIN: &str = "vsh-03";

fn asked_for() -> bool {
    std::env::var("VSJOB_STORAGES").is_ok_and(|which| which == "all")
}

/// The logical volumes that vsjob has made.
fn ours(site: &Site, host: &str) -> anyhow::Result<String> {
    let names = site
        .lab
        .run(host, "lvs --noheadings -o lv_name @vsjob.volume | xargs")?;
    Ok(names.trim().to_owned())
}

fn site() -> anyhow::Result<Option<Site>> {
    let storage = |host: &str| match host {
        THICK => ",storage=lvm",
        THIN => ",storage=lvm-thin",
        _ => "",
    };
    Site::on(Lab::up_with_vms(3, 2)?, storage, |lab, _| {
        lab.run(THICK, "vgcreate -q vsh /dev/vdb")?;
        lab.run(
            THIN,
            "vgcreate -q --addtag vsjob.xfs vsh /dev/vdb; lvcreate -q -y -L 8g --thinpool pool vsh",
        )?;
        Ok(())
    })
}

/// A guest with everything that a copy can get wrong, and some that takes a moment to copy.
fn template() -> anyhow::Result<Tree> {
    let tree = Tree::of(Template::Tiny)?;
    guests::fill(&tree.root())?;
    tree.random_file("var/lib/data/blob", 8 << 20, &mut fastrand::Rng::with_seed(9))?;
    Ok(tree)
}

/// Backs it up where it is; the tree of the generation.
fn backed_up(site: &Site, how: &str) -> anyhow::Result<PathBuf> {
    site.succeeds(&site.submit(&["backup", "--name", "web", how])?)?;
    let list = site
        .vsjob(&["generation", "list", "--name=web", "--json"])?
        .json()?;
    let names = list["generations"].as_array().context("no list")?.iter();
    let newest = names
        .filter_map(|one| one["generation"].as_str())
        .max()
        .context("none")?;
    site.vsjob(&["generation", "verify", "--name=web", newest])?
        .ok()?;
    let folder = site.program.state().join("generations/web");
    Ok(folder.join(newest).join("tree"))
}

/// How large its volume is, in MB.
fn size(site: &Site, host: &str) -> anyhow::Result<String> {
    site.lab.run(
        host,
        "lvs --noheadings --units m --nosuffix -o lv_size vsh/web | xargs",
    )
}

fn moves_to(site: &Site, host: &str) -> anyhow::Result<()> {
    let grace = ["--grace", "1s"];
    let id = site.submit(&[&move_to(host)[..], &grace].concat())?;
    site.succeeds(&id).with_context(|| format!("to {host}"))?;
    answers(ADDRESS, "web")?;
    ensure!(site.runs("web", host));
    let wanted = [THICK, THIN].map(|left| if left == host { "web" } else { "" });
    let mut seen = Default::default();
    until("what it left is gone", || {
        seen = [ours(site, THICK)?, ours(site, THIN)?];
        Ok(seen == wanted)
    })
    .with_context(|| format!("{seen:?}: {:?}", site.vsjob(&["status", "--all"])))
}

fn is_made_restored_and_removed(site: &Site) -> anyhow::Result<()> {
    site.guest("new", "10.77.1.6", THICK, "filled")?;
    let as_new = ["--as", "web-then", "--interface", "10.77.1.7", "--host", THICK];
    site.succeeds(&site.submit(&[&["restore", "--name", "web"][..], &as_new].concat())?)?;
    answers("10.77.1.7", "web-then")?;
    for name in ["new", "web-then"] {
        let id = site.submit(&["remove", "--name", name, "--stop", "--no-keep", "--grace", "1s"])?;
        site.succeeds(&id)?;
    }
    Ok(())
}

#[test]
fn a_guest_goes_through_all_storages_and_back_and_is_the_same() -> anyhow::Result<()> {
    if !asked_for() {
        needs::skip("VSJOB_STORAGES=all (a quarter of an hour, where processors are emulated)");
        return Ok(());
    }
    let Some(site) = site()? else { return Ok(()) };
    let tree = template()?;
    site.template("filled", &tree.archive()?)?;
    site.guest("web", ADDRESS, BTRFS, "filled")?;
    let was = backed_up(&site, "--hot")?;

    moves_to(&site, THICK)?;
    let thick = size(&site, THICK)?;
    guests::same_here(&was, &backed_up(&site, "--hot")?)?;
    guests::same_here(&was, &backed_up(&site, "--cold")?)?;
    // Nobody but its own unit mounts its volume then.
    site.lab.power_cut(THICK)?;
    site.lab.boot(THICK)?;
    answers(ADDRESS, "web")?;

    moves_to(&site, THIN)?;
    guests::same_here(&was, &backed_up(&site, "--hot")?)?;
    ensure!(size(&site, THIN)? == thick, "it had {thick}");
    is_made_restored_and_removed(&site)?;

    moves_to(&site, BTRFS)?;
    guests::same_here(&was, &backed_up(&site, "--cold")?)?;
    site.is_in_order()
}
