//! The crash and fault matrices of `restore`, on paper hosts, of a guest that is gone and of one that is put back: whatever
//! the moment of the SIGKILL, and whatever goes wrong in a step, the guest lives as its generation has it, and what it was is
//! kept; or all is as it was before. The generation is as it was sealed.

use std::process::Command;

use anyhow::{Context, ensure};
use tempfile::TempDir;
use vsjob_tests::hosts::{World, Worlds};
use vsjob_tests::lab_pool::Labs;
use vsjob_tests::master::{self, Life, Report};
use vsjob_tests::matrix::{self, Share, Subject};
use vsjob_tests::{faults, guests};
use vsjob_workflows::{Generations, TreeKind};

struct Restore {
    reference: TempDir,
    /// Generations as a backup left them.
    kept: TempDir,
}

impl Restore {
    /// With a generation of a guest that ran and was enabled.
    fn on(worlds: &Worlds) -> anyhow::Result<Self> {
        let (reference, kept) = (tempfile::tempdir()?, tempfile::tempdir()?);
        guests::tree(worlds, reference.path())?;
        let world = worlds.world()?;
        guests::settle(world.host(1), reference.path())?;
        let life = Life {
            placed: vec![("ldap".to_owned(), world.host(1).name().clone())],
            ..world.life("backup", &[("name", "ldap")])
        };
        life.run()?.context("a life without a crash died")?;
        guests::copy(
            &life.folder.join("state/generations"),
            &kept.path().join("generations"),
        )?;
        Ok(Self { reference, kept })
    }

    /// What the master keeps is what it kept.
    fn is_kept(world: &dyn World) -> anyhow::Result<()> {
        let generations = Generations {
            folder: world.folder().join("state/generations"),
            kind: TreeKind::Folder,
        };
        let guest = "ldap".parse()?;
        let names = generations.names_of(&guest);
        let left = std::fs::read_dir(generations.of(&guest))?.count();
        ensure!(
            names.len() == 1 && left == 1,
            "{left} things are there, {names:?}"
        );
        for name in names {
            let differs = generations.verify(&guest, &name, 9)?;
            ensure!(differs.is_empty(), "{name}: {differs:?}");
        }
        Ok(())
    }
}

impl Subject for Restore {
    fn begin(&self, world: &dyn World) -> anyhow::Result<Life> {
        let state = world.folder().join("state");
        std::fs::create_dir_all(&state)?;
        guests::copy(&self.kept.path().join("generations"), &state.join("generations"))?;
        Ok(world.life("restore", &[("name", "ldap"), ("host", "vsh-02")]))
    }

    fn is_done(&self, world: &dyn World, report: &Report) -> anyhow::Result<()> {
        ensure!(
            report.placement == [("ldap".to_owned(), "vsh-02".to_owned())],
            "{:?}",
            report.placement
        );
        guests::nothing_left(world.host(1), &[])?;
        guests::nothing_left(world.host(2), &["ldap"])?;
        Self::is_kept(world)?;
        guests::lives_only_on(world, 2, self.reference.path())
    }

    fn is_as_before(&self, world: &dyn World, report: &Report) -> anyhow::Result<()> {
        ensure!(report.placement.is_empty(), "{:?}", report.placement);
        for host in world.hosts() {
            guests::nothing_left(host, &[])?;
        }
        Self::is_kept(world)
    }
}

#[test]
fn a_master() -> anyhow::Result<()> {
    master::serve_if_asked()
}

#[test]
fn a_restore_killed_at_every_durable_write_is_done_or_as_before() -> anyhow::Result<()> {
    let worlds = Worlds::Paper(2);
    matrix::crash_matrix(&Restore::on(&worlds)?, &worlds, Share::THIRD)?
        .tell("restore on paper hosts", (30, 33))
}

#[test]
fn a_restore_with_any_fault_in_any_step_is_done_or_as_before() -> anyhow::Result<()> {
    let worlds = Worlds::Paper(2);
    faults::fault_matrix(&Restore::on(&worlds)?, &worlds, Share::THIRD)?
        .tell("restore on paper hosts", (16, 5, 8))
}

/// A guest that runs, but not as it should.
struct PutBack {
    restore: Restore,
    intruded: TempDir,
}

impl PutBack {
    fn on(worlds: &Worlds) -> anyhow::Result<Self> {
        let restore = Restore::on(worlds)?;
        let intruded = tempfile::tempdir()?;
        guests::copy(restore.reference.path(), intruded.path())?;
        std::fs::write(intruded.path().join("etc/backdoor"), "open\n")?;
        std::fs::write(intruded.path().join("var/lib/data/7"), "gone\n")?;
        Ok(Self { restore, intruded })
    }
}

impl Subject for PutBack {
    fn begin(&self, world: &dyn World) -> anyhow::Result<Life> {
        let host = world.host(1);
        guests::settle(host, self.intruded.path())?;
        self.restore.begin(world)?;
        Ok(Life {
            placed: vec![("ldap".to_owned(), host.name().clone())],
            ..world.life("restore", &[("name", "ldap"), ("replace", "true")])
        })
    }

