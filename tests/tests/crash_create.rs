//! The crash and fault matrices of `create`, on paper hosts and on real ones: whatever the moment of the SIGKILL, and
//! whatever goes wrong in a step, there is a whole guest that runs and is enabled, or there is nothing.

use anyhow::ensure;
use tempfile::TempDir;
use vsjob_tests::hosts::{World, Worlds};
use vsjob_tests::lab_pool::Labs;
use vsjob_tests::master::{self, Life, Report};
use vsjob_tests::matrix::{self, Share, Subject};
use vsjob_tests::{faults, guests};

struct Create {
    folder: TempDir,
}

impl Create {
    /// With the archive of a guest's tree.
    fn on(worlds: &Worlds) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let tree = folder.path().join("tree");
        std::fs::create_dir(&tree)?;
        guests::tree(worlds, &tree)?;
        guests::pack(&tree, &folder.path().join("guest.tar"))?;
        Ok(Self { folder })
    }
}

impl Subject for Create {
    fn begin(&self, world: &dyn World) -> anyhow::Result<Life> {
        let args = [
            ("name", "ldap"),
            ("interface", "10.77.1.9/16"),
            ("host", "vsh-01"),
            ("template", "guest"),
            ("start", "true"),
            ("enable", "true"),
        ];
        Ok(Life {
            templates: vec![("guest".to_owned(), self.folder.path().join("guest.tar"))],
            ..world.life("create", &args)
        })
    }

    fn is_done(&self, world: &dyn World, report: &Report) -> anyhow::Result<()> {
        ensure!(
            report.placement == [("ldap".to_owned(), "vsh-01".to_owned())],
            "{:?}",
            report.placement
        );
        let host = world.host(1);
        guests::nothing_left(host, &["ldap"])?;
        guests::nothing_left(world.host(2), &[])?;
        ensure!(
            host.read("var/lib/machines/ldap/etc/hostname")?.trim() == "ldap",
            "its host name"
        );
        ensure!(
            host.read("var/lib/machines/ldap/var/lib/data/7")? == "entry 7\n",
            "its content"
        );
        guests::comes_up_only_on(world, 1)
    }

    fn is_as_before(&self, world: &dyn World, report: &Report) -> anyhow::Result<()> {
        ensure!(report.placement.is_empty(), "{:?}", report.placement);
        for host in world.hosts() {
            guests::nothing_left(host, &[])?;
        }
        Ok(())
    }
}

#[test]
fn a_master() -> anyhow::Result<()> {
    master::serve_if_asked()
}

#[test]
fn a_create_killed_at_every_durable_write_is_done_or_as_before() -> anyhow::Result<()> {
    let worlds = Worlds::Paper(2);
    matrix::crash_matrix(&Create::on(&worlds)?, &worlds, Share::TENTH)?.tell("create on paper hosts", (6, 8))
}

#[test]
fn a_create_with_any_fault_in_any_step_is_done_or_as_before() -> anyhow::Result<()> {
    let worlds = Worlds::Paper(2);
    faults::fault_matrix(&Create::on(&worlds)?, &worlds, Share::TENTH)?
        .tell("create on paper hosts", (4, 1, 2))
}

#[test]
fn on_real_hosts_a_create_killed_at_a_durable_write_is_done_or_as_before() -> anyhow::Result<()> {
    let Some(labs) = Labs::up(2)? else { return Ok(()) };
    let worlds = Worlds::Lab(labs);
    matrix::crash_matrix(&Create::on(&worlds)?, &worlds, Share::FIFTIETH)?
        .tell("create on real hosts", (3, 3))
}

#[test]
fn on_real_hosts_a_create_with_a_fault_in_a_step_is_done_or_as_before() -> anyhow::Result<()> {
    let Some(labs) = Labs::up(2)? else { return Ok(()) };
    let worlds = Worlds::Lab(labs);
    faults::fault_matrix(&Create::on(&worlds)?, &worlds, Share::THIRTIETH)?
        .tell("create on real hosts", (1, 1, 1))
}
