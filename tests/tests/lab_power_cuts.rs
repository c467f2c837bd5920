//! Power cuts at random moments, of virtual machines whose disks forget what was not flushed: of a host that a guest moves from or
//! to, and of the machine of the master that backs one up. `VSJOB_POWER_CUTS=100` says how many; `VSJOB_SEED` another draw.

use std::time::Duration;

use anyhow::{Context, ensure};
use vsjob_engine::{Clock, SystemClock};
use vsjob_tests::hosts::Host as _;
use vsjob_tests::lab::{Lab, Template};
use vsjob_tests::lab_pool::LabHost;
use vsjob_tests::site::{ADDRESS, Site, answers, move_to, until};
use vsjob_tests::tree::Tree;
use vsjob_tests::vm_master::VmMaster;
use vsjob_tests::{figures, guests, needs};

const FAST: &str = "vsh-01";
const VM: &str = "vsh-02";

/// How many are asked for.
fn rounds() -> anyhow::Result<Option<u32>> {
    match std::env::var("VSJOB_POWER_CUTS") {
        Ok(rounds) => Ok(Some(rounds.parse().context("VSJOB_POWER_CUTS")?)),
        Err(_) => {
            needs::skip("VSJOB_POWER_CUTS=100 (a minute and a half each, where processors are emulated)");
            Ok(None)
        }
    }
}

/// The moments at which the power goes, from the begin of something that takes as long as it took the last time, and a little
/// longer.
struct Moments {
    random: fastrand::Rng,
    longest: Duration,
}

impl Moments {
    fn new(longest: Duration) -> anyhow::Result<Self> {
        let seed = std::env::var("VSJOB_SEED").unwrap_or_else(|_| "1".to_owned());
        Ok(Self {
            random: fastrand::Rng::with_seed(seed.parse().context("VSJOB_SEED")?),
            longest: longest.mul_f64(1.1),
        })
    }

    /// Waits for the next, and says which that is.
    fn pass(&mut self) -> String {
        let wait = self.longest.mul_f64(self.random.f64());
        let clock = SystemClock;
        let begin = clock.now();
        while clock.now().since(begin) < wait {
            std::thread::park_timeout(Duration::from_millis(10));
        }
        format!("after {wait:.1?} of {:.1?}", self.longest)
    }
}

