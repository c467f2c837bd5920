//! Every step of every operation on guests can be done twice and taken back twice, also when it was never done: what is
//! repeated after a crash is right from any half-way point.

use anyhow::{Context, ensure};
use tempfile::TempDir;
use vsjob_engine::StepNo;
use vsjob_tests::by_steps::BySteps;
use vsjob_tests::guests;
use vsjob_tests::hosts::World as _;
use vsjob_tests::paper::PaperPool;
use vsjob_workers::storage::{BTRFS, DIR, LVM, LVM_THIN};
use vsjob_workers::{Capability, Driver};
use vsjob_workflows::Template;

/// A pool with what the operation needs, its steps, and what was there before.
struct World {
    pool: PaperPool,
    steps: BySteps,
    reference: TempDir,
}

fn a_move(from: &'static Driver, to: &'static Driver) -> anyhow::Result<World> {
    a_move_with(from, to, "")
}

/// The same, the target with more options in slaves.conf.
fn a_move_with(from: &'static Driver, to: &'static Driver, more: &str) -> anyhow::Result<World> {
    let options = [(from, ""), (to, more)].map(|(storage, more)| format!(":storage={}{more}", storage.name));
    let pool = PaperPool::with(&options.each_ref().map(String::as_str))?;
    let reference = tempfile::tempdir()?;
    guests::fill(reference.path())?;
    guests::settle_in(from, pool.host(1), reference.path())?;
    let given = [
        ("name", "ldap"),
        ("dst", "vsh-02"),
        ("health", "true"),
        ("max-downtime", "10m"),
    ];
    let host = pool.host(1).name().clone();
    let guest = "ldap".parse()?;
    let steps = BySteps::new(&pool, "move", &given, |site| {
        site.placement.insert(guest, host);
    })?;
    Ok(World {
        pool,
        steps,
        reference,
    })
}

fn a_create(storage: &Driver) -> anyhow::Result<World> {
    let (pool, reference) = (pool_on(storage)?, tempfile::tempdir()?);
    guests::fill(reference.path())?;
    let archive = pool.folder().join("template.tar");
    guests::pack(reference.path(), &archive)?;
    let template = Template {
        bytes: std::fs::metadata(&archive)?.len(),
        archive,
    };
    let address = format!("{}/16", guests::ADDRESS);
    let limit = match storage.can.contains(&Capability::DiskLimit) {
        true => "500",
        false => "0",
    };
    let given = [
        ("name", "ldap"),
        ("interface", address.as_str()),
        ("template", "filled"),
        ("disk", limit),
        ("start", "true"),
        ("enable", "true"),
    ];
    let name = "filled".parse()?;
    let steps = BySteps::new(&pool, "create", &given, |site| {
        site.templates.insert(name, template);
    })?;
    Ok(World {
        pool,
        steps,
        reference,
    })
}

/// Of a guest on a storage that takes snapshots, and of one in a plain folder.
fn a_backup(storage: &Driver) -> anyhow::Result<World> {
    settled_on(storage, "backup", &[("name", "ldap"), ("cold", "true")])
}

/// A host whose storage takes snapshots, one that takes none, and one whose volumes have to be mounted.
const HOSTS: [&Driver; 3] = [&BTRFS, &DIR, &LVM];

fn a_template() -> anyhow::Result<World> {
    settled("template-create", &[("name", "lamp"), ("from", "ldap")])
}

/// What is in the folder of templates.
fn templates(world: &World) -> Vec<String> {
    names(world, "templates")
}

fn a_remove(storage: &Driver) -> anyhow::Result<World> {
    settled_on(storage, "remove", &[("name", "ldap"), ("stop", "true")])
}

fn a_rename(storage: &Driver) -> anyhow::Result<World> {
    settled_on(
        storage,
        "rename",
        &[("name", "ldap"), ("to", "web"), ("stop", "true")],
    )
}

/// A guest on the only host, and an operation on it.
fn settled(operation: &str, given: &[(&str, &str)]) -> anyhow::Result<World> {
    settled_on(&BTRFS, operation, given)
}

/// One host.
fn pool_on(storage: &Driver) -> anyhow::Result<PaperPool> {
    PaperPool::with(&[&format!(":storage={}", storage.name)])
}

