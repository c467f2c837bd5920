//! The crash and fault matrices of `backup` onto a master with LVM, on paper: whatever the moment of the SIGKILL, or of the
//! power cut of its machine, and whatever goes wrong in a step, the last generation is as it was, or the new one is in its place.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use tempfile::TempDir;
use vsjob_tests::hosts::{World, Worlds};
use vsjob_tests::master::{self, Crash, Life, Report};
use vsjob_tests::matrix::{self, Share, Subject};
use vsjob_tests::{faults, guests};
use vsjob_workers::storage::BTRFS;
use vsjob_workflows::{GenerationName, Generations, TreeKind};

/// Where logical volumes are on paper.
const GROUP: &str = "etc/paper/lvm/vsh";

struct Backup {
    kind: TreeKind,
    /// The guest, as it was when it was backed up, and as it is.
    then: TempDir,
    now: TempDir,
    /// The generations as that backup left them, their volumes, and which it made.
    before: TempDir,
    last: GenerationName,
}

impl Backup {
    fn onto(kind: TreeKind, worlds: &Worlds) -> anyhow::Result<Self> {
        let (then, now, before) = (tempfile::tempdir()?, tempfile::tempdir()?, tempfile::tempdir()?);
        guests::tree(worlds, then.path())?;
        let world = worlds.world()?;
        guests::settle_in(&BTRFS, world.host(1), then.path())?;
        let life = life(kind, &*world)?;
        let report = life.run()?.context("a life without a crash died")?;
        ensure!(report.status == vsjob_engine::Status::Succeeded, "{report:#?}");
        world.host(2).reboot()?;
        guests::copy(&kept(&*world), &before.path().join("generations"))?;
        guests::copy(&world.host(2).path(GROUP), &before.path().join("volumes"))?;
        let all = generations(kind, &*world).list(&"ldap".parse()?);
        let last = all.last().context("no generation")?.0.clone();
        guests::copy(then.path(), now.path())?;
        guests::go_on(now.path())?;
        Ok(Self {
            kind,
            then,
            now,
            before,
            last,
        })
    }

    /// The names of the generations, each with its tree.
    fn is_in_order(
        &self,
        world: &dyn World,
        report: &Report,
    ) -> anyhow::Result<Vec<(GenerationName, PathBuf)>> {
        let host = world.host(1);
        ensure!(report.placement == [("ldap".to_owned(), host.name().to_string())]);
        guests::nothing_left(host, &["ldap"])?;
        guests::lives_only_on(world, 1, self.now.path())?;
        // All is unmounted, and what was not noted is gone.
        world.host(2).reboot()?;
        let generations = generations(self.kind, world);
        let guest = "ldap".parse()?;
        let mut found = Vec::new();
        for (name, read) in generations.list(&guest) {
            read.with_context(|| name.to_string())?;
            let folder = generations.of(&guest).join(name.as_str());
            let volume = std::fs::read_link(folder.join("tree"))?;
            let volume = volume.file_name().context("no volume")?.to_owned();
            found.push((name, world.host(2).path(GROUP).join(volume).join("tree")));
        }
        let entries = std::fs::read_dir(generations.of(&guest))?.count();
        let volumes = std::fs::read_dir(world.host(2).path(GROUP))?.count();
        ensure!(
            entries == found.len() && volumes == found.len() + 1,
            "{entries} entries and {volumes} volumes for {found:?}"
        );
        Ok(found)
    }
}

fn kept(world: &dyn World) -> PathBuf {
    world.folder().join("state/generations")
}

fn generations(kind: TreeKind, world: &dyn World) -> Generations {
    Generations {
        folder: kept(world),
        kind,
    }
}

fn life(kind: TreeKind, world: &dyn World) -> anyhow::Result<Life> {
    let settings = world.folder().join("vsjob.toml");
    let text = std::fs::read_to_string(&settings)?;
    std::fs::write(&settings, format!("{text}\n[generations]\ntree = \"{kind}\"\n"))?;
    Ok(Life {
        placed: vec![("ldap".to_owned(), world.host(1).name().clone())],
        machine: Some(world.host(2).path("").components().collect()),
        ..world.life("backup", &[("name", "ldap"), ("hot", "true")])
    })
}

