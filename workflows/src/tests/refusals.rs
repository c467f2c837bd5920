//! What cannot be done is refused before anything is done.

use super::*;

#[test]
fn what_cannot_be_done_is_refused_with_a_code_before_anything_changes() {
    for (name, given, code) in [
        ("move", "name=ldap", "VSJ0403"),
        ("move", "name=ldap dst=vsh-02 speed=1", "VSJ0402"),
        ("move", "name=../ldap dst=vsh-02", "VSJ0404"),
        ("move", "name=l;dap dst=vsh-02", "VSJ0404"),
        ("move", "name=nobody dst=vsh-02", "VSJ0405"),
        ("move", "name=ldap dst=vsh-09", "VSJ0406"),
        ("move", "name=ldap dst=vsh-01", "VSJ0408"),
        ("move", "name=ldap dst=vsh-02 src=vsh-03", "VSJ0409"),
        ("move", "name=ldap dst=vsh-02 max-downtime=soon", "VSJ0404"),
        ("move", "name=ldap dst=vsh-02 on-budget=maybe", "VSJ0404"),
        (
            "create",
            "name=ldap interface=10.0.1.5 template=debian",
            "VSJ0407",
        ),
        ("create", "name=web interface=10.0.1.5", "VSJ0403"),
        ("create", "name=web interface=10.0.1.5 template=suse", "VSJ0410"),
        ("create", "name=web interface=10.9.1.5 template=debian", "VSJ0411"),
        (
            "create",
            "name=web interface=10.0.1.255 template=debian",
            "VSJ0412",
        ),
        ("create", "name=web interface=10.0.1.1 template=debian", "VSJ0412"),
        (
            "create",
            "name=web interface=127.0.0.1/8 template=debian",
            "VSJ0412",
        ),
        ("purge", "name=ldap host=vsh-02 moved=ldap", "VSJ0404"),
        (
            "purge",
            "name=ldap host=vsh-02 moved=web.removed-1f2e3d4c",
            "VSJ0404",
        ),
        ("evacuate", "host=vsh-09", "VSJ0406"),
        ("evacuate", "host=vsh-02", "VSJ0416"),
        ("evacuate", "host=vsh-01 dst=vsh-01", "VSJ0404"),
        ("evacuate", "host=vsh-01 dst=vsh-02,vsh-09", "VSJ0406"),
        ("evacuate", "host=vsh-01 dst=vsh-02,../x", "VSJ0404"),
        ("evacuate", "host=vsh-01 dst=vsh-02,", "VSJ0404"),
        ("evacuate", "host=vsh-01 on-budget=ask", "VSJ0404"),
        // Of another architecture.
        ("evacuate", "host=vsh-01 dst=vsh-03", "VSJ0429"),
        ("recover", "host=vsh-09 host-is-off=true", "VSJ0406"),
        ("recover", "host=vsh-02 host-is-off=true", "VSJ0416"),
        ("recover", "host=vsh-01 host-is-off=perhaps", "VSJ0404"),
        ("restore", "name=ldap host=vsh-01 host-is-off=true", "VSJ0404"),
        (
            "restore",
            "name=ldap host=vsh-02 host-is-off=true replace=true",
            "VSJ0409",
        ),
        ("fence", "name=ldap host=vsh-01", "VSJ0408"),
        ("fence", "name=../ldap host=vsh-02", "VSJ0404"),
        ("fence", "name=ldap host=vsh-09", "VSJ0406"),
        ("remove", "name=nobody", "VSJ0405"),
        ("rename", "name=ldap", "VSJ0403"),
        ("rename", "name=nobody to=web", "VSJ0405"),
        ("rename", "name=ldap to=ldap", "VSJ0407"),
        ("rename", "name=ldap to=../web", "VSJ0404"),
        ("rename", "name=ldap to=ldap.moved-1f2e3d4c", "VSJ0404"),
        ("undelete", "name=ldap", "VSJ0407"),
        ("undelete", "name=nobody", "VSJ0426"),
        ("undelete", "name=web job=../1f2e3d4c", "VSJ0426"),
        ("remove", "name=ldap host=vsh-02", "VSJ0409"),
        ("remove", "name=ldap grace=soon", "VSJ0404"),
        ("adopt", "name=ldap host=vsh-02", "VSJ0407"),
        ("template-remove", "name=suse", "VSJ0410"),
        ("template-create", "name=lamp", "VSJ0403"),
        (
            "template-create",
            "name=lamp from=ldap mirror=http://mirror",
            "VSJ0404",
        ),
        (
            "template-create",
            "name=lamp from=ldap debootstrap=bookworm",
            "VSJ0404",
        ),
        ("template-create", "name=lamp debootstrap=--help", "VSJ0404"),
        ("template-create", "name=lamp debootstrap=../bookworm", "VSJ0404"),
        (
            "template-create",
            "name=lamp debootstrap=bookworm mirror=--help",
            "VSJ0404",
        ),
        (
            "create",
            "name=web interface=10.0.1.5 debootstrap=bookworm template=debian",
            "VSJ0404",
        ),
        ("template-create", "name=debian from=ldap", "VSJ0433"),
        ("template-create", "name=../lamp from=ldap", "VSJ0404"),
        ("template-create", "name=lamp from=nobody", "VSJ0405"),
        ("template-create", "name=lamp from=ldap host=vsh-02", "VSJ0409"),
        ("restore", "name=nobody", "VSJ0499"),
        (
            "restore",
            "name=ldap generation=20261128T023000000Z-ffffffff",
            "VSJ0499",
        ),
        ("restore", "name=ldap generation=../../etc", "VSJ0404"),
        ("restore", "name=ldap interface=10.0.1.5", "VSJ0404"),
        ("restore", "name=ldap replace=true host=vsh-02", "VSJ0409"),
        (
            "restore",
            "name=ldap replace=true as=web interface=10.0.1.5",
            "VSJ0404",
        ),
        ("restore", "name=ldap grace=7d", "VSJ0404"),
        ("restore", "name=ldap replace=true grace=soon", "VSJ0404"),
        ("restore", "name=ldap path=etc/passwd to=/tmp/new", "VSJ0489"),
        ("restore", "name=ldap path=../../etc to=/tmp/new", "VSJ0489"),
        ("restore", "name=ldap path=/ to=/tmp/new", "VSJ0489"),
        ("restore", "name=ldap path=. to=/tmp/new", "VSJ0489"),
        ("restore", "name=ldap path=etc replace=true", "VSJ0404"),
        ("restore", "name=ldap to=/tmp/new", "VSJ0404"),
        ("restore", "name=ldap as=web", "VSJ0403"),
        ("restore", "name=ldap as=ldap interface=10.0.1.5", "VSJ0407"),
        ("restore", "name=ldap as=web interface=10.9.1.5", "VSJ0411"),
        ("restore", "name=ldap host=vsh-09", "VSJ0406"),
    ] {
        let refusal = refusal(name, given);
        assert_eq!(refusal.code(), code, "{name} {given}: {refusal}");
        assert!(!refusal.hint().is_empty());
    }
    let long = "x".repeat(300);
    assert_eq!(
        refusal("move", &format!("name={long} dst=vsh-02")).code(),
        "VSJ0404"
    );
    let mut line = parameters("dst=vsh-02");
    line.insert("name".to_owned(), "ldap\nrm".to_owned());
    let refused = operation("move").unwrap().plan(&line, &site()).unwrap_err();
    assert_eq!(refused.code(), "VSJ0404");
    assert!(!refused.to_string().contains('\n'));
    assert_eq!(operation("mvoe").unwrap_err().hint(), "did you mean `move`?");
}