/// The same on a storage.
fn settled_on(storage: &Driver, operation: &str, given: &[(&str, &str)]) -> anyhow::Result<World> {
    let (pool, reference) = (pool_on(storage)?, tempfile::tempdir()?);
    guests::fill(reference.path())?;
    guests::settle_in(storage, pool.host(1), reference.path())?;
    let host = pool.host(1).name().clone();
    let guest = "ldap".parse()?;
    let steps = BySteps::new(&pool, operation, given, |site| {
        site.placement.insert(guest, host);
    })?;
    Ok(World {
        pool,
        steps,
        reference,
    })
}

/// A guest that was backed up, and is gone, or there to be put back.
async fn a_restore(replace: &str) -> anyhow::Result<World> {
    let mut world = a_backup(HOSTS[0])?;
    for no in numbers(world.steps.plan.steps.len()) {
        world.steps.perform(no).await?;
    }
    let host = world.pool.host(1);
    // For another master.
    host.run("rm \"$R/var/lib/vsjob/epoch\"", &[])?;
    if replace == "false" {
        host.run(
            "machinectl stop ldap; machinectl disable ldap
             rm -r \"$R/var/lib/machines/ldap\" \"$R/etc/systemd/nspawn/ldap.nspawn\"",
            &[],
        )?;
    }
    let given = [("name", "ldap"), ("host", "vsh-01"), ("replace", replace)];
    world.steps = BySteps::new(&world.pool, "restore", &given, |_| {})?;
    Ok(world)
}

/// What is in the folder of the guest's generations.
fn generations(world: &World) -> Vec<String> {
    names(world, "generations/ldap")
}