impl Subject for Backup {
    fn begin(&self, world: &dyn World) -> anyhow::Result<Life> {
        guests::settle_in(&BTRFS, world.host(1), self.now.path())?;
        std::fs::create_dir_all(kept(world).parent().context("no state")?)?;
        guests::copy(&self.before.path().join("generations"), &kept(world))?;
        let group = world.host(2).path(GROUP);
        std::fs::remove_dir_all(&group)?;
        guests::copy(&self.before.path().join("volumes"), &group)?;
        life(self.kind, world)
    }

    /// Every other time it is a power cut, and what is not on the disk by then is not what it says that it is.
    fn died(&self, world: &dyn World, at: Crash) -> anyhow::Result<()> {
        if at.append % 2 == 1 {
            return Ok(());
        }
        world.host(2).reboot()?;
        for entry in std::fs::read_dir(kept(world).join("ldap"))? {
            let folder = entry?.path();
            if !folder.join("boot").exists() {
                continue;
            }
            let volume = std::fs::read_link(folder.join("tree")).unwrap_or_default();
            let volume = volume.file_name().unwrap_or_default();
            let file = world.host(2).path(GROUP).join(volume).join("tree/new");
            if let Ok(metadata) = file.metadata() {
                std::fs::write(&file, "???\n")?;
                std::fs::File::options()
                    .write(true)
                    .open(&file)?
                    .set_modified(metadata.modified()?)?;
            }
        }
        Ok(())
    }

    fn is_done(&self, world: &dyn World, report: &Report) -> anyhow::Result<()> {
        let found = self.is_in_order(world, report)?;
        let (name, tree) = found.last().context("no generation")?;
        ensure!(*name > self.last, "{name} is the last one");
        ensure!(found.len() == if self.kind == TreeKind::Volume { 1 } else { 2 });
        is(self.now.path(), tree)?;
        match &found[..] {
            [(_, before), _] => is(self.then.path(), before),
            _ => Ok(()),
        }
    }

    fn is_as_before(&self, world: &dyn World, report: &Report) -> anyhow::Result<()> {
        let found = self.is_in_order(world, report)?;
        let [(name, tree)] = &found[..] else {
            anyhow::bail!("{found:?}");
        };
        ensure!(*name == self.last, "{name} is another one");
        is(self.then.path(), tree)
    }
}

fn is(reference: &Path, tree: &Path) -> anyhow::Result<()> {
    guests::same_here(reference, tree)
}

#[test]
fn a_master() -> anyhow::Result<()> {
    master::serve_if_asked()
}

#[test]
fn a_backup_onto_a_volume_killed_at_a_durable_write_is_done_or_as_before() -> anyhow::Result<()> {
    crashes(TreeKind::Volume, Share::TENTH)
}

#[test]
fn a_backup_onto_a_volume_with_a_fault_in_a_step_is_done_or_as_before() -> anyhow::Result<()> {
    befalls(TreeKind::Volume, Share::TENTH)
}

#[test]
fn a_backup_onto_a_thin_volume_killed_at_a_durable_write_is_done_or_as_before() -> anyhow::Result<()> {
    crashes(TreeKind::ThinVolume, Share::TENTH)
}

fn crashes(kind: TreeKind, share: Share) -> anyhow::Result<()> {
    let worlds = Worlds::Paper(2);
    matrix::crash_matrix(&Backup::onto(kind, &worlds)?, &worlds, share)?
        .tell(format_args!("backup onto {kind}, on paper hosts"), (4, 8))
}

fn befalls(kind: TreeKind, share: Share) -> anyhow::Result<()> {
    let worlds = Worlds::Paper(2);
    faults::fault_matrix(&Backup::onto(kind, &worlds)?, &worlds, share)?
        .tell(format_args!("backup onto {kind}, on paper hosts"), (2, 1, 1))
}