#[test]
fn nothing_new_is_sent_to_a_host_in_maintenance_and_what_is_there_may_leave_it() {
    let vsh = |number: u32| format!("vsh-0{number}").parse().unwrap();
    let in_maintenance = |hosts: &[u32]| Site {
        maintenance: hosts.iter().map(|number| vsh(*number)).collect(),
        ..site()
    };
    let plan = |name: &str, given: &str, site: &Site| operation(name).unwrap().plan(&parameters(given), site);
    let refused = |name: &str, given: &str, site: &Site| plan(name, given, site).unwrap_err().code();

    let target = in_maintenance(&[2]);
    assert_eq!(refused("move", "name=ldap dst=vsh-02", &target), "VSJ0541");
    let new = "name=web interface=10.0.1.5 template=debian";
    let there = format!("{new} host=vsh-02");
    assert_eq!(refused("create", &there, &target), "VSJ0541");
    // vsh-01 has a guest and vsh-02 none, but is not chosen.
    let chosen = plan("create", new, &target).unwrap();
    assert!(chosen.plan.hosts().contains(&vsh(1)) && !chosen.plan.hosts().contains(&vsh(2)));
    assert_eq!(refused("create", new, &in_maintenance(&[1, 2])), "VSJ0413");

    let source = in_maintenance(&[1]);
    for (name, given) in [
        ("move", "name=ldap dst=vsh-02"),
        ("guest-stop", "name=ldap"),
        ("purge", "name=ldap host=vsh-02 moved=ldap.moved-1f2e3d4c"),
    ] {
        assert!(plan(name, given, &source).is_ok(), "{name}");
    }
}

#[test]
fn what_copies_guests_begins_in_the_hours_of_all_its_hosts() {
    // At noon, in UTC.
    let now = vsjob_engine::Timestamp::from_millis(1_795_953_600_000);
    let site = |first: &str, second: &str| Site {
        now,
        zone: "UTC".to_owned(),
        ..site_of(&format!("vsh-01{first}\nvsh-02{second}\n"))
    };
    let plan = |site: &Site, name: &str, given: &str| operation(name).unwrap().plan(&parameters(given), site);
    let hours = |first: &str, second: &str, given: &str| {
        let waits = plan(&site(first, second), "move", given).unwrap().not_before;
        waits.map(|at| at.since(now).as_secs() / 3600)
    };
    let given = "name=ldap dst=vsh-02";
    assert_eq!(hours("", "", given), None);
    assert_eq!(hours(":window=10:00-14:00", "", given), None);
    assert_eq!(hours("", ":window=22:00-06:00", given), Some(10));
    assert_eq!(
        hours(":window=22:00-06:00", ":window=01:00-05:00", given),
        Some(13)
    );
    assert_eq!(
        hours(":window=10:00-23:00", ":window=22:00-06:00", given),
        Some(10)
    );
    assert_eq!(
        hours(":window=22:00-06:00", "", "name=ldap dst=vsh-02 any-hour=true"),
        None
    );

    let apart = site(":window=22:00-23:00", ":window=01:00-02:00");
    let refused = plan(&apart, "move", given).unwrap_err();
    assert_eq!(refused.code(), "VSJ0549");
    assert!(refused.to_string().ends_with("vsh-01, vsh-02"), "{refused}");
    for (name, given) in [("guest-stop", "name=ldap"), ("restore", "name=ldap replace=true")] {
        assert_eq!(plan(&apart, name, given).unwrap().not_before, None, "{name}");
    }
}
