//! The crash and fault matrices of what makes and removes templates of a master, on paper hosts: whatever the moment of the
//! SIGKILL, and whatever goes wrong in a step, the template is there whole or not at all, and nothing else is.

use anyhow::{Context, ensure};
use tempfile::TempDir;
use vsjob_tests::hosts::{World, Worlds};
use vsjob_tests::master::{self, Life, Report};
use vsjob_tests::matrix::{self, Share, Subject};
use vsjob_tests::{faults, guests};

/// What is in the folder of templates.
fn templates(world: &dyn World) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(world.folder().join("state/templates"))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

struct Remove;

impl Subject for Remove {
    fn begin(&self, world: &dyn World) -> anyhow::Result<Life> {
        let folder = world.folder().join("state/templates");
        std::fs::create_dir_all(&folder)?;
        for name in ["debian.tar", "debian.tar.zst", "other.tar"] {
            std::fs::write(folder.join(name), "an archive")?;
        }
        Ok(world.life("template-remove", &[("name", "debian")]))
    }

    fn is_done(&self, world: &dyn World, _: &Report) -> anyhow::Result<()> {
        let left = templates(world)?;
        ensure!(left == ["other.tar"], "{left:?}");
        Ok(())
    }

    fn is_as_before(&self, world: &dyn World, _: &Report) -> anyhow::Result<()> {
        let left = templates(world)?;
        ensure!(left == ["debian.tar", "debian.tar.zst", "other.tar"], "{left:?}");
        Ok(())
    }
}

/// What must be in no template of the guest, beside what `guests::fill` makes.
const OWN: [&str; 4] = [
    "etc/machine-id",
    "etc/hostname",
    "etc/ssh/ssh_host_ed25519_key",
    "etc/systemd/network/80-host0.network",
];

/// From a guest that was backed up before, and has changed since.
struct FromGuest {
    reference: TempDir,
    /// Generations as that backup left them.
    before: TempDir,
}

impl FromGuest {
    fn on(worlds: &Worlds) -> anyhow::Result<Self> {
        let (reference, before) = (tempfile::tempdir()?, tempfile::tempdir()?);
        guests::tree(worlds, reference.path())?;
        for own in OWN {
            std::fs::create_dir_all(reference.path().join(own).parent().context("it has no folder")?)?;
            std::fs::write(reference.path().join(own), "its own\n")?;
        }
        let world = worlds.world()?;
        guests::settle(world.host(1), reference.path())?;
        let life = life(&*world, "backup", &[("name", "ldap")]);
        life.run()?.context("a life without a crash died")?;
        guests::copy(
            &world.folder().join("state/generations"),
            &before.path().join("generations"),
        )?;
        std::fs::write(reference.path().join("var/lib/data/7"), "entry 8\n")?;
        std::fs::remove_file(reference.path().join("var/lib/data/3"))?;
        Ok(Self { reference, before })
    }

    /// The guest was not touched, and its generations are as they were.
    fn is_in_order(&self, world: &dyn World, report: &Report) -> anyhow::Result<()> {
        ensure!(report.placement == [("ldap".to_owned(), "vsh-01".to_owned())]);
        guests::nothing_left(world.host(1), &["ldap"])?;
        guests::same_here(
            &self.before.path().join("generations"),
            &world.folder().join("state/generations"),
        )?;
        guests::lives_only_on(world, 1, self.reference.path())
    }
}

fn life(world: &dyn World, operation: &str, args: &[(&str, &str)]) -> Life {
    Life {
        placed: vec![("ldap".to_owned(), world.host(1).name().clone())],
        ..world.life(operation, args)
    }
}

impl Subject for FromGuest {
    fn begin(&self, world: &dyn World) -> anyhow::Result<Life> {
        guests::settle(world.host(1), self.reference.path())?;
        std::fs::create_dir_all(world.folder().join("state/templates"))?;
        guests::copy(
            &self.before.path().join("generations"),
            &world.folder().join("state/generations"),
        )?;
        Ok(life(
            world,
            "template-create",
            &[("name", "lamp"), ("from", "ldap")],
        ))
    }

    fn is_done(&self, world: &dyn World, report: &Report) -> anyhow::Result<()> {
        let made = templates(world)?;
        ensure!(made == ["lamp.tar", "lamp.tar.blake3"], "{made:?}");
        let (tree, rest) = (tempfile::tempdir()?, tempfile::tempdir()?);
        guests::unpack(&world.folder().join("state/templates/lamp.tar"), tree.path())?;
        guests::copy(self.reference.path(), rest.path())?;
        for own in OWN {
            std::fs::remove_file(rest.path().join(own))?;
        }
        guests::same_here(rest.path(), tree.path())?;
        self.is_in_order(world, report)
    }

    fn is_as_before(&self, world: &dyn World, report: &Report) -> anyhow::Result<()> {
        let made = templates(world)?;
        ensure!(made.is_empty(), "{made:?}");
        self.is_in_order(world, report)
    }
}

