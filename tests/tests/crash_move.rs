//! The crash and fault matrices of `move`, on paper hosts and on real ones: whatever the moment of the SIGKILL, and
//! whatever goes wrong in a step, the guest lives whole on exactly one host, the one that placement names, and nothing
//! of the move is left but what waits for its purge.

use anyhow::ensure;
use tempfile::TempDir;
use vsjob_tests::hosts::{World, Worlds};
use vsjob_tests::lab_pool::Labs;
use vsjob_tests::master::{self, Life, Report};
use vsjob_tests::matrix::{self, Share, Subject};
use vsjob_tests::{faults, guests};
use vsjob_workers::Driver;
use vsjob_workers::storage::{BTRFS, DIR, LVM};

struct Move {
    reference: TempDir,
    /// The storage where it is.
    from: &'static Driver,
}

impl Move {
    fn on(worlds: &Worlds) -> anyhow::Result<Self> {
        Self::from(&BTRFS, worlds)
    }

    fn from(from: &'static Driver, worlds: &Worlds) -> anyhow::Result<Self> {
        let reference = tempfile::tempdir()?;
        guests::tree(worlds, reference.path())?;
        Ok(Self { reference, from })
    }

    fn lives_on(&self, world: &dyn World, report: &Report, number: usize) -> anyhow::Result<()> {
        let host = world.host(number).name().to_string();
        ensure!(
            report.placement == [("ldap".to_owned(), host)],
            "{:?}",
            report.placement
        );
        guests::lives_only_on(world, number, self.reference.path())
    }
}

impl Subject for Move {
    fn begin(&self, world: &dyn World) -> anyhow::Result<Life> {
        guests::settle_in(self.from, world.host(1), self.reference.path())?;
        Ok(Life {
            placed: vec![("ldap".to_owned(), world.host(1).name().clone())],
            // However long a busy machine predicts that it stands still: that is not what is tried here.
            ..world.life(
                "move",
                &[("name", "ldap"), ("dst", "vsh-02"), ("max-downtime", "10m")],
            )
        })
    }

    fn is_done(&self, world: &dyn World, report: &Report) -> anyhow::Result<()> {
        guests::nothing_left(world.host(1), &["ldap.moved-"])?;
        guests::nothing_left(world.host(2), &["ldap"])?;
        self.lives_on(world, report, 2)
    }

    fn is_as_before(&self, world: &dyn World, report: &Report) -> anyhow::Result<()> {
        guests::nothing_left(world.host(1), &["ldap"])?;
        guests::nothing_left(world.host(2), &[])?;
        self.lives_on(world, report, 1)
    }
}

#[test]
fn a_master() -> anyhow::Result<()> {
    master::serve_if_asked()
}

#[test]
fn a_move_killed_at_every_durable_write_is_done_or_as_before() -> anyhow::Result<()> {
    let worlds = Worlds::Paper(2);
    matrix::crash_matrix(&Move::on(&worlds)?, &worlds, Share::THIRD)?.tell("move on paper hosts", (40, 80))
}

#[test]
fn a_move_with_any_fault_in_any_step_is_done_or_as_before() -> anyhow::Result<()> {
    let worlds = Worlds::Paper(2);
    faults::fault_matrix(&Move::on(&worlds)?, &worlds, Share::THIRD)?.tell("move on paper hosts", (25, 9, 18))
}

/// Hosts whose guests are in plain folders.
const FOLDERS: Worlds = Worlds::PaperWith(&[":storage=dir", ":storage=dir"]);

#[test]
fn a_move_between_plain_folders_killed_at_a_durable_write_is_done_or_as_before() -> anyhow::Result<()> {
    matrix::crash_matrix(&Move::from(&DIR, &FOLDERS)?, &FOLDERS, Share::TWENTIETH)?
        .tell("move between plain folders on paper hosts", (8, 15))
}

#[test]
fn a_move_between_plain_folders_with_a_fault_in_a_step_is_done_or_as_before() -> anyhow::Result<()> {
    faults::fault_matrix(&Move::from(&DIR, &FOLDERS)?, &FOLDERS, Share::TWENTIETH)?
        .tell("move between plain folders on paper hosts", (5, 2, 3))
}

/// Hosts whose guests are on LVM.
const VOLUMES: Worlds = Worlds::PaperWith(&[":storage=lvm", ":storage=lvm-thin"]);

#[test]
fn a_move_between_logical_volumes_killed_at_a_durable_write_is_done_or_as_before() -> anyhow::Result<()> {
    matrix::crash_matrix(&Move::from(&LVM, &VOLUMES)?, &VOLUMES, Share::TWENTIETH)?
        .tell("move between logical volumes on paper hosts", (8, 15))
}

#[test]
fn a_move_between_logical_volumes_with_a_fault_in_a_step_is_done_or_as_before() -> anyhow::Result<()> {
    faults::fault_matrix(&Move::from(&LVM, &VOLUMES)?, &VOLUMES, Share::TWENTIETH)?
        .tell("move between logical volumes on paper hosts", (5, 2, 3))
}

#[test]
fn on_real_hosts_a_move_killed_at_a_durable_write_is_done_or_as_before() -> anyhow::Result<()> {
    let Some(labs) = Labs::up(2)? else { return Ok(()) };
    let worlds = Worlds::Lab(labs);
    matrix::crash_matrix(&Move::on(&worlds)?, &worlds, Share::TWENTIETH)?.tell("move on real hosts", (8, 15))
}

#[test]
fn on_real_hosts_a_move_with_a_fault_in_a_step_is_done_or_as_before() -> anyhow::Result<()> {
    let Some(labs) = Labs::up(2)? else { return Ok(()) };
    let worlds = Worlds::Lab(labs);
    faults::fault_matrix(&Move::on(&worlds)?, &worlds, Share::TWENTIETH)?
        .tell("move on real hosts", (5, 2, 3))
}

/// From a fast host onto a logical volume of a virtual machine.
#[test]
fn on_virtual_machines_a_move_killed_at_a_durable_write_is_done_or_as_before() -> anyhow::Result<()> {
    let Some(labs) = Labs::of_vms(2, 1)? else {
        return Ok(());
    };
    let worlds = Worlds::Lab(labs);
    matrix::crash_matrix(&Move::on(&worlds)?, &worlds, Share::HUNDREDTH)?
        .tell("move onto a virtual machine", (3, 2))
}

#[test]
fn on_virtual_machines_a_move_with_a_fault_in_a_step_is_done_or_as_before() -> anyhow::Result<()> {
    let Some(labs) = Labs::of_vms(2, 1)? else {
        return Ok(());
    };
    let worlds = Worlds::Lab(labs);
    faults::fault_matrix(&Move::on(&worlds)?, &worlds, Share::THIRTIETH)?
        .tell("move onto a virtual machine", (3, 1, 2))
}