    fn is_done(&self, world: &dyn World, report: &Report) -> anyhow::Result<()> {
        let host = world.host(1);
        ensure!(report.placement == [("ldap".to_owned(), "vsh-01".to_owned())]);
        guests::nothing_left(host, &["ldap"])?;
        let mut replaced = Vec::new();
        for entry in std::fs::read_dir(host.path("var/lib/machines"))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.starts_with("ldap.") {
                replaced.push(name);
            }
        }
        let [replaced] = &replaced[..] else {
            anyhow::bail!("{replaced:?} are kept");
        };
        ensure!(replaced.starts_with("ldap.replaced-"), "{replaced}");
        ensure!(host.has(&format!("etc/systemd/nspawn/{replaced}.nspawn")));
        guests::same(
            self.intruded.path(),
            host,
            &format!("var/lib/machines/{replaced}"),
        )?;
        Restore::is_kept(world)?;
        guests::lives_only_on(world, 1, self.restore.reference.path())
    }

    fn is_as_before(&self, world: &dyn World, report: &Report) -> anyhow::Result<()> {
        ensure!(report.placement == [("ldap".to_owned(), "vsh-01".to_owned())]);
        let host = world.host(1);
        guests::nothing_left(host, &["ldap"])?;
        for entry in std::fs::read_dir(host.path("var/lib/machines"))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            // That is systemd's own lock.
            ensure!(name == "ldap" || name.starts_with(".#"), "{name} is there");
        }
        Restore::is_kept(world)?;
        guests::lives_only_on(world, 1, self.intruded.path())
    }
}

#[test]
fn a_guest_that_is_put_back_with_a_kill_at_every_durable_write_is_put_back_or_as_before() -> anyhow::Result<()>
{
    let worlds = Worlds::Paper(1);
    matrix::crash_matrix(&PutBack::on(&worlds)?, &worlds, Share::TENTH)?
        .tell("restore --replace on paper hosts", (13, 20))
}

#[test]
fn a_guest_that_is_put_back_with_any_fault_in_any_step_is_put_back_or_as_before() -> anyhow::Result<()> {
    let worlds = Worlds::Paper(1);
    faults::fault_matrix(&PutBack::on(&worlds)?, &worlds, Share::TENTH)?
        .tell("restore --replace on paper hosts", (6, 3, 2))
}

/// Files alone, into a folder of the master.
struct Files(Restore);

impl Files {
    /// What is in the master's folder of them.
    fn left(world: &dyn World) -> anyhow::Result<Vec<String>> {
        let mut left = Vec::new();
        for entry in std::fs::read_dir(world.folder().join("out"))? {
            left.push(entry?.file_name().to_string_lossy().into_owned());
        }
        Ok(left)
    }
}

impl Subject for Files {
    fn begin(&self, world: &dyn World) -> anyhow::Result<Life> {
        let out = world.folder().join("out");
        std::fs::create_dir_all(&out)?;
        self.0.begin(world)?;
        let to = out.join("files").display().to_string();
        Ok(world.life("restore", &[("name", "ldap"), ("path", "var/lib"), ("to", &to)]))
    }

    fn is_done(&self, world: &dyn World, report: &Report) -> anyhow::Result<()> {
        ensure!(report.placement.is_empty(), "{:?}", report.placement);
        let left = Self::left(world)?;
        ensure!(left == ["files"], "{left:?}");
        let compared = Command::new("rsync")
            .args(["-naHAXSi", "--delete", "--checksum", "--modify-window=-1"])
            .arg(self.0.reference.path().join("var/lib/"))
            .arg(world.folder().join("out/files/lib/"))
            .output()?;
        ensure!(
            compared.status.success() && compared.stdout.is_empty(),
            "{compared:?}"
        );
        Restore::is_kept(world)
    }

    fn is_as_before(&self, world: &dyn World, report: &Report) -> anyhow::Result<()> {
        ensure!(report.placement.is_empty(), "{:?}", report.placement);
        let left = Self::left(world)?;
        ensure!(left.is_empty(), "{left:?} is left");
        Restore::is_kept(world)
    }
}

#[test]
fn a_restore_of_files_killed_at_every_durable_write_is_done_or_as_before() -> anyhow::Result<()> {
    let worlds = Worlds::Paper(1);
    matrix::crash_matrix(&Files(Restore::on(&worlds)?), &worlds, Share::ALL)?.tell("restore --path", (6, 3))
}

#[test]
fn on_real_hosts_a_guest_that_is_put_back_killed_at_a_durable_write_is_done_or_as_before()
-> anyhow::Result<()> {
    let Some(labs) = Labs::up(1)? else { return Ok(()) };
    let worlds = Worlds::Lab(labs);
    matrix::crash_matrix(&PutBack::on(&worlds)?, &worlds, Share::FIFTIETH)?
        .tell("restore --replace on real hosts", (2, 1))
}

#[test]
fn on_real_hosts_a_guest_that_is_put_back_with_a_fault_in_a_step_is_done_or_as_before() -> anyhow::Result<()>
{
    let Some(labs) = Labs::up(1)? else { return Ok(()) };
    let worlds = Worlds::Lab(labs);
    faults::fault_matrix(&PutBack::on(&worlds)?, &worlds, Share::THIRTIETH)?
        .tell("restore --replace on real hosts", (1, 1, 1))
}