/// What is in a folder of the master's.
fn names(world: &World, folder: &str) -> Vec<String> {
    let folder = world.pool.folder().join("state").join(folder);
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

fn numbers(until: usize) -> impl DoubleEndedIterator<Item = StepNo> {
    (0..u16::try_from(until).unwrap_or(u16::MAX)).map(StepNo)
}

/// Steps whose probe cannot know, or whose effect a later look would not see as theirs.
fn probe_never_knows(title: &str) -> bool {
    ["copy", "unpack", "identity", "host name", "limit", "health"]
        .iter()
        .any(|word| title.contains(word))
}

async fn done_twice(world: &mut World) -> anyhow::Result<()> {
    for no in numbers(world.steps.plan.steps.len()) {
        let title = world.steps.plan.steps[no.index()].title.clone();
        for _ in 0..2 {
            world.steps.perform(no).await.context(title.clone())?;
            if let Some(done) = world.steps.probe(no).await.context(title.clone())? {
                ensure!(
                    done || probe_never_knows(&title),
                    "the probe of `{title}` does not see it done"
                );
            }
        }
    }
    Ok(())
}

/// Does the steps before `until`, then takes back `until`, which was never done, and all before it, each twice.
async fn taken_back_twice(world: &mut World, until: StepNo) -> anyhow::Result<()> {
    for no in numbers(until.index()) {
        world.steps.perform(no).await?;
    }
    for no in numbers(until.index() + 1).rev() {
        for _ in 0..2 {
            world.steps.take_back(no).await?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_whose_every_step_is_done_twice_is_a_move_between_storages_of_any_kind() -> anyhow::Result<()>
{
    // Each is left and come to once, and what is not a folder twice.
    for (from, to) in [
        (&BTRFS, &BTRFS),
        (&DIR, &DIR),
        (&BTRFS, &LVM),
        (&LVM, &LVM_THIN),
        (&LVM_THIN, &LVM),
        (&LVM, &DIR),
        (&DIR, &BTRFS),
    ] {
        let mut world = a_move(from, to)?;
        done_twice(&mut world).await?;
        guests::nothing_left(world.pool.host(1), &["ldap.moved-"])?;
        guests::nothing_left(world.pool.host(2), &["ldap"])?;
        guests::lives_only_on(&world.pool, 2, world.reference.path())
            .with_context(|| format!("from {} to {}", from.name, to.name))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_between_hosts_that_cannot_reach_each_other_is_a_move_through_the_master() -> anyhow::Result<()>
{
    let apart = |world: &World| world.pool.host(1).write("fault/apart", "");
    let mut world = a_move(&BTRFS, &BTRFS)?;
    apart(&world)?;
    let direct = done_twice(&mut world).await.unwrap_err();
    ensure!(
        format!("{direct:#}").contains("Connection timed out"),
        "{direct:#}"
    );

    let mut world = a_move_with(&BTRFS, &BTRFS, ",relay")?;
    apart(&world)?;
    done_twice(&mut world).await?;
    guests::nothing_left(world.pool.host(1), &["ldap.moved-"])?;
    let left = std::fs::read_dir(world.pool.host(1).path("run/paper/relay"))?.count();
    ensure!(left == 0, "{left} ways are left");
    guests::lives_only_on(&world.pool, 2, world.reference.path())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_taken_back_twice_from_any_step_before_its_pivot_leaves_all_as_before() -> anyhow::Result<()> {
    let pivot = a_move(&BTRFS, &BTRFS)?
        .steps
        .plan
        .pivot()
        .context("it has no pivot")?;
    for until in numbers(pivot.index()) {
        let mut world = a_move(&BTRFS, &BTRFS)?;
        let title = world.steps.plan.steps[until.index()].title.clone();
        taken_back_twice(&mut world, until).await.context(title.clone())?;
        guests::nothing_left(world.pool.host(1), &["ldap"]).context(title.clone())?;
        guests::nothing_left(world.pool.host(2), &[]).context(title.clone())?;
        guests::lives_only_on(&world.pool, 1, world.reference.path()).context(title)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_whose_every_step_is_done_twice_is_there_once() -> anyhow::Result<()> {
    for storage in HOSTS {
        let mut world = a_create(storage)?;
        done_twice(&mut world).await.context(storage.name)?;
        let host = world.pool.host(1);
        guests::nothing_left(host, &["ldap"])?;
        ensure!(host.read("var/lib/machines/ldap/etc/hostname")? == "ldap\n");
        ensure!(host.read("var/lib/machines/ldap/var/lib/data/7")? == "entry 7\n");
        guests::comes_up_only_on(&world.pool, 1)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_taken_back_twice_from_any_step_before_its_pivot_leaves_nothing() -> anyhow::Result<()> {
    let pivot = a_create(&BTRFS)?.steps.plan.pivot().context("it has no pivot")?;
    for until in numbers(pivot.index()) {
        let mut world = a_create(&BTRFS)?;
        let title = world.steps.plan.steps[until.index()].title.clone();
        taken_back_twice(&mut world, until).await.context(title.clone())?;
        guests::nothing_left(world.pool.host(1), &[]).context(title)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_whose_every_step_is_done_twice_is_one_generation() -> anyhow::Result<()> {
    for storage in HOSTS {
        let mut world = a_backup(storage)?;
        done_twice(&mut world).await?;
        guests::nothing_left(world.pool.host(1), &["ldap"])?;
        let made = generations(&world);
        ensure!(made.len() == 1 && !made[0].starts_with("incoming"), "{made:?}");
        guests::lives_only_on(&world.pool, 1, world.reference.path())?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_taken_back_twice_from_any_step_before_its_pivot_leaves_all_as_before() -> anyhow::Result<()>
{
    for storage in HOSTS {
        a_backup_taken_back_twice(storage).await.context(storage.name)?;
    }
    Ok(())
}

async fn a_backup_taken_back_twice(storage: &Driver) -> anyhow::Result<()> {
    let pivot = a_backup(storage)?.steps.plan.pivot().context("it has no pivot")?;
    for until in numbers(pivot.index()) {
        let mut world = a_backup(storage)?;
        let title = world.steps.plan.steps[until.index()].title.clone();
        taken_back_twice(&mut world, until).await.context(title.clone())?;
        guests::nothing_left(world.pool.host(1), &["ldap"]).context(title.clone())?;
        ensure!(
            generations(&world).is_empty(),
            "{title}: {:?}",
            generations(&world)
        );
        guests::lives_only_on(&world.pool, 1, world.reference.path()).context(title)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_whose_every_step_is_done_twice_is_the_guest_as_it_was() -> anyhow::Result<()> {
    for replace in ["false", "true"] {
        let mut world = a_restore(replace).await?;
        done_twice(&mut world).await?;
        guests::nothing_left(world.pool.host(1), &["ldap"])?;
        guests::lives_only_on(&world.pool, 1, world.reference.path())?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_taken_back_twice_from_any_step_before_its_pivot_leaves_all_as_before() -> anyhow::Result<()>
{
    for replace in ["false", "true"] {
        let pivot = a_restore(replace).await?.steps.plan.pivot();
        for until in numbers(pivot.context("it has no pivot")?.index()) {
            let mut world = a_restore(replace).await?;
            let title = world.steps.plan.steps[until.index()].title.clone();
            taken_back_twice(&mut world, until).await.context(title.clone())?;
            ensure!(
                generations(&world).len() == 1,
                "{title}: {:?}",
                generations(&world)
            );
            let host = world.pool.host(1);
            if replace == "false" {
                guests::nothing_left(host, &[]).context(title)?;
            } else {
                let volumes = std::fs::read_dir(host.path("var/lib/machines"))?.count();
                ensure!(volumes == 1, "{title}: {volumes} volumes");
                guests::lives_only_on(&world.pool, 1, world.reference.path()).context(title)?;
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remove_whose_every_step_is_done_twice_is_one_remove() -> anyhow::Result<()> {
    for storage in HOSTS {
        let mut world = a_remove(storage)?;
        done_twice(&mut world).await.context(storage.name)?;
        let host = world.pool.host(1);
        guests::nothing_left(host, &["ldap.removed-"])?;
        let tree = guests::removed(host)?.context("it is gone")?;
        guests::same(world.reference.path(), host, &tree)?;
        ensure!(generations(&world).len() == 1);
        guests::comes_up_nowhere(&world.pool)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remove_taken_back_twice_from_any_step_before_its_pivot_leaves_all_as_before() -> anyhow::Result<()>
{
    let pivot = a_remove(&BTRFS)?.steps.plan.pivot().context("it has no pivot")?;
    for until in numbers(pivot.index()) {
        let mut world = a_remove(&BTRFS)?;
        let title = world.steps.plan.steps[until.index()].title.clone();
        taken_back_twice(&mut world, until).await.context(title.clone())?;
        ensure!(guests::removed(world.pool.host(1))?.is_none(), "{title}");
        guests::nothing_left(world.pool.host(1), &["ldap"]).context(title.clone())?;
        guests::lives_only_on(&world.pool, 1, world.reference.path()).context(title)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_whose_every_step_is_done_twice_is_one_rename() -> anyhow::Result<()> {
    for storage in HOSTS {
        let mut world = a_rename(storage)?;
        let host = world.pool.host(1);
        host.write("var/lib/machines/ldap/etc/hostname", "ldap\n")?;
        done_twice(&mut world).await.context(storage.name)?;
        let host = world.pool.host(1);
        guests::nothing_left(host, &["web"])?;
        ensure!(host.read("var/lib/machines/web/etc/hostname")? == "web\n");
        guests::called_so_comes_up_only_on(&world.pool, 1, "web")?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_taken_back_twice_from_any_step_before_its_pivot_leaves_all_as_before() -> anyhow::Result<()>
{
    let pivot = a_rename(&BTRFS)?.steps.plan.pivot().context("it has no pivot")?;
    for until in numbers(pivot.index()) {
        let mut world = a_rename(&BTRFS)?;
        let title = world.steps.plan.steps[until.index()].title.clone();
        for root in [
            world.reference.path().to_owned(),
            world.pool.host(1).path("var/lib/machines/ldap"),
        ] {
            std::fs::write(root.join("etc/hostname"), "ldap\n")?;
            let file = std::fs::File::options()
                .append(true)
                .open(root.join("etc/hostname"))?;
            file.set_modified(std::time::UNIX_EPOCH)?;
        }
        taken_back_twice(&mut world, until).await.context(title.clone())?;
        guests::is_nowhere(&world.pool, "web").context(title.clone())?;
        guests::nothing_left(world.pool.host(1), &["ldap"]).context(title.clone())?;
        guests::lives_only_on(&world.pool, 1, world.reference.path()).context(title)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_whose_every_step_is_done_twice_is_one_template() -> anyhow::Result<()> {
    let mut world = a_template()?;
    done_twice(&mut world).await?;
    guests::nothing_left(world.pool.host(1), &["ldap"])?;
    let mut made = templates(&world);
    made.sort();
    ensure!(made == ["lamp.tar", "lamp.tar.blake3"], "{made:?}");
    ensure!(generations(&world).is_empty(), "{:?}", generations(&world));
    guests::lives_only_on(&world.pool, 1, world.reference.path())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_taken_back_twice_from_any_step_before_its_pivot_leaves_all_as_before()
-> anyhow::Result<()> {
    let pivot = a_template()?.steps.plan.pivot().context("it has no pivot")?;
    for until in numbers(pivot.index() + 1) {
        let mut world = a_template()?;
        let title = world.steps.plan.steps[until.index()].title.clone();
        taken_back_twice(&mut world, until).await.context(title.clone())?;
        let left = [templates(&world), generations(&world)].concat();
        ensure!(left.is_empty(), "{title}: {left:?}");
        guests::nothing_left(world.pool.host(1), &["ldap"]).context(title.clone())?;
        guests::lives_only_on(&world.pool, 1, world.reference.path()).context(title)?;
    }
    Ok(())
}
