//! That the lab is what the other tests take it for: real hosts that answer SSH, and that can be cut off, rebooted
//! and robbed of their power.

use std::process::Stdio;

use anyhow::ensure;
use vsjob_tests::lab::Lab;

/// What a command over SSH answers; `None` if the host cannot be reached.
fn over_ssh(lab: &Lab, host: &str, text: &str) -> anyhow::Result<Option<String>> {
    let output = lab
        .master("ssh")
        .args(["-o", "ConnectTimeout=2", host, text])
        .output()?;
    Ok(output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned()))
}

#[test]
fn hosts_answer_ssh_by_their_names() -> anyhow::Result<()> {
    let Some(lab) = Lab::up(3)? else { return Ok(()) };
    for host in ["vsh-01", "vsh-02", "vsh-03"] {
        ensure!(over_ssh(&lab, host, "hostname")?.as_deref() == Some(host));
    }
    ensure!(lab.run("vsh-01", "systemctl is-system-running --wait")?.trim() == "running");
    Ok(())
}

#[test]
fn a_cut_host_is_out_of_reach_until_it_is_healed() -> anyhow::Result<()> {
    let Some(lab) = Lab::up(1)? else { return Ok(()) };
    lab.cut("vsh-01")?;
    ensure!(over_ssh(&lab, "vsh-01", "true")?.is_none());
    ensure!(lab.run("vsh-01", "hostname")?.trim() == "vsh-01", "it still runs");
    lab.heal("vsh-01")?;
    ensure!(over_ssh(&lab, "vsh-01", "true")?.is_some());
    Ok(())
}

#[test]
fn a_reboot_is_another_boot_and_keeps_the_disk() -> anyhow::Result<()> {
    let Some(lab) = Lab::up(1)? else { return Ok(()) };
    let before = lab.boot_id("vsh-01")?;
    lab.run("vsh-01", "echo here >/root/file")?;
    lab.reboot("vsh-01")?;
    ensure!(lab.boot_id("vsh-01")? != before);
    ensure!(lab.run("vsh-01", "cat /root/file")?.trim() == "here");
    Ok(())
}

#[test]
fn a_power_cut_keeps_what_was_synced_and_loses_the_rest() -> anyhow::Result<()> {
    let Some(lab) = Lab::up(1)? else { return Ok(()) };
    lab.run(
        "vsh-01",
        "echo kept >/root/synced; sync /root/synced /root
         echo lost >/root/unsynced; mv /root/synced /root/renamed",
    )?;
    lab.power_cut("vsh-01")?;
    lab.boot("vsh-01")?;
    ensure!(lab.run("vsh-01", "ls /root")?.trim() == "synced");
    Ok(())
}

#[test]
fn a_copied_disk_is_what_a_power_cut_would_have_left() -> anyhow::Result<()> {
    let Some(lab) = Lab::up(2)? else { return Ok(()) };
    let copy = lab.folder().join("copy");
    lab.run(
        "vsh-01",
        "echo before >/root/file; sync /root/file /root; echo lost >/root/unsynced",
    )?;
    lab.copy_disk("vsh-01", &copy)?;
    lab.run("vsh-01", "echo after >/root/file")?;
    lab.power_cut("vsh-02")?;
    lab.boot_from("vsh-02", &copy)?;
    std::fs::remove_file(&copy)?;
    ensure!(lab.run("vsh-02", "cat /root/file; ls /root")? == "before\nfile\n");
    ensure!(
        lab.run("vsh-01", "cat /root/file")?.trim() == "after",
        "the original went on"
    );
    Ok(())
}

#[test]
fn killing_sshd_ends_what_was_connected_and_it_answers_again() -> anyhow::Result<()> {
    let Some(lab) = Lab::up(1)? else { return Ok(()) };
    let mut session = lab
        .master("ssh")
        .args(["vsh-01", "sleep 600"])
        .stderr(Stdio::null())
        .spawn()?;
    let begun = "until pgrep --full '^sleep 600'; do sleep 0.05; done";
    lab.run("vsh-01", &format!("timeout 20 sh -c \"{begun}\""))?;
    lab.kill_sshd("vsh-01")?;
    ensure!(session.wait()?.code() == Some(255));
    lab.run(
        "vsh-01",
        "timeout 20 sh -c 'until systemctl is-active ssh; do sleep 0.05; done'",
    )?;
    ensure!(over_ssh(&lab, "vsh-01", "true")?.is_some());
    Ok(())
}
