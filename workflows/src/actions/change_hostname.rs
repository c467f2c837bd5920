//! Changes the host name of a guest, in its tree.

use vsjob_workers::{HostAction, Library};

use crate::planner::host_action;
use crate::{GuestName, Ref, ShortId};

host_action! {
    /// Where it is the guest's name, it is the new one; what somebody has chosen otherwise stays. No link of the tree is
    /// followed. The undo puts back the very files.
    ChangeHostname { guest: GuestName, job: Ref<ShortId>, to: GuestName } -> HostnameChanged {}
    "change-hostname" version 1, "change the host name in the tree of {guest}",
    HostAction {
        needs: &[Library::Storage, Library::Transfer],
        probe: include_str!("change_hostname.probe.sh"),
        do_: concat!(include_str!("change_hostname.sh"), include_str!("change_hostname.do.sh")),
        undo: concat!(include_str!("change_hostname.sh"), include_str!("change_hostname.undo.sh")),
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

    /// Performs a side of it for the guest `ldap`, that becomes `web`, on a host whose root is `host`.
    fn perform(side: Side, host: &Path) {
        const ACTION: &HostAction = &ChangeHostname::ACTION;
        let script = ACTION.script(side, &Drivers::default()).unwrap();
        let status = Command::new("sh")
            .args(["-c", &script.text, "sh", "ldap", "1f2e3d4c", "web"])
            .env("R", host)
            .status();
        assert!(status.unwrap().success());
    }

    fn host_with(hostname: &str, hosts: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let host = tempfile::tempdir().unwrap();
        let etc = host.path().join("var/lib/machines/ldap/etc");
        fs::create_dir_all(&etc).unwrap();
        fs::write(etc.join("hostname"), hostname).unwrap();
        fs::write(etc.join("hosts"), hosts).unwrap();
        (host, etc)
    }

    #[test]
    fn only_the_name_itself_is_changed_and_every_byte_comes_back() {
        for (hostname, becomes) in [
            ("ldap\n", "web\n"),
            ("ldap.lab\n", "web.lab\n"),
            ("ldap-2\n", "ldap-2\n"),
            ("openldap\n", "openldap\n"),
            ("www\nldap\n", "www\nldap\n"),
        ] {
            let hosts = "10.0.1.5\tldap ldap ldap.lab\n10.0.1.6 ldap-2 xldap #ldap\n10.0.1.7 ldap";
            let (host, etc) = host_with(hostname, hosts);
            perform(Side::Do, host.path());
            perform(Side::Do, host.path());
            assert_eq!(fs::read_to_string(etc.join("hostname")).unwrap(), becomes);
            let changed = "10.0.1.5\tweb web web.lab\n10.0.1.6 ldap-2 xldap #ldap\n10.0.1.7 web";
            assert_eq!(fs::read_to_string(etc.join("hosts")).unwrap(), changed);
            perform(Side::Undo, host.path());
            perform(Side::Undo, host.path());
            assert_eq!(fs::read_to_string(etc.join("hostname")).unwrap(), hostname);
            assert_eq!(fs::read_to_string(etc.join("hosts")).unwrap(), hosts);
        }
    }

    #[test]
    fn a_link_of_the_tree_is_not_followed_neither_then_nor_when_it_is_taken_back() {
        let (host, etc) = host_with("ldap\n", "10.0.1.5 ldap\n");
        let outside = host.path().join("etc");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("hostname"), "ldap\n").unwrap();
        fs::write(outside.join("hosts"), "10.0.1.5 ldap\n").unwrap();
        let untouched = || {
            for (file, text) in [("hostname", "ldap\n"), ("hosts", "10.0.1.5 ldap\n")] {
                assert_eq!(fs::read_to_string(outside.join(file)).unwrap(), text);
            }
        };
        fs::remove_file(etc.join("hosts")).unwrap();
        symlink(outside.join("hosts"), etc.join("hosts")).unwrap();
        perform(Side::Do, host.path());
        assert_eq!(fs::read_to_string(etc.join("hostname")).unwrap(), "web\n");
        untouched();
        // It ran, and its root knows what comes.
        fs::write(outside.join("hostname"), "host\n").unwrap();
        fs::rename(&etc, etc.with_extension("away")).unwrap();
        symlink(&outside, &etc).unwrap();
        perform(Side::Undo, host.path());
        assert_eq!(fs::read_to_string(outside.join("hostname")).unwrap(), "host\n");
    }
}
