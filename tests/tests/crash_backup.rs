//! The crash and fault matrices of `backup`, hot and cold, on paper hosts: whatever the moment of the SIGKILL, and
//! whatever goes wrong in a step, there is a new generation that is the guest as it was, or the last one is the newest
//! still; and the guest runs.

use std::path::Path;

use anyhow::{Context, ensure};
use tempfile::TempDir;
use vsjob_tests::hosts::{World, Worlds};
use vsjob_tests::lab_pool::Labs;
use vsjob_tests::master::{self, Life, Report};
use vsjob_tests::matrix::{self, Share, Subject};
use vsjob_tests::{faults, guests};
use vsjob_workers::Driver;
use vsjob_workers::storage::{BTRFS, DIR, LVM};
use vsjob_workflows::{GenerationName, Generations, TreeKind};

struct Backup {
    mode: &'static str,
    /// The storage where the guest is.
    storage: &'static Driver,
    reference: TempDir,
    /// Generations as an earlier backup left them, and which.
    before: TempDir,
    last: GenerationName,
}

fn generations(folder: &Path) -> Generations {
    Generations {
        folder: folder.to_owned(),
        kind: TreeKind::Folder,
    }
}

impl Backup {
    /// With a generation, and a guest that has changed since.
    fn on(storage: &'static Driver, worlds: &Worlds, mode: &'static str) -> anyhow::Result<Self> {
        let (reference, before) = (tempfile::tempdir()?, tempfile::tempdir()?);
        guests::tree(worlds, reference.path())?;
        let world = worlds.world()?;
        guests::settle_in(storage, world.host(1), reference.path())?;
        let life = life(&*world, "hot");
        life.run()?.context("a life without a crash died")?;
        let guest = "ldap".parse()?;
        let kept = before.path().join("generations");
        guests::copy(&life.folder.join("state/generations"), &kept)?;
        let all = generations(&kept).list(&guest);
        let last = all.last().context("no generation")?.0.clone();
        guests::go_on(reference.path())?;
        Ok(Self {
            mode,
            storage,
            reference,
            before,
            last,
        })
    }

    fn is_in_order(
        &self,
        world: &dyn World,
        report: &Report,
    ) -> anyhow::Result<(Generations, Vec<GenerationName>)> {
        let host = world.host(1);
        ensure!(report.placement == [("ldap".to_owned(), host.name().to_string())]);
        guests::nothing_left(host, &["ldap"])?;
        let generations = generations(&world.folder().join("state/generations"));
        let guest = "ldap".parse()?;
        for entry in std::fs::read_dir(generations.of(&guest))? {
            let name = entry?.file_name();
            let name = name.to_str().unwrap_or_default();
            ensure!(name.parse::<GenerationName>().is_ok(), "{name} is left");
        }
        let mut names = Vec::new();
        for (name, read) in generations.list(&guest) {
            read.with_context(|| name.to_string())?;
            let differs = generations.verify(&guest, &name, 9)?;
            ensure!(differs.is_empty(), "{name}: {differs:?}");
            names.push(name);
        }
        ensure!(
            names.first() == Some(&self.last),
            "the last one is gone: {names:?}"
        );
        Ok((generations, names))
    }
}

fn life(world: &dyn World, mode: &str) -> Life {
    Life {
        placed: vec![("ldap".to_owned(), world.host(1).name().clone())],
        ..world.life("backup", &[("name", "ldap"), (mode, "true")])
    }
}

impl Subject for Backup {
    fn begin(&self, world: &dyn World) -> anyhow::Result<Life> {
        guests::settle_in(self.storage, world.host(1), self.reference.path())?;
        let state = world.folder().join("state");
        std::fs::create_dir_all(&state)?;
        guests::copy(
            &self.before.path().join("generations"),
            &state.join("generations"),
        )?;
        Ok(life(world, self.mode))
    }

    fn is_done(&self, world: &dyn World, report: &Report) -> anyhow::Result<()> {
        let (generations, names) = self.is_in_order(world, report)?;
        let [_, new] = &names[..] else {
            anyhow::bail!("{names:?}");
        };
        let tree = generations.of(&"ldap".parse()?).join(new.as_str()).join("tree");
        guests::same_here(self.reference.path(), &tree)?;
        guests::lives_only_on(world, 1, self.reference.path())
    }

    fn is_as_before(&self, world: &dyn World, report: &Report) -> anyhow::Result<()> {
        let (_, names) = self.is_in_order(world, report)?;
        ensure!(names.len() == 1, "{names:?}");
        guests::lives_only_on(world, 1, self.reference.path())
    }
}

#[test]
fn a_master() -> anyhow::Result<()> {
    master::serve_if_asked()
}

const HOT_AND_COLD: [&str; 2] = ["hot", "cold"];

