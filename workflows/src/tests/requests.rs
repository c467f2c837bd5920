//! What a request says, and what the configuration says where it does not.

use std::collections::BTreeSet;

use super::*;
use crate::BackupConf;
use vsjob_workers::CreateMethod;

fn refused(site: &Site, name: &str, given: &str) -> &'static str {
    let planned = operation(name).unwrap().plan(&parameters(given), site);
    planned.unwrap_err().code()
}

#[test]
fn an_operation_takes_what_it_knows_wherever_that_leads() {
    let takes = |given: &str| operation("move").unwrap().takes(&parameters(given));
    assert!(takes("name=nobody dst=nowhere").is_ok());
    assert_eq!(takes("name=ldap").unwrap_err().code(), "VSJ0403");
    assert_eq!(
        takes("name=ldap dst=vsh-02 speed=1").unwrap_err().code(),
        "VSJ0402"
    );
}

#[test]
fn a_backup_is_as_the_request_says_or_else_as_the_file_does() {
    let mut site = site();
    site.backup_conf = BackupConf::parse("backup.conf", "ldap:cold\n").unwrap();
    let mode = |given: &str| {
        let given = format!("name=ldap{given}");
        given_as(&plan_on(&site, "backup", &given), "mode")
    };
    assert_eq!(mode(""), ["cold", "cold"]);
    assert_eq!(mode(" hot=true"), ["hot", "hot"]);
    assert_eq!(mode(" hot=true pre=dump"), ["hot", "hot"]);
    assert_eq!(
        refused(&site, "backup", "name=ldap hot=true cold=true"),
        "VSJ0404"
    );
    for runs in ["pre=dump", "post=dump", "pre=dump post=dump"] {
        assert_eq!(refused(&site, "backup", &format!("name=ldap {runs}")), "VSJ0404");
    }
    assert_eq!(mode(" host=vsh-01"), ["cold", "cold"]);
    assert_eq!(refused(&site, "backup", "name=ldap host=vsh-02"), "VSJ0409");
}

#[test]
fn what_goes_on_while_it_is_read_is_not_counted_afterwards() {
    let (pictures, folders) = (site(), site_of("vsh-01:storage=dir\n"));
    let still = |site: &Site, given: &str| given_as(&plan_on(site, "backup", given), "still").pop();
    assert_eq!(still(&pictures, "name=ldap").as_deref(), Some("yes"));
    assert_eq!(still(&folders, "name=ldap").as_deref(), Some("no"));
    assert_eq!(still(&folders, "name=ldap cold=true").as_deref(), Some("yes"));
}

#[test]
fn a_template_is_packed_where_the_guest_was_received() {
    let site = site();
    let plan = plan_on(&site, "template-create", "name=lamp from=ldap");
    let place = site.generations.folder.join("ldap").display().to_string();
    assert!(given_as(&plan, "place").iter().all(|at| *at == place));
    assert!(!given_as(&plan, "place").is_empty());
}

#[test]
fn a_batch_is_about_the_guests_of_its_host_and_begins_only_if_it_can_be_done_for_each() {
    let mut site = site_of("vsh-01\nvsh-02\n");
    let at = |guest: &str, host: &str| (guest.parse().unwrap(), host.parse().unwrap());
    site.placement.extend([at("mail", "vsh-02"), at("web", "vsh-01")]);
    let guests = |name: &str, given: &str| {
        let mut guests = given_as(&plan_on(&site, name, given), "guest");
        guests.dedup();
        guests.sort();
        guests.dedup();
        guests.join(" ")
    };
    assert_eq!(guests("guest-stop", "all=true"), "ldap mail web");
    assert_eq!(guests("guest-stop", "all=true host=vsh-01"), "ldap web");
    // Who is there already need not move.
    assert_eq!(guests("move", "all=true dst=vsh-02"), "ldap web");
    assert_eq!(guests("move", "all=true src=vsh-01 dst=vsh-02"), "ldap web");
    assert_eq!(
        refused(&site, "move", "all=true src=vsh-02 dst=vsh-02"),
        "VSJ0416"
    );
    assert_eq!(refused(&site, "move", "all=true name=ldap dst=vsh-02"), "VSJ0404");
    assert_eq!(
        refused(&site, "move", "all=true src=vsh-09 dst=vsh-02"),
        "VSJ0406"
    );
    site.hosts.remove(&"vsh-02".parse().unwrap());
    assert_eq!(
        refused(&site, "guest-stop", "all=true"),
        "VSJ0406",
        "mail cannot be reached"
    );
}