/// How long it takes.
fn duration(what: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Duration> {
    let clock = SystemClock;
    let begin = clock.now();
    what()?;
    Ok(clock.now().since(begin))
}

/// Waits until what a move left is purged. A purge that meets the next move would be put off until another day.
fn nothing_waits(site: &Site) -> anyhow::Result<()> {
    until("what it left is purged", || {
        let status = site.vsjob(&["status", "--json"])?.json()?;
        let jobs = status["jobs"].as_array().context("no jobs")?;
        Ok(jobs.iter().all(|job| job["over"] == true))
    })
}

/// For who has asked for hours of it.
#[expect(clippy::print_stdout, reason = "seen with --nocapture alone")]
fn tell(round: u32, at: &str, done: bool) {
    println!("round {round}, {at}: {}", if done { "done" } else { "as before" });
}

/// A tiny guest with all that a tree can have in it, and some that takes a moment.
fn tree() -> anyhow::Result<Tree> {
    let tree = Tree::of(Template::Tiny)?;
    guests::fill(&tree.root())?;
    tree.random_file("var/lib/data/blob", 4 << 20, &mut fastrand::Rng::with_seed(3))?;
    Ok(tree)
}

/// What tells one content of the guest from another, file by file, but for what it rewrites each second.
const CONTENT: &str = r"export LC_ALL=C
    cd /var/lib/machines/web && find . -xdev -type f ! -name alive -print0 | sort -z | xargs -0 sha256sum | tr -c ' -~\n' '?'";

#[test]
fn a_move_whose_hosts_lose_their_power_at_any_moment_is_done_or_as_before() -> anyhow::Result<()> {
    let Some(rounds) = rounds()? else { return Ok(()) };
    let storage = |host: &str| if host == VM { ",storage=lvm" } else { "" };
    let site = Site::on(Lab::up_with_vms(2, 1)?, storage, |lab, _| {
        lab.run(VM, "vgcreate -q vsh /dev/vdb").map(drop)
    })?;
    let Some(site) = site else { return Ok(()) };
    let tree = tree()?;
    site.template("filled", &tree.archive()?)?;
    site.guest("web", ADDRESS, FAST, "filled")?;
    let content = site.lab.run(FAST, CONTENT)?;
    let (mut lives, mut other) = (FAST, VM);
    let grace = ["--grace", "1s"];
    let longest = duration(|| {
        site.succeeds(&site.submit(&[&move_to(other)[..], &grace].concat())?)
            .map(drop)
    })?;
    std::mem::swap(&mut lives, &mut other);
    nothing_waits(&site)?;
    let (mut moments, mut done) = (Moments::new(longest)?, 0);
    for round in 1..=rounds {
        let id = site.submit(&[&move_to(other)[..], &grace].concat())?;
        let at = moments.pass();
        let victim = if moments.random.u8(0..3) == 0 { FAST } else { VM };
        site.lab.power_cut(victim)?;
        site.lab.boot(victim)?;
        let tried = || -> anyhow::Result<bool> {
            let mut job = serde_json::Value::Null;
            until("the job ends", || {
                job = site.job(&id)?;
                Ok(job["over"] == true || job["state"] == "stuck")
            })?;
            let moved = job["state"] == "succeeded";
            ensure!(moved || job["state"] == "rolled back", "{job}");
            let (at, elsewhere) = if moved { (other, lives) } else { (lives, other) };
            until("it runs where it should, and there alone", || {
                Ok(site.runs("web", at) && !site.runs("web", elsewhere))
            })?;
            answers(ADDRESS, "web")?;
            let now = site.lab.run(at, CONTENT)?;
            let differs: Vec<_> = now.lines().filter(|line| !content.contains(line)).collect();
            ensure!(now == content, "{at} has something else: {differs:?}");
            nothing_waits(&site)?;
            site.is_in_order()?;
            Ok(moved)
        };
        let moved =
            tried().with_context(|| format!("round {round}: the power of {victim}, {lives} to {other}"))?;
        if moved {
            done += 1;
            std::mem::swap(&mut lives, &mut other);
        }
        tell(round, &format!("{victim} {at}"), moved);
    }
    figures::tell(format_args!(
        "{rounds} power cuts of hosts in a move: {done} were done, the others as before"
    ));
    Ok(())
}

#[test]
fn a_backup_whose_master_loses_its_power_at_any_moment_is_done_or_as_before() -> anyhow::Result<()> {
    let Some(rounds) = rounds()? else { return Ok(()) };
    let Some(lab) = Lab::up_with_vms(2, 1)? else {
        return Ok(());
    };
    let source = LabHost::of(&lab, FAST)?;
    let tree = tree()?;
    guests::settle(&source, &tree.root())?;
    let master = VmMaster::new(lab, &format!("{FAST}\n"))?;
    master.on_machine("vgcreate -q vsh /dev/vdb")?;
    master.configure("[generations]\ntree = \"lvm\"\n")?;
    master.start()?;
    master.vsjob("guest adopt")?;
    let submit =
        || -> anyhow::Result<String> { Ok(master.vsjob("submit backup --name=ldap")?.trim().to_owned()) };
    // The first of all takes longer than those whose power is cut.
    master.ended(&submit()?)?;
    let longest = duration(|| master.ended(&submit()?).map(drop))?;
    let mut last = master.generations("ldap")?;
    ensure!(last.len() == 1);
    let (mut moments, mut done) = (Moments::new(longest)?, 0);
    for round in 1..=rounds {
        let news = format!("head -c 1000000 /dev/urandom >/var/lib/machines/ldap/var/lib/data/{round}");
        source.run(&news, &[])?;
        let id = submit()?;
        let at = moments.pass();
        master.power_cut()?;
        master.start()?;
        let tried = || -> anyhow::Result<Vec<String>> {
            // What was acknowledged is known.
            let job = master.ended(&id)?;
            let moved_on = job["state"] == "succeeded";
            ensure!(moved_on || job["state"] == "rolled back", "{job}");
            let generations = master.generations("ldap")?;
            ensure!(generations.len() == 1, "{generations:?}");
            ensure!((generations != last) == moved_on, "{generations:?}");
            let newest = &generations[0];
            master.vsjob(&format!("generation verify --name=ldap {newest}"))?;
            if moved_on {
                let received = master.on_machine(&format!(
                    "sha256sum </root/vsjob/state/generations/ldap/{newest}/tree/var/lib/data/{round}"
                ))?;
                let sent = source.run(
                    "sha256sum <\"/var/lib/machines/ldap/var/lib/data/$1\"",
                    &[&round.to_string()],
                )?;
                ensure!(received == sent, "{received} {sent}");
            }
            master.vsjob("audit verify")?;
            guests::nothing_left(&source, &["ldap"])?;
            Ok(generations)
        };
        let now = tried().with_context(|| format!("round {round}"))?;
        done += u32::from(now != last);
        tell(round, &at, now != last);
        last = now;
    }
    figures::tell(format_args!(
        "{rounds} power cuts of the master in a backup: {done} were done, the others as before"
    ));
    Ok(())
}
