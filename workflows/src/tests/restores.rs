//! The plans of a restore, and of a put and a get.

use super::*;

#[test]
fn a_restore_reads_the_generation_first_and_admits_the_guest_last() {
    insta::assert_snapshot!(outline(&plan("restore", example("restore"))));
}

#[test]
fn a_get_is_a_backup_and_a_put_is_a_restore() {
    assert_eq!(plan("get", "name=ldap"), plan("backup", "name=ldap"));
    let put = "name=ldap host=vsh-02";
    assert_eq!(plan("put", put), plan("restore", put));
}

#[test]
fn a_guest_is_put_back_only_when_its_generation_has_arrived_and_what_it_was_is_kept() {
    let plan = |given: &str| outline(&plan("restore", &format!("name=ldap replace=true {given}")));
    insta::assert_snapshot!(plan(""));
    assert!(plan("grace=1d").contains("hand what is left to a purge"));
    assert!(!plan("grace=never").contains("purge"));
}

#[test]
fn a_guest_is_restored_with_what_its_generation_says_of_it_and_under_another_name_with_its_own() {
    let back = plan("restore", "name=ldap");
    assert_eq!(given_as(&back, "rss"), ["512"]);
    assert_eq!(given_as(&back, "cpu"), ["90"]);
    // It was made before anybody asked about that.
    assert!(given_as(&back, "disk").iter().all(|disk| disk == "0"));
    assert_eq!(given_as(&back, "name"), ["20261128T023000000Z-1f2e3d4c"; 2]);
    assert!(
        given_as(&back, "address")
            .iter()
            .all(|address| address == "10.0.1.9/24")
    );
    assert!(given_as(&back, "device").iter().all(|device| device == "br0"));
    assert!(!outline(&back).contains("identity"));
    assert!(outline(&back).contains("vsh-01: enable ldap"));
    let beside = plan("restore", "name=ldap as=web interface=10.0.1.5");
    assert!(
        given_as(&beside, "address")
            .iter()
            .all(|address| address == "10.0.1.5/24")
    );
    assert!(outline(&beside).contains("write the identity of web"));
}

#[test]
fn a_guest_that_is_restored_elsewhere_must_be_gone_where_it_was_and_its_generation_is_kept_meanwhile() {
    let elsewhere = outline(&plan("restore", "name=ldap host=vsh-02"));
    assert!(
        elsewhere.starts_with("vsh-01: check that ldap can come here\nvsh-02: "),
        "{elsewhere}"
    );
    let there = &plan("restore", "name=ldap host=vsh-02").steps[0];
    let asked = |name: &str| {
        there
            .args
            .iter()
            .find(|arg| arg.name == name)
            .map(|arg| &arg.value)
    };
    assert_eq!(asked("address"), Some(&Value::Text(String::new())));
    assert_eq!(asked("device"), Some(&Value::Text(String::new())));

    let held = |given: &str, key: &str| {
        let locks = planned("restore", given).locks;
        locks.iter().find(|lock| lock.key == key).map(|lock| lock.shared)
    };
    let beside = "name=ldap as=web interface=10.0.1.5";
    assert_eq!(held(beside, "guest/ldap"), Some(true));
    assert_eq!(held(beside, "guest/web"), Some(false));
    assert_eq!(held(beside, "address/10.0.1.5"), Some(false));
    assert_eq!(held("name=ldap host=vsh-02", "host/vsh-01"), Some(true));
    assert_eq!(
        held("name=ldap host=vsh-02 host-is-off=true", "host/vsh-01"),
        None
    );
}

#[test]
fn a_guest_that_lives_nowhere_is_restored_where_it_was_unless_nobody_is_to_come_there() {
    let mut site = site();
    let titled = |site: &Site| {
        let planned = operation("restore").unwrap().plan(&parameters("name=mail"), site);
        planned.unwrap().title
    };
    let generation = "20261127T023000000Z-1f2e3d4c";
    assert_eq!(titled(&site), format!("restore mail on vsh-01 from {generation}"));
    site.maintenance.insert("vsh-01".parse().unwrap());
    assert_eq!(titled(&site), format!("restore mail on vsh-02 from {generation}"));
    assert_eq!(
        planned("restore", "name=mail as=web interface=10.0.1.5").title,
        format!("restore mail as web on vsh-01 from {generation}")
    );
}

#[test]
fn a_guest_without_a_network_is_restored_without_one() {
    let back = plan("restore", "name=mail");
    assert!(given_as(&back, "address").iter().all(String::is_empty));
    assert!(given_as(&back, "device").iter().all(String::is_empty));
    assert!(given_as(&back, "disk").iter().all(|disk| disk == "500"));
}