#[test]
fn what_a_batch_is_asked_for_each_guest_is_asked_without_what_only_a_batch_takes() {
    let parts = |name: &str, given: &str| {
        let plan = plan(name, given);
        plan.steps[0]
            .args
            .iter()
            .map(|arg| format!("{:?}", arg.value))
            .collect::<String>()
    };
    let stop = parts("guest-stop", "all=true host=vsh-01 ");
    assert!(
        stop.contains("ldap") && !stop.contains("vsh-01") && !stop.contains("all"),
        "{stop}"
    );
    let moves = parts("move", "all=true src=vsh-01 dst=vsh-02");
    assert!(
        moves.contains("vsh-01") && moves.contains("vsh-02") && !moves.contains("all"),
        "{moves}"
    );
}

#[test]
fn a_guest_for_which_there_is_no_room_stays_and_the_others_leave() {
    let mut site = site();
    site.placement
        .insert("web".parse().unwrap(), "vsh-01".parse().unwrap());
    let why = "nobody knows what it takes".to_owned();
    site.survey.takes.insert("web".parse().unwrap(), Err(why));
    let plan = outline(&plan_on(&site, "evacuate", "host=vsh-01"));
    assert!(
        plan.contains("leave web where it is") && plan.contains("move ldap to vsh-02"),
        "{plan}"
    );
    site.survey.takes.remove(&"ldap".parse().unwrap());
    assert_eq!(refused(&site, "evacuate", "host=vsh-01"), "VSJ0429");
}

#[test]
fn the_guests_of_a_dead_host_are_what_their_generations_tell() {
    let known = crate::recoverable(&site(), &"vsh-01".parse().unwrap());
    let guests: Vec<&str> = known.keys().map(crate::GuestName::as_str).collect();
    assert_eq!(guests, ["ldap"]);
    assert!(crate::recoverable(&site(), &"vsh-02".parse().unwrap()).is_empty());
}

#[test]
fn an_address_is_one_of_a_guest() {
    for special in [
        "127.0.0.1/8",
        "224.0.0.1/24",
        "0.0.0.0/8",
        "10.0.1.0/30",
        "10.0.1.3/30",
        "10.0.1.0",
        "10.0.1.1",
    ] {
        let given = format!("name=web interface={special} template=debian");
        assert_eq!(refused(&site(), "create", &given), "VSJ0412", "{special}");
    }
    // Between two ends of a line there is no network but them.
    for end in ["10.9.1.2/31", "10.9.1.3/31", "10.9.1.3/32", "10.9.1.1/30"] {
        let given = format!("name=web interface={end} template=debian");
        assert_eq!(given_as(&plan("create", &given), "address").first().unwrap(), end);
    }
}

#[test]
fn a_limit_that_a_host_cannot_keep_is_refused_if_it_was_asked_for_and_left_out_otherwise() {
    let mut site = site_of("vsh-01\nvsh-02:storage=dir\n");
    site.defaults.disk_limit = 500;
    let limits = |host: &str, given: &str| {
        let given = format!("name=web interface=10.0.1.5 template=debian host={host} {given}");
        let planned = operation("create").unwrap().plan(&parameters(&given), &site);
        planned.map(|planned| BTreeSet::from_iter(given_as(&planned.plan, "megabytes")))
    };
    let only = |limit: &str| BTreeSet::from([limit.to_owned()]);
    assert_eq!(limits("vsh-01", "").unwrap(), only("500"));
    assert_eq!(limits("vsh-02", "").unwrap(), only("0"));
    assert_eq!(limits("vsh-02", "disk=0").unwrap(), only("0"));
    assert_eq!(limits("vsh-02", "disk=300").unwrap_err().code(), "VSJ0415");
}

#[test]
fn what_a_guest_is_made_from_is_what_create_conf_says_if_nobody_does() {
    let mut site = site_of("vsh-01\n");
    site.defaults.distro = Some("trixie".to_owned());
    let made_of = |site: &Site, given: &str| {
        let given = format!("name=web interface=10.0.1.5 {given}");
        let planned = operation("create").unwrap().plan(&parameters(&given), site);
        planned.map(|planned| given_as(&planned.plan, "suite"))
    };
    assert_eq!(made_of(&site, "").unwrap_err().code(), "VSJ0403");
    site.defaults.method = CreateMethod::Debootstrap;
    assert_eq!(made_of(&site, "").unwrap(), ["trixie"]);
    assert_eq!(made_of(&site, "debootstrap=bookworm").unwrap(), ["bookworm"]);
    assert_eq!(made_of(&site, "template=debian").unwrap(), Vec::<String>::new());
    site.defaults.distro = None;
    assert_eq!(made_of(&site, "").unwrap_err().code(), "VSJ0403");
    site.defaults.method = CreateMethod::Template;
    site.defaults.template = Some("debian".to_owned());
    assert_eq!(made_of(&site, "").unwrap(), Vec::<String>::new());
}

