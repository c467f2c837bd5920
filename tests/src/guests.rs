//! Guests for matrices, on paper and on real hosts: how one comes to be, and what must hold of it at the end.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail, ensure};

use vsjob_workers::storage::BTRFS;
use vsjob_workers::{Driver, Script};

use crate::hosts::{Host, World, Worlds, on_all};
use crate::lab;

/// What a guest's address is in these tests.
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

/// The tree of a guest for hosts of those worlds: on paper files alone, on a real host what can run there too.
///
/// # Errors
/// It cannot be made.
pub fn tree(worlds: &Worlds, root: &Path) -> anyhow::Result<()> {
    if matches!(worlds, Worlds::Lab(_)) {
        unpack(&lab::Template::Tiny.archive()?, root)?;
        as_started(root)?;
    }
    fill(root)
}

/// Makes what systemd-nspawn makes in a tree of the template `tiny` at its first start.
///
/// # Errors
/// It cannot be made.
pub fn as_started(root: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(root.join("var/log/journal"))?;
    Ok(std::os::unix::fs::symlink("usr/lib", root.join("lib"))?)
}

/// Unpacks an archive into a tree.
///
/// # Errors
/// It cannot be read.
pub fn unpack(archive: &Path, root: &Path) -> anyhow::Result<()> {
    let status = Command::new("tar")
        .args(["--numeric-owner", "--xattrs", "--xattrs-include=*", "--acls"])
        .arg("-xpf")
        .arg(archive)
        .arg("-C")
        .arg(root)
        .status()?;
    ensure!(status.success(), "tar: {status}");
    Ok(())
}

/// Makes an archive of a tree.
///
/// # Errors
/// It cannot be written.
pub fn pack(root: &Path, archive: &Path) -> anyhow::Result<()> {
    let status = Command::new("tar")
        .arg("-cf")
        .arg(archive)
        .arg("-C")
        .arg(root)
        .arg(".")
        .status()?;
    ensure!(status.success(), "tar: {status}");
    Ok(())
}

/// A guest `ldap` on the host, running and enabled, with the content of `reference`.
///
/// # Errors
/// The host refuses.
pub fn settle(host: &dyn Host, reference: &Path) -> anyhow::Result<()> {
    settle_in(&BTRFS, host, reference)
}

/// Makes the volume of a guest, and what its unit needs to find it after a reboot.
const MAKE: &str = r#"
    volume_create "$1"
    needs=$(volume_command %i)
    [ "$needs" != : ] || exit 0
    mkdir -p "$R/etc/systemd/system/systemd-nspawn@$1.service.d"
    printf '[Service]\nExecStartPre=/bin/sh -c "%s"\n' "$needs" \
        >"$R/etc/systemd/system/systemd-nspawn@$1.service.d/vsjob-volume.conf"
"#;

/// The same, in a volume of that storage.
///
/// # Errors
/// The host refuses.
pub fn settle_in(storage: &Driver, host: &dyn Host, reference: &Path) -> anyhow::Result<()> {
    make_volume(storage, host, "ldap")?;
    host.put(reference, "var/lib/machines/ldap")?;
    host.write(
        "etc/systemd/nspawn/ldap.nspawn",
        "[Exec]\nBoot=yes\nPrivateUsers=no\n[Network]\nBridge=br0\n",
    )?;
    host.run("machinectl enable ldap 2>/dev/null && machinectl start ldap", &[])
        .map(drop)
}

/// An empty volume of that storage, for the guest of that name.
///
/// # Errors
/// The host refuses.
pub fn make_volume(storage: &Driver, host: &dyn Host, guest: &str) -> anyhow::Result<()> {
    let make = Script::compose("make", &[storage.library], MAKE);
    host.run(&make.text, &[guest]).map(drop)
}

