//! The crash matrices of what people do to a guest where it is, start, stop, enable, disable, and of the deletion of what
//! was removed: whatever the moment of the SIGKILL, it is done, or all is as before. And every operation has a matrix; and a
//! guest on a logical volume is enabled also where nobody has mounted it.

use std::path::Path;

use anyhow::{Context, ensure};
use tempfile::TempDir;
use vsjob_tests::guests;
use vsjob_tests::hosts::{World, Worlds};
use vsjob_tests::kept::Kept;
use vsjob_tests::master::{self, Life, Report};
use vsjob_tests::matrix::{self, Share, Subject};
use vsjob_workflows::operations;

/// How a guest is: whether it starts with its host, and whether it runs.
type State = (bool, bool);

/// An order for a guest that is in one state and is to come into another.
struct Order {
    operation: &'static str,
    before: State,
    after: State,
    reference: TempDir,
}

const STATE: &str = r#"
    says() { if "$@"; then echo yes; else echo no; fi; }
    runs() { [ "$(systemctl show -p ActiveState --value systemd-nspawn@ldap.service)" = active ]; }
    says test -L "$R/etc/systemd/system/machines.target.wants/systemd-nspawn@ldap.service"
    says runs
"#;

impl Order {
    fn is(&self, world: &dyn World, report: &Report, (enabled, running): State) -> anyhow::Result<()> {
        let host = world.host(1);
        ensure!(report.placement == [("ldap".to_owned(), host.name().to_string())]);
        guests::nothing_left(host, &["ldap"])?;
        guests::same(self.reference.path(), host, "var/lib/machines/ldap")?;
        let word = |so| if so { "yes" } else { "no" };
        let state = host.run(STATE, &[])?;
        ensure!(
            state == format!("{}\n{}\n", word(enabled), word(running)),
            "{state}"
        );
        Ok(())
    }
}

impl Subject for Order {
    fn begin(&self, world: &dyn World) -> anyhow::Result<Life> {
        let host = world.host(1);
        guests::settle(host, self.reference.path())?;
        if !self.before.0 {
            host.run("machinectl disable ldap 2>/dev/null", &[])?;
        }
        if !self.before.1 {
            host.run("machinectl terminate ldap", &[])?;
        }
        Ok(Life {
            placed: vec![("ldap".to_owned(), host.name().clone())],
            ..world.life(self.operation, &[("name", "ldap")])
        })
    }

    fn is_done(&self, world: &dyn World, report: &Report) -> anyhow::Result<()> {
        self.is(world, report, self.after)
    }

    fn is_as_before(&self, world: &dyn World, report: &Report) -> anyhow::Result<()> {
        self.is(world, report, self.before)
    }
}

/// The deletion of a guest that was removed.
struct Purge {
    reference: TempDir,
}

impl Subject for Purge {
    fn begin(&self, world: &dyn World) -> anyhow::Result<Life> {
        let host = world.host(1);
        guests::settle(host, self.reference.path())?;
        let args = [
            ("name", "ldap"),
            ("stop", "true"),
            ("no-keep", "true"),
            ("grace", "365d"),
        ];
        let remove = Life {
            placed: vec![("ldap".to_owned(), host.name().clone())],
            ..world.life("remove", &args)
        };
        remove.run()?.context("a life without a crash died")?;
        let tree = guests::removed(host)?.context("it is not there any more")?;
        let name = Path::new(&tree).file_name().and_then(|name| name.to_str());
        let name = name.context("it has no name")?;
        Ok(world.life(
            "purge",
            &[("name", "ldap"), ("host", host.name().as_str()), ("moved", name)],
        ))
    }

    fn is_done(&self, world: &dyn World, report: &Report) -> anyhow::Result<()> {
        ensure!(report.placement.is_empty(), "{:?}", report.placement);
        ensure!(guests::removed(world.host(1))?.is_none(), "it is there still");
        guests::nothing_left(world.host(1), &[])
    }

    fn is_as_before(&self, world: &dyn World, report: &Report) -> anyhow::Result<()> {
        ensure!(report.placement.is_empty(), "{:?}", report.placement);
        let host = world.host(1);
        let tree = guests::removed(host)?.context("it is not there any more")?;
        guests::same(self.reference.path(), host, &tree)
    }
}

/// What a host has of a guest that lives elsewhere by now, and that runs there all the same.
struct Fence {
    reference: TempDir,
}

impl Fence {
    fn lives_elsewhere(world: &dyn World, report: &Report) -> anyhow::Result<()> {
        let place = world.host(2).name().to_string();
        ensure!(
            report.placement == [("ldap".to_owned(), place)],
            "{:?}",
            report.placement
        );
        Ok(())
    }
}

