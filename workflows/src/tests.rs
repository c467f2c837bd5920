//! What holds for every operation and every action, and the plans as they stand.

mod refusals;
mod requests;
mod restores;
mod scripts;

use std::collections::BTreeSet;
use std::process::Command;

use vsjob_engine::{Plan, UndoKind, Value};
use vsjob_workers::{Action, Driver, Drivers, Settings, Side, Slaves, network, runtime, storage};

use crate::{
    Generation, Generations, Parameters, Planned, Refusal, Removed, Room, Site, Survey, Takes, Template,
    TreeKind, operation, operations, registry, site_hosts,
};

fn site() -> Site {
    site_of("vsh-01\nvsh-02\nvsh-03:noselect\n")
}

fn site_of(slaves: &str) -> Site {
    let slaves = Slaves::parse("slaves.conf", slaves).unwrap();
    let settings = Settings::parse("vsjob.toml", "").unwrap();
    let networks = "1,10.0.1.0/24,10.0.1.1,foo.bar,10.0.3.6\n";
    Site {
        state: "/state".into(),
        placement: [("ldap".parse().unwrap(), "vsh-01".parse().unwrap())].into(),
        hosts: site_hosts(&slaves, &settings),
        networks: vsjob_workers::Networks::parse("networks.conf", networks).unwrap(),
        generations: Generations {
            folder: concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/generations").into(),
            ..Generations::default()
        },
        sealed: [
            ("ldap", "20261128T023000000Z-1f2e3d4c"),
            ("mail", "20261127T023000000Z-1f2e3d4c"),
        ]
        .map(|(guest, name)| (guest.parse().unwrap(), [name.parse().unwrap()].into()))
        .into(),
        removed: vec![removed("web", "00000000-0000-7000-8000-00001f2e3d4c")],
        templates: [(
            "debian".parse().unwrap(),
            Template {
                archive: "/templates/debian.tar.zst".into(),
                bytes: 1000,
            },
        )]
        .into(),
        survey: survey(),
        ..Site::default()
    }
}

/// Each host has room for ldap, were it not for their architectures and bridges.
fn survey() -> Survey {
    let room = |arch: &str| Room {
        arch: arch.to_owned(),
        memory: 1 << 30,
        disk: 1 << 40,
        lacks: BTreeSet::new(),
    };
    let takes = Takes {
        memory: 1 << 29,
        disk: 1 << 31,
        device: "br0".parse().ok(),
    };
    let hosts = [("vsh-01", "x86_64"), ("vsh-02", "x86_64"), ("vsh-03", "aarch64")];
    Survey {
        rooms: hosts
            .map(|(host, arch)| (host.parse().unwrap(), Ok(room(arch))))
            .into(),
        takes: [("ldap".parse().unwrap(), Ok(takes))].into(),
        now: None,
    }
}

/// A guest that ran and was enabled when that job removed it.
fn removed(guest: &str, job: &str) -> Removed {
    let facts = ["running=yes", "enabled=yes", "address=10.0.1.5/24", "device=br0"];
    let facts = facts.iter().filter_map(|fact| fact.split_once('='));
    let job: vsjob_engine::JobId = job.parse().unwrap();
    Removed {
        name: format!("{guest}.removed-{}", job.short()).parse().unwrap(),
        host: "vsh-01".parse().unwrap(),
        job,
        purge: format!("purge-later-of-{job}"),
        facts: facts
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
    }
}

/// Every driver there is.
fn drivers() -> impl Iterator<Item = &'static Driver> {
    let all = [runtime::RUNTIMES, storage::STORAGES, network::NETWORKS];
    all.into_iter().flatten().copied()
}

