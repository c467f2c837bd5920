//! Generations on a master with LVM: what is received is written to a snapshot, and the last generation is as it was,
//! whatever happens, until the new one is whole.

use std::path::Path;

use anyhow::{Context, ensure};
use vsjob_tests::hosts::World as _;
use vsjob_tests::kept::Kept;

/// The logical volumes of the master's machine.
fn volumes(kept: &Kept) -> anyhow::Result<Vec<String>> {
    let said = kept.house.paper.host(2).run("lvs -o lv_name", &[])?;
    let names = said.split_whitespace().filter(|name| *name != "pool");
    Ok(names.map(str::to_owned).collect())
}

fn name(generation: &Path) -> anyhow::Result<&str> {
    generation
        .file_name()
        .and_then(|name| name.to_str())
        .context("no name")
}

/// A backup that fails after its snapshot was taken.
fn fails(kept: &Kept) -> anyhow::Result<()> {
    kept.write("paper/exec", "#!/bin/sh\nexit 1\n")?;
    kept.run("chmod 755 paper/exec")?;
    let job = kept.backup(&["--pre=dump it"])?;
    ensure!(job["state"] == "rolled back", "{job}");
    Ok(())
}

#[test]
fn on_a_thick_volume_the_next_generation_takes_the_place_of_the_last_one_when_it_is_whole()
-> anyhow::Result<()> {
    let mut kept = Kept::on_volumes("lvm")?;
    kept.run("mkdir data; head -c 2000000 /dev/urandom >data/large; echo one >small; ln small another")?;
    let first = kept.backed_up(&[])?;
    kept.is_the_guest(&first)?;
    fails(&kept)?;
    ensure!(kept.names()? == [name(&first)?] && volumes(&kept)?.len() == 1);
    kept.is_as_sealed(&first)?;

    kept.run("echo two >small; chmod 600 data/large; rm another; mv data moved")?;
    let second = kept.backed_up(&["--cold"])?;
    kept.is_the_guest(&second)?;
    ensure!(kept.names()? == [name(&second)?] && volumes(&kept)?.len() == 1);
    ensure!(std::fs::read_dir(&kept.folder)?.count() == 1, "something is left");

    // Nobody mounts it after a boot but who reads it.
    kept.power_cut()?;
    ensure!(!second.join("tree").exists());
    kept.is_as_sealed(&second)?;
    kept.is_the_guest(&second)?;

    // One that is to be kept is not replaced.
    kept.vsjob(&["generation", "pin", "--name=ldap", name(&second)?])?
        .ok()?;
    let job = kept.backup(&[])?;
    ensure!(
        job["state"] == "rolled back" && job["why"]["code"] == "VSJ0570",
        "{job}"
    );
    ensure!(kept.names()? == [name(&second)?] && volumes(&kept)?.len() == 1);
    kept.is_as_sealed(&second)
}

#[test]
fn on_thin_volumes_each_generation_has_its_own_that_began_as_the_last_one() -> anyhow::Result<()> {
    let mut kept = Kept::on_volumes("lvm-thin")?;
    kept.run("mkdir data; head -c 2000000 /dev/urandom >data/large; echo one >small; ln small another")?;
    let first = kept.backed_up(&[])?;
    fails(&kept)?;
    kept.run("echo two >small; rm another; mv data moved")?;
    let second = kept.backed_up(&["--cold"])?;
    kept.is_the_guest(&second)?;
    ensure!(volumes(&kept)?.len() == 2);
    kept.power_cut()?;
    kept.is_as_sealed(&first)?;
    kept.is_as_sealed(&second)?;
    kept.vsjob(&["generation", "prune", "--name=ldap", "--keep=1d"])?
        .ok()?;
    ensure!(kept.names()? == [name(&second)?] && volumes(&kept)?.len() == 1);
    kept.is_as_sealed(&second)
}