#[test]
fn a_guest_is_on_the_bridge_of_its_vlan_unless_somebody_names_another() {
    let mut site = site();
    site.networks = vsjob_workers::Networks::parse(
        "networks.conf",
        "1,10.0.1.0/24,10.0.1.1\n12,10.0.2.0/24,10.0.2.1\n",
    )
    .unwrap();
    let device = |operation: &str, given: &str| {
        let plan = plan_on(&site, operation, given);
        given_as(&plan, "device").first().cloned().unwrap_or_default()
    };
    let create = |given: &str| device("create", &format!("name=web template=debian {given}"));
    assert_eq!(create("interface=10.0.1.5"), "br0");
    assert_eq!(create("interface=10.0.2.5"), "br0.12");
    assert_eq!(create("interface=10.0.2.5 device=br7"), "br7");
    let restore = |given: &str| device("restore", &format!("name=ldap as=web {given}"));
    assert_eq!(restore("interface=10.0.2.5"), "br0.12");
    assert_eq!(device("restore", "name=ldap"), restore("interface=10.0.1.5"));
}

#[test]
fn a_guest_asks_the_nameservers_of_its_network_or_else_those_of_all() {
    let mut site = site();
    site.defaults.nameservers = vec!["10.0.0.53".parse().unwrap()];
    let servers = |site: &Site, given: &str| {
        let given = format!("name=web interface=10.0.1.5 template=debian{given}");
        let plan = plan_on(site, "create", &given);
        [given_as(&plan, "nameservers"), given_as(&plan, "domain")]
            .concat()
            .join(" ")
    };
    assert_eq!(servers(&site, ""), "10.0.3.6 foo.bar");
    assert_eq!(
        servers(&site, " nameserver=10.0.1.9 domain=here"),
        "10.0.1.9 here"
    );
    site.networks =
        vsjob_workers::Networks::parse("networks.conf", "1,10.0.1.0/24,10.0.1.1,foo.bar,\n").unwrap();
    assert_eq!(servers(&site, ""), "10.0.0.53 foo.bar");
}

#[test]
fn the_masters_rsync_reaches_a_host_as_slaves_conf_says() {
    let reach = |slaves: &str| {
        let plan = plan_on(&site_of(slaves), "backup", "name=ldap");
        ["source", "shell", "remote"].map(|name| given_as(&plan, name).pop().unwrap())
    };
    let shell = "ssh -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=5";
    assert_eq!(reach("vsh-01\n"), ["vsh-01:", shell, "rsync"]);
    assert_eq!(
        reach("vsh-01:address=10.0.0.7,port=2222,user=ops\n"),
        ["ops@10.0.0.7:", &format!("{shell} -p 2222"), "sudo -n rsync"]
    );
    assert_eq!(
        reach("vsh-01:address=fd00::7,user=root\n"),
        ["root@[fd00::7]:", shell, "rsync"]
    );
}

/// Generations like those of the site, with `etc` in the manifest of the only one.
fn with_a_file(site: &Site, folder: &std::path::Path) -> std::path::PathBuf {
    let inner = "ldap/20261128T023000000Z-1f2e3d4c";
    let (from, to) = (
        site.generations.folder.join(inner),
        folder.join("generations").join(inner),
    );
    std::fs::create_dir_all(&to).unwrap();
    let manifest = "d 755 0 0 0 1.000000000 2 -+- etc\0";
    std::fs::write(to.join("manifest"), manifest).unwrap();
    let text = std::fs::read(from.join("generation.json")).unwrap();
    let mut generation: serde_json::Value = serde_json::from_slice(&text).unwrap();
    generation["manifest"] = blake3::hash(manifest.as_bytes()).to_hex().as_str().into();
    std::fs::write(to.join("generation.json"), generation.to_string()).unwrap();
    folder.join("generations")
}

#[test]
fn files_come_into_a_new_folder_of_the_master_and_nowhere_else() {
    let mut site = site();
    let there = tempfile::tempdir().unwrap();
    site.generations.folder = with_a_file(&site, there.path());
    let new = there.path().join("new").display().to_string();
    let given = |to: &str| format!("name=ldap path=etc to={to}");
    assert_eq!(
        given_as(&plan_on(&site, "restore", &given(&new)), "to").first(),
        Some(&new)
    );
    let generations = site.generations.folder.join("new").display().to_string();
    let above = format!("{}/..", there.path().display());
    let nowhere = format!("{new}/in/it");
    for (to, why) in [
        ("new", "no absolute path"),
        ("/", "no absolute path"),
        (above.as_str(), "no absolute path"),
        (there.path().to_str().unwrap(), "is there already"),
        (generations.as_str(), "generations are there"),
        (nowhere.as_str(), "is not there"),
    ] {
        let refused = operation("restore").unwrap().plan(&parameters(&given(to)), &site);
        let said = refused.unwrap_err().to_string();
        assert!(said.contains(why), "{to}: {said}");
    }
}