fn parameters(given: &str) -> Parameters {
    given
        .split_whitespace()
        .map(|word| word.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn plan(name: &str, given: &str) -> Plan {
    plan_on(&site(), name, given)
}

fn planned(name: &str, given: &str) -> Planned {
    operation(name)
        .unwrap()
        .plan(&parameters(given), &site())
        .unwrap()
}

fn plan_on(site: &Site, name: &str, given: &str) -> Plan {
    operation(name)
        .unwrap()
        .plan(&parameters(given), site)
        .unwrap()
        .plan
}

/// What the steps of a plan that take an argument of that name are given.
fn given_as(plan: &Plan, name: &str) -> Vec<String> {
    let args = plan.steps.iter().flat_map(|step| &step.args);
    args.filter(|arg| arg.name == name)
        .map(|arg| match &arg.value {
            Value::Text(text) => text.clone(),
            Value::Output { step, key } => format!("{step}: {key}"),
        })
        .collect()
}

fn refusal(name: &str, given: &str) -> Refusal {
    operation(name)
        .unwrap()
        .plan(&parameters(given), &site())
        .unwrap_err()
}

/// A request that each operation accepts.
fn example(name: &str) -> &'static str {
    match name {
        "demo" => "fail-at=3",
        "create" => "name=web interface=10.0.1.5 template=debian disk=500 start=true enable=true",
        "move" => "name=ldap dst=vsh-02",
        "evacuate" => "host=vsh-01",
        "recover" => "host=vsh-01 host-is-off=true dst=vsh-02",
        "fence" => "name=ldap host=vsh-02",
        "generation-pin" | "generation-unpin" => "name=ldap generation=20261128T023000000Z-1f2e3d4c",
        "generation-prune" => "name=ldap keep=7d4w6m",
        "backup" => "name=ldap cold=true",
        "get" => "name=ldap",
        "put" => "name=ldap host=vsh-02",
        "restore" => "name=ldap as=web interface=10.0.1.5 start=true",
        "remove" => "name=ldap stop=true",
        "undelete" => "name=web",
        "rename" => "name=ldap to=directory stop=true",
        "purge" | "purge-later" => "name=ldap host=vsh-02 moved=ldap.moved-1f2e3d4c",
        "guest-start" | "guest-stop" | "guest-enable" | "guest-disable" => "name=ldap",
        "template-create" => "name=lamp from=ldap",
        "template-remove" => "name=debian",
        "adopt" => "name=mail host=vsh-02",
        other => panic!("the operation {other} has no example here"),
    }
}

fn outline(plan: &Plan) -> String {
    let line = |step: &vsjob_engine::Step| {
        let place = step.hosts.first().map_or("master", |host| host.as_str());
        let undo = match step.undo {
            Some(UndoKind::Gating) => " (g)",
            Some(UndoKind::Cleaning) => " (c)",
            None => "",
        };
        let pivot = if step.pivot { "P " } else { "" };
        format!("{place}: {pivot}{}{undo}", step.title)
    };
    plan.steps.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// It is handed to a purge.
fn is_kept(name: &str) -> bool {
    [".moved-", ".removed-", ".replaced-"]
        .iter()
        .any(|ending| name.contains(ending))
}

#[test]
fn every_operation_makes_a_plan_that_keeps_the_rules() {
    for operation in operations() {
        let plan = plan(operation.name, example(operation.name));
        plan.check()
            .unwrap_or_else(|why| panic!("{}: {why}", operation.name));
        let mut created = 0;
        for step in &plan.steps {
            let action = registry().find(&step.action);
            let action = action.unwrap_or_else(|| panic!("{} is in no registry", step.action.name));
            assert_eq!(step.args.len(), action.args().len(), "{}", step.title);
            assert!(
                !step.title.contains('{'),
                "a title shows an argument that is not known: {}",
                step.title
            );
            if let Action::Host(action) = action {
                assert_eq!(
                    step.undo.is_some(),
                    step.undo.is_some() && !action.undo.is_empty(),
                    "{}",
                    step.title
                );
            }
            for arg in &step.args {
                if let Value::Output { step: from, key } = &arg.value {
                    let source = &plan.steps[from.index()];
                    let source = registry().find(&source.action).unwrap();
                    assert!(
                        source.outputs().contains(&key.as_str()),
                        "{} does not answer {key}",
                        step.title
                    );
                }
            }
            created += step.creates.len();
        }
        let struck: BTreeSet<_> = plan.steps.iter().flat_map(|step| &step.strikes).collect();
        for (no, step) in plan.numbered() {
            // What waits for its purge has that job as its owner.
            if step.creates.iter().any(|object| !is_kept(&object.name)) {
                assert!(
                    struck.contains(&no),
                    "{}: what step {no} creates is never struck",
                    operation.name
                );
            }
        }
        assert!(
            created > 0 || plan.steps.len() < 6,
            "{} leaves nothing behind?",
            operation.name
        );
    }
}

#[test]
fn a_move_is_its_line_in_the_specification() {
    insta::assert_snapshot!(outline(&plan("move", "name=ldap dst=vsh-02")));
}

#[test]
fn a_move_that_asks_copies_once_more_after_the_answer() {
    let asks = outline(&plan("move", "name=ldap dst=vsh-02 on-budget=ask"));
    let usual = outline(&plan("move", "name=ldap dst=vsh-02"));
    let more = "master: ask whether ldap may stand still for longer, if it would\n\
                vsh-01: copy ldap while it runs (c)\n";
    assert!(asks.contains(more), "{asks}");
    assert_eq!(asks.replacen(more, "", 1), usual);
}

#[test]
fn what_is_copied_is_compressed_when_either_host_says_so() {
    for (slaves, compressed) in [
        ("vsh-01\nvsh-02\n", "no"),
        ("vsh-01:compress\nvsh-02\n", "yes"),
        ("vsh-01\nvsh-02:compress\n", "yes"),
        ("vsh-01:compress\nvsh-02:compress\n", "yes"),
    ] {
        let plan = plan_on(&site_of(slaves), "move", "name=ldap dst=vsh-02");
        assert_eq!(given_as(&plan, "compress"), [compressed; 2], "{slaves}");
    }
    let create = format!("{} host=vsh-01", example("create"));
    let of = |slaves: &str| given_as(&plan_on(&site_of(slaves), "create", &create), "compress");
    assert_eq!(of("vsh-01:compress\n"), ["yes"]);
    assert_eq!(of("vsh-01\nvsh-02:compress\n"), ["no"]);
}

#[test]
fn a_move_goes_through_the_master_when_either_host_says_so() {
    for (slaves, relayed) in [
        ("vsh-01\nvsh-02\n", "no"),
        ("vsh-01:relay\nvsh-02\n", "yes"),
        ("vsh-01\nvsh-02:relay\n", "yes"),
    ] {
        let plan = plan_on(&site_of(slaves), "move", "name=ldap dst=vsh-02");
        assert_eq!(given_as(&plan, "relay"), [relayed; 2], "{slaves}");
    }
}

#[test]
fn a_guest_moves_between_any_two_storages_and_a_snapshot_is_owed_only_where_one_can_be() {
    for (slaves, still, snapshots) in [
        ("vsh-01\nvsh-02:storage=dir\n", "yes", 1),
        ("vsh-01:storage=dir\nvsh-02\n", "no", 0),
        ("vsh-01:storage=dir\nvsh-02:storage=dir\n", "no", 0),
    ] {
        let plan = plan_on(&site_of(slaves), "move", "name=ldap dst=vsh-02");
        plan.check().unwrap();
        assert_eq!(given_as(&plan, "still"), [still; 2], "{slaves}");
        let created = plan.steps.iter().flat_map(|step| &step.creates);
        let found = created.filter(|object| object.kind == "snapshot").count();
        assert_eq!(found, snapshots, "{slaves}");
    }
}

#[test]
fn a_guest_is_created_under_another_name_and_admitted_last() {
    insta::assert_snapshot!(outline(&plan("create", example("create"))));
}

#[test]
fn a_purge_sees_the_copy_first() {
    insta::assert_snapshot!(outline(&plan("purge", example("purge"))));
}

#[test]
fn a_removed_guest_is_stopped_kept_fenced_and_only_then_taken_out_of_placement() {
    insta::assert_snapshot!(outline(&plan("remove", example("remove"))));
}

#[test]
fn what_a_remove_keeps_is_made_by_the_steps_of_a_backup() {
    let actions = |plan: &Plan| {
        let names = plan.steps.iter().map(|step| step.action.name.clone());
        names
            .skip_while(|name| name != "begin-generation")
            .filter(|name| !matches!(name.as_str(), "disable-guest" | "stop-guest" | "fence-guest"))
            .take_while(|name| name != "unplace-guest")
            .take(6)
            .collect::<Vec<_>>()
    };
    let (backup, remove) = (plan("backup", "name=ldap"), plan("remove", "name=ldap"));
    assert_eq!(actions(&backup), actions(&remove));
    let without = outline(&plan("remove", "name=ldap no-keep=true"));
    assert!(
        !without.contains("generation") && !without.contains("snapshot"),
        "{without}"
    );
}

#[test]
fn the_files_of_a_guest_are_counted_unless_its_last_generation_tells_well_enough() {
    let expected = |site: &Site, name: &str, given: &str| given_as(&plan_on(site, name, given), "expected");
    let mut site = site();
    assert_eq!(expected(&site, "backup", "name=ldap"), ["4096000"]);
    assert_eq!(expected(&site, "remove", "name=ldap stop=true"), ["4096000"]);
    assert_eq!(expected(&site, "move", "name=ldap dst=vsh-02"), ["0"]);
    // A volume is made for what it is to hold.
    let volumes = tempfile::tempdir().unwrap();
    let (name, last) = site.generations.newest(&"ldap".parse().unwrap()).unwrap();
    let folder = volumes.path().join("ldap").join(name.as_str());
    std::fs::create_dir_all(&folder).unwrap();
    let last = Generation {
        tree: "lvm-thin".to_owned(),
        ..last
    };
    std::fs::write(folder.join("generation.json"), serde_json::to_vec(&last).unwrap()).unwrap();
    site.generations = Generations {
        folder: volumes.path().into(),
        kind: TreeKind::ThinVolume,
    };
    assert!(site.generations.newest(&"ldap".parse().unwrap()).is_some());
    assert_eq!(expected(&site, "backup", "name=ldap"), ["0"]);
    site.generations = Generations::default();
    assert_eq!(expected(&site, "backup", "name=ldap"), ["0"]);
}

#[test]
fn a_template_of_a_guest_is_received_as_a_backup_is_and_packed_in_its_place() {
    let actions =
        |plan: &Plan| -> Vec<String> { plan.steps.iter().map(|step| step.action.name.clone()).collect() };
    let (backup, template) = (
        actions(&plan("backup", "name=ldap")),
        plan("template-create", "name=lamp from=ldap"),
    );
    let seal = backup.iter().position(|name| name == "seal-generation").unwrap();
    let packed = ["pack-template", "name-files", "drop-tree"].map(str::to_owned);
    let wanted = [&backup[..seal], &packed[..], &backup[seal + 1..]].concat();
    assert_eq!(actions(&template), wanted);
    assert!(outline(&template).contains("master: P give the copy the name /state/templates/lamp.tar\n"));
    let excluded = given_as(&template, "excludes").concat();
    for own in [
        "/etc/machine-id",
        "/etc/hostname",
        "/etc/ssh/ssh_host_*",
        "/etc/systemd/network/*",
    ] {
        assert!(excluded.contains(&format!("\"{own}\"")), "{own}: {excluded}");
    }
}

#[test]
fn a_guest_by_debootstrap_is_one_from_a_template_that_is_built_first_and_goes_last() {
    let steps = |given: &str| {
        outline(&plan(
            "create",
            &format!("name=web interface=10.0.1.5 host=vsh-01 {given}"),
        ))
    };
    let (from, by) = (steps("template=debian"), steps("debootstrap=bookworm"));
    let built = "master: build bookworm (c)\nmaster: pack the template (c)\n";
    assert!(by.contains(built), "{by}");
    let rest = by.replacen(built, "", 1);
    assert_eq!(
        rest.strip_suffix("\nmaster: remove what was packed"),
        Some(from.as_str())
    );
}

#[test]
fn a_running_guest_is_looked_for_before_anything_is_changed_unless_it_may_be_stopped() {
    let steps = |given: &str| outline(&plan("remove", given));
    let (refuses, stops) = (steps("name=ldap"), steps("name=ldap stop=true"));
    let looks = "vsh-01: see that ldap is stopped\n";
    let before = refuses.split_once(looks).unwrap().0;
    assert!(!before.contains("(g)") && !before.contains("(c)"), "{refuses}");
    assert!(!refuses.contains(": stop ldap"), "{refuses}");
    assert!(
        stops.contains("vsh-01: stop ldap (g)") && !stops.contains(looks),
        "{stops}"
    );
}

#[test]
fn a_guest_in_a_plain_folder_is_read_twice_and_once_where_it_stands_still() {
    let site = site_of("vsh-01:storage=dir\n");
    let outline = |name: &str, given: &str| {
        let planned = operation(name).unwrap().plan(&parameters(given), &site).unwrap();
        format!("{name} {given}\n{}", outline(&planned.plan))
    };
    insta::assert_snapshot!(
        [
            outline("backup", "name=ldap"),
            outline("backup", "name=ldap cold=true"),
            outline("remove", "name=ldap"),
        ]
        .join("\n\n")
    );
}

#[test]
fn a_removed_guest_comes_back_in_quarantine_and_its_purge_is_taken_back_last() {
    insta::assert_snapshot!(outline(&plan("undelete", "name=web")));
}

#[test]
fn a_renamed_guest_is_stopped_and_has_both_places_changed_at_once() {
    let plan = plan("rename", example("rename"));
    insta::assert_snapshot!(outline(&plan));
    let places: Vec<_> = plan.steps.iter().filter(|step| !step.places.is_empty()).collect();
    assert!(places.len() == 1 && places[0].pivot && places[0].places.len() == 2);
}

#[test]
fn of_several_removed_guests_of_a_name_the_job_tells_which_comes_back() {
    let mut site = site();
    site.removed
        .push(removed("web", "00000000-0000-7000-8000-000011111111"));
    let undelete = |given: &str| operation("undelete").unwrap().plan(&parameters(given), &site);
    let refused = undelete("name=web").unwrap_err();
    assert_eq!(refused.code(), "VSJ0427");
    assert!(
        refused.hint().ends_with("1f2e3d4c, 11111111"),
        "{}",
        refused.hint()
    );
    for job in ["11111111", "00000000-0000-7000-8000-000011111111"] {
        let planned = undelete(&format!("name=web job={job}")).unwrap();
        assert!(outline(&planned.plan).contains("give web.removed-11111111 the name web"));
        assert!(
            planned
                .locks
                .iter()
                .any(|lock| lock.key == "address/10.0.1.5" && !lock.shared)
        );
    }
    assert_eq!(undelete("name=web job=1111").unwrap_err().code(), "VSJ0426");
}

#[test]
fn a_purge_of_a_removed_guest_looks_at_no_other_and_takes_what_is_not_its_own_from_nobody() {
    let mut site = site();
    let purge = |site: &Site| {
        let given = parameters("name=ldap host=vsh-02 moved=ldap.removed-1f2e3d4c");
        outline(&operation("purge").unwrap().plan(&given, site).unwrap().plan)
    };
    // There is one of that name again, or there is not.
    let again = purge(&site);
    site.placement.clear();
    assert_eq!(again, purge(&site));
    assert!(
        again.ends_with("vsh-02: P delete ldap.removed-1f2e3d4c"),
        "{again}"
    );
    let purge = |site: &Site, gone: &str| {
        let given = format!("name=ldap host=vsh-02 moved=ldap.moved-1f2e3d4c{gone}");
        operation("purge").unwrap().plan(&parameters(&given), site)
    };
    // Of a guest that lives nowhere it may be all that there is.
    assert_eq!(purge(&site, "").unwrap_err().code(), "VSJ0405");
    let alone = outline(&purge(&site, " gone=true").unwrap().plan);
    assert!(!alone.contains("see that"), "{alone}");
    let site = self::site();
    let lives = |gone| outline(&purge(&site, gone).unwrap().plan);
    assert_eq!(
        lives(" gone=true"),
        lives(""),
        "its copy is seen first all the same"
    );
}

#[test]
fn an_evacuation_keeps_new_guests_away_first_and_its_moves_have_their_places_in_its_plan() {
    let plan = plan("evacuate", "host=vsh-01 grace=3d");
    insta::assert_snapshot!(outline(&plan));
    let given = given_as(&plan, "parameters").join("\n");
    assert_eq!(
        given,
        r#"{"dst":"vsh-02","grace":"3d","name":"ldap","src":"vsh-01"}"#
    );
}

#[test]
fn nobody_is_sent_to_a_host_where_a_move_would_be_refused() {
    let mut site = site_of("vsh-01\nvsh-02\nvsh-03\n");
    site.maintenance = ["vsh-02".parse().unwrap()].into();
    let refused = operation("evacuate")
        .unwrap()
        .plan(&parameters("host=vsh-01"), &site);
    let why = refused.unwrap_err().to_string();
    assert!(
        why.contains("vsh-03: it is of aarch64") && !why.contains("vsh-02"),
        "{why}"
    );
}

#[test]
fn the_guests_of_a_dead_host_are_restored_while_it_is_silent_and_fenced_there_once_they_live_elsewhere() {
    let recover = plan("recover", example("recover"));
    let restore = "name=ldap host=vsh-02 host-is-off=true";
    let fence = plan("fence", example("fence"));
    insta::assert_snapshot!(
        [recover, plan("restore", restore), fence]
            .map(|plan| outline(&plan))
            .join("\n\n")
    );
}