/// Where a backup is from: in words, the storage, and the worlds.
type From = (&'static str, &'static Driver, Worlds);

/// A host that takes snapshots.
const SNAPSHOTS: From = ("from a snapshot", &BTRFS, Worlds::Paper(1));

/// One where guests are plain folders, which are read as they are.
const FOLDERS: From = ("from a folder", &DIR, Worlds::PaperWith(&[":storage=dir"]));

/// One whose snapshots have to be mounted.
const VOLUMES: From = (
    "from a logical volume",
    &LVM,
    Worlds::PaperWith(&[":storage=lvm"]),
);

#[test]
fn a_backup_killed_at_every_durable_write_is_done_or_as_before() -> anyhow::Result<()> {
    crashes(&SNAPSHOTS, Share::THIRD, (24, 20))
}

#[test]
fn a_backup_of_a_folder_killed_at_a_durable_write_is_done_or_as_before() -> anyhow::Result<()> {
    crashes(&FOLDERS, Share::TENTH, (5, 9))
}

#[test]
fn a_backup_of_a_logical_volume_killed_at_a_durable_write_is_done_or_as_before() -> anyhow::Result<()> {
    crashes(&VOLUMES, Share::TENTH, (4, 10))
}

#[test]
fn a_backup_of_a_logical_volume_with_a_fault_in_a_step_is_done_or_as_before() -> anyhow::Result<()> {
    befalls(&VOLUMES, Share::TENTH, (2, 1, 1))
}

#[test]
fn a_backup_with_any_fault_in_any_step_is_done_or_as_before() -> anyhow::Result<()> {
    befalls(&SNAPSHOTS, Share::THIRD, (6, 2, 3))
}

#[test]
fn a_backup_of_a_folder_with_a_fault_in_a_step_is_done_or_as_before() -> anyhow::Result<()> {
    befalls(&FOLDERS, Share::TENTH, (3, 1, 1))
}

/// The crash matrix of each mode, of at least so many points.
fn crashes(
    (from, storage, worlds): &From,
    share: Share,
    (forward, unwinding): (usize, usize),
) -> anyhow::Result<()> {
    for mode in HOT_AND_COLD {
        matrix::crash_matrix(&Backup::on(storage, worlds, mode)?, worlds, share)?.tell(
            format_args!("backup, {mode}, {from}, on paper hosts"),
            (forward, unwinding),
        )?;
    }
    Ok(())
}

/// The fault matrix of each mode, of at least so many faults.
fn befalls(
    (from, storage, worlds): &From,
    share: Share,
    (forward, unwinding, reboots): (usize, usize, usize),
) -> anyhow::Result<()> {
    for mode in HOT_AND_COLD {
        faults::fault_matrix(&Backup::on(storage, worlds, mode)?, worlds, share)?.tell(
            format_args!("backup, {mode}, {from}, on paper hosts"),
            (forward, unwinding, reboots),
        )?;
    }
    Ok(())
}

#[test]
fn on_real_hosts_a_cold_backup_killed_at_a_durable_write_is_done_or_as_before() -> anyhow::Result<()> {
    let Some(labs) = Labs::up(1)? else { return Ok(()) };
    let worlds = Worlds::Lab(labs);
    matrix::crash_matrix(&Backup::on(&BTRFS, &worlds, "cold")?, &worlds, Share::FIFTIETH)?
        .tell("backup, cold, on real hosts", (2, 1))
}

#[test]
fn on_real_hosts_a_cold_backup_with_a_fault_in_a_step_is_done_or_as_before() -> anyhow::Result<()> {
    let Some(labs) = Labs::up(1)? else { return Ok(()) };
    let worlds = Worlds::Lab(labs);
    faults::fault_matrix(&Backup::on(&BTRFS, &worlds, "cold")?, &worlds, Share::THIRTIETH)?
        .tell("backup, cold, on real hosts", (1, 1, 1))
}

#[test]
fn on_virtual_machines_a_cold_backup_killed_at_a_durable_write_is_done_or_as_before() -> anyhow::Result<()> {
    let Some(labs) = Labs::of_vms(1, 1)? else {
        return Ok(());
    };
    let worlds = Worlds::Lab(labs);
    matrix::crash_matrix(&Backup::on(&LVM, &worlds, "cold")?, &worlds, Share::FIFTIETH)?
        .tell("backup, cold, from a virtual machine", (3, 1))
}

#[test]
fn on_virtual_machines_a_cold_backup_with_a_fault_in_a_step_is_done_or_as_before() -> anyhow::Result<()> {
    let Some(labs) = Labs::of_vms(1, 1)? else {
        return Ok(());
    };
    let worlds = Worlds::Lab(labs);
    faults::fault_matrix(&Backup::on(&LVM, &worlds, "cold")?, &worlds, Share::TENTH)?
        .tell("backup, cold, from a virtual machine", (2, 1, 1))
}
