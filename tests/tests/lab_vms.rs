//! Hosts that are virtual machines stand in one lab beside the fast ones, have what those lack, and everything can
//! befall them that befalls the others.

use anyhow::ensure;
use vsjob_tests::lab::Lab;

const FAST: &str = "vsh-01";
const VM: &str = "vsh-02";

fn answers_ssh(lab: &Lab, host: &str) -> anyhow::Result<bool> {
    let output = lab
        .master("ssh")
        .args(["-o", "ConnectTimeout=10", host, "hostname"])
        .output()?;
    Ok(output.status.success() && String::from_utf8_lossy(&output.stdout).trim() == host)
}

/// One lab for all: a VM is dear.
#[test]
fn a_vm_host_has_volumes_and_suffers_what_a_fast_host_does() -> anyhow::Result<()> {
    let Some(lab) = Lab::up_with_vms(2, 1)? else {
        return Ok(());
    };
    ensure!(answers_ssh(&lab, FAST)? && answers_ssh(&lab, VM)?);
    ensure!(lab.run(VM, "systemctl is-system-running")?.trim() == "running");
    let came_through = lab
        .at_console(VM, "printf")
        .args(["%s|", "a b", "\"$x\""])
        .output()?;
    ensure!(came_through.stdout == b"a b|\"$x\"|");

    lab.cut(VM)?;
    ensure!(!answers_ssh(&lab, VM)?);
    ensure!(lab.run(VM, "hostname")?.trim() == VM, "it still runs");
    lab.heal(VM)?;
    ensure!(answers_ssh(&lab, VM)?);

    lab.run(
        VM,
        "vgcreate -q pool /dev/vdb; lvcreate -q -L 64M -n data pool; mkfs.ext4 -q /dev/pool/data
         mkdir /data; mount -o commit=300 /dev/pool/data /data; mount -o remount,commit=300 /
         lvcreate -q -s -L 16M -n kept pool/data; sync",
    )?;
    let before = lab.boot_id(VM)?;
    lab.run(
        VM,
        "for at in /root /data; do echo kept >$at/synced; sync $at/synced $at; echo lost >$at/unsynced; done",
    )?;
    lab.power_cut(VM)?;
    lab.boot(VM)?;
    ensure!(lab.boot_id(VM)? != before);
    ensure!(lab.run(VM, "lvs --noheadings -o lv_name pool | xargs")?.trim() == "data kept");
    lab.run(VM, "mount /dev/pool/data /data")?;
    ensure!(
        lab.run(VM, "cd /; cat root/* data/synced; ls root data")?
            == "kept\nkept\ndata:\nlost+found\nsynced\n\nroot:\nsynced\n"
    );
    ensure!(answers_ssh(&lab, VM)?);
    Ok(())
}
