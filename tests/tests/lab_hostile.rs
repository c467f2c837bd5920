//! Who would do harm on purpose: a host that sends a forged list of the files that a copy is made of, and somebody who has a
//! guest's address.

use std::path::PathBuf;
use std::process::Command;

use anyhow::ensure;
use vsjob_tests::compiler::compile;
use vsjob_tests::lab::Template;
use vsjob_tests::site::{ADDRESS, MOVE, Site, answers, until};

const TREE: &str = "/var/lib/machines/web";

/// What the list is made to say, of files that are there.
const FORGED: [&str; 2] = [
    // A name that leads out of the tree.
    "echo bait >upwards-1 && echo forged >../escape",
    // A link, and a file that the list has in a folder of that name.
    "echo bait >link-evil && mkdir ../outside && echo forged >../outside/evil && ln -s ../outside link",
];

/// Lets the rsync of a host forge. `false`: this machine has no compiler.
fn forges(site: &Site, host: &str) -> anyhow::Result<bool> {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("lab/forge.c");
    let library = site.program.folder().join("forge.so");
    if !compile(&["-shared", "-fPIC"], &source, &library)? {
        return Ok(false);
    }
    let coded = Command::new("base64").arg("-w0").arg(&library).output()?;
    let wrap = format!(
        "echo '{}' | base64 -d >/usr/lib/forge.so
         mv /usr/bin/rsync /usr/bin/rsync.honest
         printf '#!/bin/sh\\nLD_PRELOAD=/usr/lib/forge.so exec /usr/bin/rsync.honest \"$@\"\\n' >/usr/bin/rsync
         chmod 755 /usr/bin/rsync",
        String::from_utf8(coded.stdout)?
    );
    site.lab.run(host, &wrap)?;
    Ok(true)
}

#[test]
fn a_forged_list_of_files_writes_nothing_outside_of_the_copy() -> anyhow::Result<()> {
    let Some(site) = Site::with_guest()? else {
        return Ok(());
    };
    if !forges(&site, "vsh-01")? {
        return Ok(());
    }
    let backup = ["backup", "--name", "web"];
    site.succeeds(&site.submit(&backup)?)?;
    // What the link leads to is there, so that it could be written to.
    site.lab.run("vsh-02", "mkdir /var/lib/machines/outside")?;
    for forged in FORGED {
        site.lab.run("vsh-01", &format!("cd {TREE} && {forged}"))?;
        for job in [&backup[..], &MOVE] {
            let id = site.submit(job)?;
            let told = site.follow(&id)?.to_the_end()?;
            ensure!(site.job(&id)?["state"] == "rolled back", "{told}");
            ensure!(
                told.contains("path from sender") || told.contains("pathname from sender"),
                "{told}"
            );
        }
        site.lab.run(
            "vsh-01",
            &format!("rm -f {TREE}/upwards-1 {TREE}/link-evil {TREE}/link"),
        )?;
        let look = "find / -xdev \\( -name escape -o -name evil \\) -print";
        let written = site.lab.run("vsh-02", look)?;
        ensure!(written.is_empty(), "{written}");
    }
    let look = ["-name", "escape", "-o", "-name", "evil"];
    let written = Command::new("find")
        .arg(site.program.folder())
        .args(look)
        .output()?;
    ensure!(written.stdout.is_empty(), "{written:?}");
    answers(ADDRESS, "web")?;
    site.succeeds(&site.submit(&backup)?)?;
    Ok(())
}

#[test]
fn a_guest_takes_no_more_than_it_was_given_also_where_it_was_moved_to_and_brought_back() -> anyhow::Result<()>
{
    let Some(site) = Site::up(2)? else {
        return Ok(());
    };
    for host in ["vsh-01", "vsh-02"] {
        site.lab.run(
            host,
            "btrfs quota enable /var/lib/machines && btrfs quota rescan -w /var/lib/machines",
        )?;
    }
    site.template("tiny", &Template::Tiny.archive()?)?;
    let limits = ["--disk=60", "--rss=64", "--proc=70", "--tmpfs=8", "--cpu=1/2"];
    let place = [
        "--name=web",
        "--interface=10.77.1.5",
        "--host=vsh-01",
        "--template=tiny",
        "--start",
        "--enable",
    ];
    site.succeeds(&site.submit(&[&["create"], &place[..], &limits].concat())?)?;
    let is_limited = |host: &str| -> anyhow::Result<()> {
        let fills = site.lab.run(
            host,
            &format!("head -c 100M /dev/urandom >{TREE}/fill && sync -f {TREE}/fill"),
        );
        ensure!(fills.is_err(), "it holds more than it was given on {host}");
        let holds = site
            .lab
            .run(host, &format!("stat -c %s {TREE}/fill; rm {TREE}/fill"))?;
        ensure!(
            holds.trim().parse::<u64>()? > 1 << 20,
            "it holds nothing on {host}: {holds}"
        );
        let told = site.lab.run(
            host,
            "systemctl show -p MemoryMax,MemorySwapMax,TasksMax,CPUQuotaPerSecUSec systemd-nspawn@web | sort
             sed -n 's/^tmpfs \\/tmp .*size=\\([0-9a-z]*\\).*/\\1/p' \"/proc/$(machinectl show -p Leader --value web)/mounts\" | tail -n 1",
        )?;
        let wanted = "CPUQuotaPerSecUSec=500ms\nMemoryMax=67108864\nMemorySwapMax=0\nTasksMax=70\n8192k";
        ensure!(told.trim_end() == wanted, "{host}: {told}");
        Ok(())
    };
    is_limited("vsh-01")?;
    site.succeeds(&site.submit(&["backup", "--name", "web"])?)?;
    site.succeeds(&site.submit(&MOVE)?)?;
    is_limited("vsh-02")?;
    site.succeeds(&site.submit(&["restore", "--name", "web", "--replace"])?)?;
    is_limited("vsh-02")
}

#[test]
fn an_address_that_somebody_has_is_not_given_to_a_guest_and_an_enabled_guest_does_not_start_with_it()
-> anyhow::Result<()> {
    let Some(site) = Site::with_guest()? else {
        return Ok(());
    };
    let new = "10.77.1.9";
    site.lab
        .run("vsh-02", &format!("ip address add {new}/16 dev br0"))?;
    let before = site.footprint()?;
    let place = [
        "--interface",
        new,
        "--host",
        "vsh-01",
        "--template",
        "tiny",
        "--wait",
    ];
    let create = ["submit", "create", "--name", "mail"];
    site.vsjob(&[&create[..], &place].concat())?
        .refuses("VSJ0490", 1)?;
    site.is_as_before(&before)?;

    site.lab.run("vsh-01", "machinectl poweroff web")?;
    until("the guest has stopped", || Ok(!site.runs("web", "vsh-01")))?;
    site.lab
        .run("vsh-02", &format!("ip address add {ADDRESS}/16 dev br0"))?;
    let start = site.lab.run("vsh-01", "machinectl start web");
    ensure!(start.is_err() && !site.runs("web", "vsh-01"), "it has started");
    site.lab
        .run("vsh-02", &format!("ip address del {ADDRESS}/16 dev br0"))?;
    site.lab.run("vsh-01", "machinectl start web")?;
    answers(ADDRESS, "web")
}
