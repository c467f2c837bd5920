//! Guests of paper hosts, for matrices: how one comes to be, and what must hold of it at the end.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

use crate::paper::{PaperHost, PaperPool};

/// What a guest's address is in these tests. Nothing listens there: a paper host's guests are processes and files.
pub const ADDRESS: &str = "10.77.1.9";

/// Fills a folder with the kinds of files that a copy can get wrong.
///
/// # Errors
/// A file cannot be made.
pub fn fill(root: &Path) -> anyhow::Result<()> {
    let script = r#"
        set -eu
        cd "$1"
        mkdir -p etc/systemd/network sbin usr/bin var/lib/data var/empty "var/a b"
        echo ID=debian >etc/os-release
        printf '[Match]\nName=host0\n[Network]\nAddress=10.77.1.9/16\n' >etc/systemd/network/80-host0.network
        i=0
        while [ $i -lt 40 ]; do
            i=$((i + 1))
            echo "entry $i" >"var/lib/data/$i"
        done
        head -c 300000 /dev/urandom >var/lib/data/blob
        truncate -s 1M var/lib/data/sparse
        ln var/lib/data/1 var/lib/data/hard
        ln -s ../../../../../../etc/passwd var/lib/data/out
        ln -s data var/lib/link
        printf 'x' >"var/a b/$(printf 'new\nline')"
        printf 'y' >"var/a b/$(printf '\351')"
        touch -d '2001-02-03T04:05:06.789012345Z' var/lib/data/2
        chmod 4755 var/lib/data/3
        chmod 1777 var/empty
    "#;
    let status = Command::new("sh")
        .args(["-c", script, "fill"])
        .arg(root)
        .status()?;
    ensure!(status.success(), "filling {}: {status}", root.display());
    Ok(())
}

/// A guest `ldap` on the host, running and enabled, with the content of `reference`.
///
/// # Errors
/// A stand-in fails.
pub fn settle(host: &PaperHost, reference: &Path) -> anyhow::Result<()> {
    host.run(
        "btrfs subvolume create \"$R/var/lib/machines/ldap\" >/dev/null",
        &[],
    )?;
    host.run(
        "cp -a \"$1/.\" \"$R/var/lib/machines/ldap/\"",
        &[&reference.display().to_string()],
    )?;
    host.write(
        "etc/systemd/nspawn/ldap.nspawn",
        "[Exec]\nBoot=yes\nPrivateUsers=no\n[Network]\nBridge=br0\n",
    )?;
    host.run("machinectl enable ldap && machinectl start ldap", &[])
}

/// Checks that the guest lives on this host and nowhere else in the pool: whole, running and enabled.
///
/// # Errors
/// Says what is not so.
pub fn lives_only_on(pool: &PaperPool, number: usize, reference: &Path) -> anyhow::Result<()> {
    for (at, host) in (1..).zip(pool.hosts()) {
        let expected = at == number;
        ensure!(
            host.has("var/lib/machines/ldap") == expected,
            "{}: its root is there: {}",
            host.name,
            !expected
        );
        ensure!(
            host.has("etc/systemd/nspawn/ldap.nspawn") == expected,
            "{}: its definition",
            host.name
        );
        ensure!(
            is_enabled(host) == expected,
            "{}: enabled is {}",
            host.name,
            !expected
        );
        ensure!(
            is_running(host) == expected,
            "{}: running is {}",
            host.name,
            !expected
        );
    }
    same(reference, &pool.host(number).path("var/lib/machines/ldap"))?;
    comes_up_only_on(pool, number)
}

/// Checks that after a reboot of every host the guest runs on this one alone.
///
/// # Errors
/// Says where it runs, or does not.
pub fn comes_up_only_on(pool: &PaperPool, number: usize) -> anyhow::Result<()> {
    for host in pool.hosts() {
        host.reboot()?;
    }
    for (at, host) in (1..).zip(pool.hosts()) {
        ensure!(
            is_running(host) == (at == number),
            "{}: running after a reboot is {}",
            host.name,
            at != number
        );
    }
    Ok(())
}

fn is_enabled(host: &PaperHost) -> bool {
    host.has("etc/systemd/system/machines.target.wants/systemd-nspawn@ldap.service")
}

fn is_running(host: &PaperHost) -> bool {
    host.run(
        "[ \"$(systemctl show -p ActiveState --value systemd-nspawn@ldap.service)\" = active ]",
        &[],
    )
    .is_ok()
}

/// Checks that two trees are the same: content, owners, modes, times, links, attributes and holes.
///
/// # Errors
/// Names the first differences.
pub fn same(reference: &Path, copy: &Path) -> anyhow::Result<()> {
    let with_slash = |path: &Path| -> PathBuf { path.join("") };
    let output = Command::new("rsync")
        .args([
            "-aHAX",
            "--numeric-ids",
            "--checksum",
            "--modify-window=-1",
            "--delete",
            "--dry-run",
            "-i",
        ])
        .args([with_slash(reference), with_slash(copy)])
        .output()
        .context("rsync")?;
    let differences = String::from_utf8_lossy(&output.stdout).into_owned();
    // The times of the root folder and of etc change when the host writes a definition's files there.
    let differences: Vec<&str> = differences
        .lines()
        .filter(|line| !line.starts_with(".d..t......"))
        .collect();
    if !output.status.success() || !differences.is_empty() {
        bail!(
            "{} differs from the reference:\n{}",
            copy.display(),
            differences.join("\n")
        );
    }
    Ok(())
}

/// Checks that a host has nothing that carries our names, but for `expected` of the kinds and beginnings given.
///
/// # Errors
/// Names what is there.
pub fn nothing_left(host: &PaperHost, expected: &[&str]) -> anyhow::Result<()> {
    let mut left = Vec::new();
    for folder in [
        "var/lib/machines",
        "etc/systemd/nspawn",
        "var/lib/vsjob/jobs",
        "var/lib/vsjob/templates",
    ] {
        let Ok(entries) = std::fs::read_dir(host.path(folder)) else {
            continue;
        };
        for entry in entries {
            let name = entry?.file_name().to_string_lossy().into_owned();
            // The lock of the file of keys stays, as that file does.
            if name != "authorized.lock" && !expected.iter().any(|start| name.starts_with(start)) {
                left.push(format!("{folder}/{name}"));
            }
        }
    }
    let keys = host.read("root/.ssh/authorized_keys").unwrap_or_default();
    left.extend(
        keys.lines()
            .filter(|line| line.contains("vsjob"))
            .map(str::to_owned),
    );
    if let Ok(tables) = std::fs::read_dir(host.path("run/paper/nft")) {
        left.extend(tables.filter_map(|table| Some(table.ok()?.file_name().to_string_lossy().into_owned())));
    }
    ensure!(left.is_empty(), "{} has left: {left:?}", host.name);
    Ok(())
}
