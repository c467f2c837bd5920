//! Makes an unpacked tree a guest's.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{GuestName, Line, Ref, VolumeName};

host_action! {
    /// Name, ids, keys, addresses; no link of the tree is followed out of it.
    WriteIdentity { volume: Ref<VolumeName>, guest: GuestName, address: Line, gateway: Line, domain: Line, nameservers: Line, mirror: Line, updates: Line, mtu: u32 } -> IdentityWritten {}
    "write-identity" version 1, "write the identity of {guest}",
    HostAction {
        needs: &[Library::Storage],
        probe: include_str!("write_identity.probe.sh"),
        do_: include_str!("write_identity.do.sh"),
        ..HostAction::EMPTY
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;
    use std::process::Command;

    use super::*;
    use vsjob_workers::{Drivers, Side};

    /// Performs the script on a host whose root is `host`, on the tree `web.partial-1f2e3d4c`; its exit code.
    fn write_identity(host: &Path) -> Option<i32> {
        const ACTION: &HostAction = &WriteIdentity::ACTION;
        let script = ACTION.script(Side::Do, &Drivers::default()).unwrap();
        let args = [
            "web.partial-1f2e3d4c",
            "web",
            "10.0.1.5/24",
            "10.0.1.1",
            "foo.bar",
            "10.0.3.6",
            "http://mirror/debian",
            "http://security/debian-security",
            "1496",
        ];
        let status = Command::new("sh")
            .args(["-c", &script.text, "sh"])
            .args(args)
            .env("R", host)
            .status();
        status.unwrap().code()
    }

    fn host_with_tree() -> (tempfile::TempDir, std::path::PathBuf) {
        let host = tempfile::tempdir().unwrap();
        let tree = host.path().join("var/lib/machines/web.partial-1f2e3d4c");
        fs::create_dir_all(tree.join("etc")).unwrap();
        fs::write(host.path().join("victim"), "the host's own\n").unwrap();
        (host, tree)
    }

    #[test]
    fn a_link_in_the_last_place_is_replaced_and_never_followed() {
        let (host, tree) = host_with_tree();
        for file in ["hostname", "hosts", "resolv.conf", "machine-id"] {
            symlink(host.path().join("victim"), tree.join("etc").join(file)).unwrap();
        }
        assert_eq!(write_identity(host.path()), Some(0));
        assert_eq!(write_identity(host.path()), Some(0), "a second time");
        let read = |path: std::path::PathBuf| fs::read_to_string(path).unwrap();
        assert_eq!(read(host.path().join("victim")), "the host's own\n");
        assert_eq!(read(tree.join("etc/hostname")), "web\n");
        assert!(read(tree.join("etc/hosts")).contains("10.0.1.5 web.foo.bar web"));
        assert_eq!(read(tree.join("etc/machine-id")).trim().len(), 32);
        assert!(
            read(tree.join("etc/systemd/network/80-container-host0.network")).contains("Gateway=10.0.1.1")
        );
        assert!(
            read(tree.join("etc/systemd/network/80-container-host0.network"))
                .contains("\n[Link]\nMTUBytes=1496\n")
        );
    }

    #[test]
    fn packages_come_from_the_mirror_and_updates_from_theirs_as_the_release_calls_them() {
        let (host, tree) = host_with_tree();
        fs::create_dir_all(tree.join("usr/lib")).unwrap();
        fs::write(tree.join("etc/debian_version"), "").unwrap();
        let list = |release: &str| {
            let release = format!("VERSION_CODENAME={release}\n");
            fs::write(tree.join("usr/lib/os-release"), release).unwrap();
            assert_eq!(write_identity(host.path()), Some(0));
            fs::read_to_string(tree.join("etc/apt/sources.list")).unwrap()
        };
        assert_eq!(
            list("trixie"),
            "deb http://mirror/debian trixie main\ndeb http://security/debian-security trixie-security main\n"
        );
        assert!(list("buster").ends_with("debian-security buster/updates main\n"));
    }

    #[test]
    fn a_link_on_the_way_is_refused() {
        let (host, tree) = host_with_tree();
        let outside = host.path().join("outside");
        fs::create_dir(&outside).unwrap();
        symlink(&outside, tree.join("etc/systemd")).unwrap();
        assert_eq!(write_identity(host.path()), Some(78));
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    }
}