/// By debootstrap, on the master.
struct Built;

impl Subject for Built {
    fn begin(&self, world: &dyn World) -> anyhow::Result<Life> {
        std::fs::create_dir_all(world.folder().join("state/templates"))?;
        Ok(world.life(
            "template-create",
            &[("name", "bare"), ("debootstrap", "bookworm")],
        ))
    }

    fn is_done(&self, world: &dyn World, _: &Report) -> anyhow::Result<()> {
        let made = templates(world)?;
        ensure!(made == ["bare.tar", "bare.tar.blake3"], "{made:?}");
        nothing_is_built(world)?;
        let tree = tempfile::tempdir()?;
        guests::unpack(&world.folder().join("state/templates/bare.tar"), tree.path())?;
        let read = |file: &str| std::fs::read_to_string(tree.path().join(file));
        ensure!(read("var/lib/data/7")? == "entry 7\n");
        for gone in [
            "etc/hostname",
            "etc/machine-id",
            "etc/resolv.conf",
            "var/cache/apt/archives/dbus.deb",
        ] {
            ensure!(read(gone).is_err(), "{gone} is in it");
        }
        Ok(())
    }

    fn is_as_before(&self, world: &dyn World, _: &Report) -> anyhow::Result<()> {
        let made = templates(world)?;
        ensure!(made.is_empty(), "{made:?}");
        nothing_is_built(world)
    }
}

/// Nothing that was built on the master is left.
fn nothing_is_built(world: &dyn World) -> anyhow::Result<()> {
    let folder = std::fs::read_dir(world.folder().join("state/templates.work"));
    let left: Vec<_> = folder.into_iter().flatten().flatten().collect();
    ensure!(left.is_empty(), "{left:?}");
    Ok(())
}

/// A guest by debootstrap, without a template.
struct Guest;

impl Subject for Guest {
    fn begin(&self, world: &dyn World) -> anyhow::Result<Life> {
        let args = [
            ("name", "ldap"),
            ("interface", "10.77.1.9/16"),
            ("host", "vsh-01"),
            ("debootstrap", "bookworm"),
            ("mirror", "http://mirror.lab/debian"),
            ("start", "true"),
            ("enable", "true"),
        ];
        Ok(world.life("create", &args))
    }

    fn is_done(&self, world: &dyn World, report: &Report) -> anyhow::Result<()> {
        ensure!(report.placement == [("ldap".to_owned(), "vsh-01".to_owned())]);
        nothing_is_built(world)?;
        let host = world.host(1);
        guests::nothing_left(host, &["ldap"])?;
        let read = |file: &str| host.read(&format!("var/lib/machines/ldap/{file}"));
        ensure!(read("etc/hostname")? == "ldap\n" && read("var/lib/data/7")? == "entry 7\n");
        ensure!(read("etc/apt/sources.list")? == "deb http://mirror.lab/debian bookworm main\n");
        guests::comes_up_only_on(world, 1)
    }

    fn is_as_before(&self, world: &dyn World, report: &Report) -> anyhow::Result<()> {
        ensure!(report.placement.is_empty(), "{:?}", report.placement);
        nothing_is_built(world)?;
        guests::nothing_left(world.host(1), &[])
    }
}

#[test]
fn a_master() -> anyhow::Result<()> {
    master::serve_if_asked()
}

#[test]
fn a_removal_killed_at_every_durable_write_leaves_a_template_whole_or_gone() -> anyhow::Result<()> {
    matrix::crash_matrix(&Remove, &Worlds::Paper(1), Share::ALL)?.tell("template-remove", (6, 0))
}

#[test]
fn a_template_of_a_guest_killed_at_every_durable_write_is_there_whole_or_not_at_all() -> anyhow::Result<()> {
    let worlds = Worlds::Paper(1);
    matrix::crash_matrix(&FromGuest::on(&worlds)?, &worlds, Share::THIRD)?
        .tell("template-create --from on paper hosts", (24, 8))
}

#[test]
fn a_template_of_a_guest_with_any_fault_in_any_step_is_there_whole_or_not_at_all() -> anyhow::Result<()> {
    let worlds = Worlds::Paper(1);
    faults::fault_matrix(&FromGuest::on(&worlds)?, &worlds, Share::THIRD)?
        .tell("template-create --from on paper hosts", (6, 2, 3))
}

#[test]
fn a_template_by_debootstrap_killed_at_every_durable_write_is_there_whole_or_not_at_all() -> anyhow::Result<()>
{
    matrix::crash_matrix(&Built, &Worlds::Paper(1), Share::ALL)?.tell("template-create --debootstrap", (8, 6))
}

#[test]
fn a_create_by_debootstrap_killed_at_every_durable_write_is_done_or_as_before() -> anyhow::Result<()> {
    matrix::crash_matrix(&Guest, &Worlds::Paper(1), Share::TENTH)?
        .tell("create --debootstrap on paper hosts", (10, 8))
}