impl Subject for Fence {
    fn begin(&self, world: &dyn World) -> anyhow::Result<Life> {
        let host = world.host(1);
        guests::settle(host, self.reference.path())?;
        Ok(Life {
            placed: vec![("ldap".to_owned(), world.host(2).name().clone())],
            ..world.life(
                "fence",
                &[
                    ("name", "ldap"),
                    ("host", host.name().as_str()),
                    ("grace", "365d"),
                ],
            )
        })
    }

    fn is_done(&self, world: &dyn World, report: &Report) -> anyhow::Result<()> {
        Self::lives_elsewhere(world, report)?;
        let host = world.host(1);
        guests::nothing_left(host, &["ldap.replaced-"])?;
        let tree = host.run("cd \"$R\"; ls -d var/lib/machines/ldap.replaced-*", &[])?;
        guests::same(self.reference.path(), host, tree.trim())?;
        guests::comes_up_nowhere(world)
    }

    fn is_as_before(&self, world: &dyn World, report: &Report) -> anyhow::Result<()> {
        Self::lives_elsewhere(world, report)?;
        guests::lives_only_on(world, 1, self.reference.path())
    }
}

#[test]
fn a_master() -> anyhow::Result<()> {
    master::serve_if_asked()
}

fn reference(worlds: &Worlds) -> anyhow::Result<TempDir> {
    let reference = tempfile::tempdir()?;
    guests::tree(worlds, reference.path())?;
    Ok(reference)
}

#[test]
fn what_is_done_to_a_guest_is_done_or_as_before_whenever_the_master_is_killed() -> anyhow::Result<()> {
    let worlds = Worlds::Paper(1);
    for (operation, before, after) in [
        ("guest-start", (true, false), (true, true)),
        ("guest-stop", (true, true), (true, false)),
        ("guest-enable", (false, true), (true, true)),
        ("guest-disable", (true, true), (false, true)),
    ] {
        let order = Order {
            operation,
            before,
            after,
            reference: reference(&worlds)?,
        };
        matrix::crash_matrix(&order, &worlds, Share::ALL)
            .context(operation)?
            .tell(format_args!("{operation} on paper hosts"), (10, 4))?;
    }
    Ok(())
}

#[test]
fn a_purge_killed_at_every_durable_write_deletes_what_was_removed_and_nothing_else() -> anyhow::Result<()> {
    let worlds = Worlds::Paper(1);
    let purge = Purge {
        reference: reference(&worlds)?,
    };
    matrix::crash_matrix(&purge, &worlds, Share::ALL)?.tell("purge on paper hosts", (8, 0))
}

#[test]
fn a_copy_that_is_fenced_never_starts_again_whenever_the_master_is_killed() -> anyhow::Result<()> {
    let worlds = Worlds::Paper(2);
    let fence = Fence {
        reference: reference(&worlds)?,
    };
    matrix::crash_matrix(&fence, &worlds, Share::ALL)?.tell("fence on paper hosts", (12, 0))
}

/// What has no matrix of its own, and why.
const WITHOUT: [(&str, &str); 9] = [
    ("get", "made of the steps of a backup"),
    ("put", "made of the steps of a restore"),
    ("recover", "a batch of restores, killed in a test of its own"),
    ("evacuate", "a batch of moves, killed in a test of its own"),
    ("adopt", "changes nothing on a host, and one record of the master"),
    ("purge-later", "submits a purge, and changes nothing else"),
    (
        "generation-pin",
        "one rename on the master, tried by its own test",
    ),
    ("generation-unpin", "the same"),
    ("generation-prune", "the last step of a backup"),
];

#[test]
fn every_operation_has_a_matrix_or_a_reason() -> anyhow::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut texts = String::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if name.starts_with("crash_") && name.ends_with(".rs") && name != "crash_guest.rs" {
            texts += &std::fs::read_to_string(path)?;
        }
    }
    texts += include_str!("crash_guest.rs")
        .split("const WITHOUT")
        .next()
        .unwrap_or_default();
    for operation in operations() {
        let has = texts.contains(&format!("\"{}\"", operation.name));
        let is_excused = WITHOUT.iter().any(|(name, _)| *name == operation.name);
        ensure!(
            has != is_excused,
            "{}: a matrix {has}, and a reason {is_excused}",
            operation.name
        );
    }
    Ok(())
}

#[test]
fn a_guest_on_a_logical_volume_is_enabled_where_nobody_has_mounted_it() -> anyhow::Result<()> {
    let kept = Kept::on(":storage=lvm")?;
    let host = kept.house.paper.host(1);
    kept.vsjob(&["guest", "stop", "ldap"])?.ok()?;
    kept.vsjob(&["guest", "disable", "ldap"])?.ok()?;
    host.reboot()?;
    ensure!(host.run("ls \"$R/var/lib/machines\"", &[])?.is_empty());
    kept.vsjob(&["guest", "enable", "ldap"])?.ok()?;
    ensure!(host.run(STATE, &[])?.starts_with("yes\n"));
    Ok(())
}