/// What a guest has done since it was filled: a file is new, one has another content, and one is gone.
///
/// # Errors
/// It was not filled.
pub fn go_on(root: &Path) -> anyhow::Result<()> {
    std::fs::write(root.join("var/lib/data/7"), "entry 8\n")?;
    std::fs::write(root.join("new"), "new\n")?;
    Ok(std::fs::remove_file(root.join("var/lib/data/3"))?)
}

/// What a host says of the guest `$1`: whether it has its root and its definition, starts it when it boots, and runs it.
const STATE: &str = r#"
    says() { if "$@"; then echo yes; else echo no; fi; }
    guest=$1
    runs() { [ "$(systemctl show -p ActiveState --value "systemd-nspawn@$guest.service")" = active ]; }
    says test -d "$R/var/lib/machines/$1"
    says test -e "$R/etc/systemd/nspawn/$1.nspawn"
    says test -L "$R/etc/systemd/system/machines.target.wants/systemd-nspawn@$1.service"
    says runs
"#;

/// Checks that the guest lives on this host and nowhere else: whole, running and enabled, and that it still does after
/// a reboot of every host.
///
/// # Errors
/// Says what is not so.
pub fn lives_only_on(world: &dyn World, number: usize, reference: &Path) -> anyhow::Result<()> {
    is_only_on(world, number, "ldap")?;
    same(reference, world.host(number), "var/lib/machines/ldap")?;
    comes_up_only_on(world, number)
}

/// Checks that after a reboot of every host the guest is whole, enabled and running on this one, and nothing of it on
/// any other.
///
/// # Errors
/// Says where it is, or is not.
pub fn comes_up_only_on(world: &dyn World, number: usize) -> anyhow::Result<()> {
    called_so_comes_up_only_on(world, number, "ldap")
}

/// The same of a guest of another name.
///
/// # Errors
/// Says where it is, or is not.
pub fn called_so_comes_up_only_on(world: &dyn World, number: usize, guest: &str) -> anyhow::Result<()> {
    on_all(world.hosts(), |host| host.reboot())?;
    is_only_on(world, number, guest).context("after a reboot of every host")
}

/// Checks that nothing of a guest of that name is on any host, nor runs there.
///
/// # Errors
/// Says where it is.
pub fn is_nowhere(world: &dyn World, guest: &str) -> anyhow::Result<()> {
    is_only_on(world, 0, guest)
}

/// Checks that the guest is under its own name on no host, neither now nor after a reboot of all.
///
/// # Errors
/// Says where it is.
pub fn comes_up_nowhere(world: &dyn World) -> anyhow::Result<()> {
    is_nowhere(world, "ldap")?;
    called_so_comes_up_only_on(world, 0, "ldap")
}

/// The tree of the removed guest that waits on the host for its purge, if there is one; its definition waits with it.
///
/// # Errors
/// There is one without the other.
pub fn removed(host: &dyn Host) -> anyhow::Result<Option<String>> {
    let there = host.run(
        "cd \"$R\"; ls -d var/lib/machines/*.removed-* etc/systemd/nspawn/*.removed-* 2>/dev/null || true",
        &[],
    )?;
    match there.lines().collect::<Vec<_>>()[..] {
        [] => Ok(None),
        [definition, tree] if definition.ends_with(".nspawn") && tree.starts_with("var/lib/machines/") => {
            Ok(Some(tree.to_owned()))
        }
        _ => bail!("half of it: {there}"),
    }
}

fn is_only_on(world: &dyn World, number: usize, guest: &str) -> anyhow::Result<()> {
    for (at, host) in (1..).zip(world.hosts()) {
        let said = host.run(STATE, &[guest])?;
        let expected = if at == number { "yes" } else { "no" };
        ensure!(
            said.lines().count() == 4 && said.lines().all(|line| line == expected),
            "{}: root, definition, enabled, running: {}",
            host.name(),
            said.replace('\n', " ")
        );
    }
    Ok(())
}