/// The snapshot of that pattern has no room any more when it has been taken, and something else happens beside.
fn overflows(kept: &Kept, snapshot: &str, beside: &str) -> anyhow::Result<()> {
    let first = kept.backed_up(&[])?;
    let full =
        format!("#!/bin/sh\ncd \"$R/..\"; for it in {snapshot}; do touch \"$it/invalid\"; done; {beside}\n");
    kept.write("paper/exec", &full)?;
    kept.run("chmod 755 paper/exec")?;
    let job = kept.backup(&["--post=fill it"])?;
    ensure!(
        job["state"] == "rolled back" && job["why"]["code"] == "VSJ0567",
        "{job}"
    );
    kept.is_as_sealed(&first)?;
    ensure!(kept.names()? == [name(&first)?]);
    kept.write("paper/exec", "#!/bin/sh\n")?;
    kept.house.paper.host(1).run("rm -f \"$R/fault/line\"", &[])?;
    kept.is_the_guest(&kept.backed_up(&[])?)
}

#[test]
fn a_snapshot_of_the_master_that_overflows_is_told_and_the_last_generation_is_as_it_was() -> anyhow::Result<()>
{
    let of_the_master = "vsh-02/etc/paper/lvm/vsh/ldap.*";
    overflows(&Kept::on_volumes("lvm")?, of_the_master, ":")?;
    // Who receives into it fails as if the line were cut.
    overflows(
        &Kept::on_volumes("lvm")?,
        of_the_master,
        "touch \"$R/fault/line\"",
    )
}

#[test]
fn a_snapshot_of_the_host_that_overflows_is_told_at_once() -> anyhow::Result<()> {
    overflows(
        &Kept::on(":storage=lvm")?,
        "vsh-01/etc/paper/lvm/vsh/.vsjob-*",
        ":",
    )
}

/// A backup that waits for its line, after its snapshot was taken.
fn waits_for_the_line(kept: &Kept) -> anyhow::Result<String> {
    kept.house.paper.host(1).write("fault/line", "")?;
    let id = kept.vsjob(&["submit", "backup", "--name=ldap"])?.ok()?;
    kept.house.until(&id, |job| {
        let receiving = &job["plan"][6];
        receiving["action"] == "receive-generation 1" && receiving["state"] == "waiting"
    })?;
    Ok(id)
}

#[test]
fn what_was_received_before_a_power_cut_is_compared_by_its_content() -> anyhow::Result<()> {
    // The first one: of a later one, what has changed since the last is compared by its content in any case.
    let mut kept = Kept::on_volumes("lvm")?;
    kept.write("new", "right")?;
    let id = waits_for_the_line(&kept)?;
    let host = kept.house.paper.host(1);
    // As it is of a file whose blocks were not written when its size and time were.
    let incoming = kept.folder.join(format!("incoming-{}", &id[id.len() - 8..]));
    std::fs::write(incoming.join("tree/new"), "lost!")?;
    let time = std::fs::metadata(host.path("var/lib/machines/ldap/new"))?.modified()?;
    std::fs::File::options()
        .write(true)
        .open(incoming.join("tree/new"))?
        .set_modified(time)?;
    std::fs::remove_file(host.path("fault/line"))?;
    kept.power_cut()?;
    let job = kept.house.ended(&id)?;
    ensure!(job["state"] == "succeeded", "{job}");
    let newest = kept.names()?.pop().context("no generation")?;
    kept.is_as_sealed(&kept.folder.join(&newest))?;
    kept.is_the_guest(&kept.folder.join(newest))
}

#[test]
fn a_snapshot_is_watched_again_after_a_reboot_of_who_has_it() -> anyhow::Result<()> {
    let watched = |kept: &Kept, host: usize| -> anyhow::Result<bool> {
        let units = kept
            .house
            .paper
            .host(host)
            .run("ls \"$R/run/paper/units\" 2>/dev/null || true", &[])?;
        Ok(units.contains("vsjob-watch-"))
    };
    let kept = Kept::on(":storage=lvm")?;
    let id = waits_for_the_line(&kept)?;
    kept.house.paper.host(1).reboot()?;
    ensure!(!watched(&kept, 1)?);
    std::fs::remove_file(kept.house.paper.host(1).path("fault/line"))?;
    let job = kept.house.ended(&id)?;
    ensure!(job["state"] == "succeeded" && watched(&kept, 1)?, "{job}");

    let mut kept = Kept::on_volumes("lvm")?;
    kept.backed_up(&[])?;
    let id = waits_for_the_line(&kept)?;
    kept.power_cut()?;
    std::fs::remove_file(kept.house.paper.host(1).path("fault/line"))?;
    let job = kept.house.ended(&id)?;
    ensure!(job["state"] == "succeeded" && watched(&kept, 2)?, "{job}");
    Ok(())
}