/// Copies a folder of this machine, with everything that its files have.
///
/// # Errors
/// It cannot be copied.
pub fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let mut copy = Command::new("cp");
    let copied = copy
        .args(["-a", "--no-target-directory"])
        .args([from, to])
        .status()?;
    ensure!(copied.success(), "cp: {copied}");
    Ok(())
}

/// Takes a copy of a tree of a host as the reference that [`same`] compares it with later.
///
/// # Errors
/// It cannot be copied.
pub fn take(host: &dyn Host, tree: &str, reference: &Path) -> anyhow::Result<()> {
    let (mut copy, root) = host.onlooker("cp")?;
    let copied = copy
        .args(["-a", "--sparse=always", "--no-target-directory"])
        .args([root.join(tree), reference.to_owned()])
        .status()?;
    ensure!(copied.success(), "cp: {copied}");
    Ok(())
}

/// Checks that a tree of a host is the same as the reference: content, owners, modes, times, links, attributes and holes.
///
/// # Errors
/// Names the first differences.
pub fn same(reference: &Path, host: &dyn Host, copy: &str) -> anyhow::Result<()> {
    let (rsync, root) = host.rsync()?;
    compare(rsync, reference, &root.join(copy), &[]).with_context(|| format!("{copy} on {}", host.name()))
}

/// The same of a tree of this machine.
///
/// # Errors
/// Names the first differences.
pub fn same_here(reference: &Path, tree: &Path) -> anyhow::Result<()> {
    compare(Command::new("rsync"), reference, tree, &[]).with_context(|| tree.display().to_string())
}

/// The same, but for the host name, which is another one.
///
/// # Errors
/// Names the first differences.
pub fn same_under_another_name(reference: &Path, tree: &Path) -> anyhow::Result<()> {
    let names = ["--exclude=/etc/hostname", "--exclude=/etc/hosts"];
    compare(Command::new("rsync"), reference, tree, &names).with_context(|| tree.display().to_string())
}

fn compare(mut rsync: Command, reference: &Path, tree: &Path, more: &[&str]) -> anyhow::Result<()> {
    let output = rsync
        .args([
            "-aHAX",
            "--numeric-ids",
            "--checksum",
            "--modify-window=-1",
            "--delete",
            "--dry-run",
            "-i",
            // What a guest that runs writes, and what its host lays over its root.
            "--exclude=/var/lib/data/alive",
            "--exclude=/var/lib/data/ledger",
            "--exclude=/etc/resolv.conf",
            "--exclude=/var/log/journal/*",
        ])
        .args(more)
        .args([reference.join(""), tree.join("")])
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
            "it differs from the reference:\n{}{}",
            differences.join("\n"),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

/// Checks that a host has nothing that carries our names, but for `expected` of the kinds and beginnings given.
///
/// # Errors
/// Names what is there.
pub fn nothing_left(host: &dyn Host, expected: &[&str]) -> anyhow::Result<()> {
    let mut found = Vec::new();
    for folder in [
        "var/lib/machines",
        "etc/systemd/nspawn",
        "var/lib/vsjob/jobs",
        "var/lib/vsjob/templates",
    ] {
        found.extend(host.names(folder)?.into_iter().map(|name| (folder, name)));
    }
    found.extend(host.volumes()?.into_iter().map(|name| ("volumes", name)));
    let mut left = Vec::new();
    for (place, name) in found {
        // The lock of the file of keys stays, as that file does; and systemd's, of an image that it has run.
        let is_lock = name == "authorized.lock" || name.starts_with(".#");
        if !is_lock && !expected.iter().any(|start| name.starts_with(start)) {
            left.push(format!("{place}/{name}"));
        }
    }
    let keys = host.read("root/.ssh/authorized_keys").unwrap_or_default();
    let tables = host.run("nft list tables", &[])?;
    let lines = keys.lines().chain(tables.lines());
    left.extend(lines.filter(|line| line.contains("vsjob")).map(str::to_owned));
    ensure!(left.is_empty(), "{} has left: {left:?}", host.name());
    Ok(())
}
