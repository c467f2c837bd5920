//! What goes wrong, row by row. A new fault is a new row.

use std::process::Stdio;

use fastrand::Rng;

use super::draw::{Befalls, Happen, Row, Seen};
use super::run::Run;
use super::troubles::Trouble;
use super::{clock, disk};

/// The faults.
pub(super) const FAULTS: &[Row] = &[
    of_master("kill master", 12, kill_master),
    of_master("kill master at a write", 16, doom),
    of_master("stop master", 5, stop_master),
    of_master("set clock", 8, clock::set),
    of_master("fill master's disk", 5, disk::fill),
    of_host("reboot", 6, reboot),
    of_host("power cut", 6, power_cut),
    of_host("halt", 3, halt),
    of_host("cut cable", 6, cut),
    of_host("part", 6, part),
    of_host("kill sshd", 5, kill_sshd),
    of_host("kill session", 5, kill_session),
    of_host("kill transfer", 6, kill_transfer),
    of_host("kill command", 4, kill_command),
    of_host("freeze sshd", 4, freeze),
    of_host("slow cable", 3, slow),
    of_host("delay", 3, delay),
    of_host("fill disk", 4, fill),
];

const fn of_master(name: &'static str, weight: u32, happen: Happen) -> Row {
    Row {
        name,
        weight,
        befalls: Befalls::Master,
        happen,
    }
}

const fn of_host(name: &'static str, weight: u32, happen: Happen) -> Row {
    Row {
        name,
        weight,
        befalls: Befalls::Host,
        happen,
    }
}

/// For how many happenings a trouble lasts.
fn a_while(random: &mut Rng) -> usize {
    random.usize(1..=4)
}

/// Whether there is a master that nothing befalls yet.
pub(super) fn is_well(run: &Run) -> bool {
    !run.troubles.has(&Trouble::NoMaster) && !run.troubles.has(&Trouble::Doomed)
}

fn kill_master(run: &mut Run, random: &mut Rng) -> anyhow::Result<Seen> {
    let lasts = random.usize(1..=2);
    if !is_well(run) {
        return Ok(Seen::in_vain("something befalls it already"));
    }
    run.site.kill_master()?;
    run.troubles.begin(Trouble::NoMaster, lasts);
    Ok(Seen::took("done"))
}

fn doom(run: &mut Run, random: &mut Rng) -> anyhow::Result<Seen> {
    let (lasts, write, after) = (a_while(random), random.i64(1..=25), random.bool());
    if !is_well(run) {
        return Ok(Seen::in_vain("something befalls it already"));
    }
    run.fate.dies_at(write, after)?;
    run.troubles.begin(Trouble::Doomed, lasts);
    let when = if after { "after" } else { "before" };
    Ok(Seen::took(format!("{when} its write {write}")))
}

fn stop_master(run: &mut Run, random: &mut Rng) -> anyhow::Result<Seen> {
    let lasts = random.usize(1..=2);
    if !is_well(run) {
        return Ok(Seen::in_vain("something befalls it already"));
    }
    let status = run.site.take_master()?.stop()?;
    anyhow::ensure!(status.success(), "told to stop, it ended with {status}");
    run.troubles.begin(Trouble::NoMaster, lasts);
    Ok(Seen::took("done"))
}

/// A host that is on and not about to reboot, drawn.
fn host_that_is_on(run: &mut Run, random: &mut Rng) -> anyhow::Result<Result<String, String>> {
    let host = run.any_host(random);
    run.troubles.await_reboot(&host)?;
    Ok(if run.is_on(&host) {
        Ok(host)
    } else {
        Err(format!("{host} is off"))
    })
}

/// Does this at the console of a host.
fn at_console(run: &mut Run, random: &mut Rng, text: &str) -> anyhow::Result<Seen> {
    Ok(match host_that_is_on(run, random)? {
        Ok(host) => match run.site.lab.run(&host, text) {
            Ok(said) => Seen::took(format!("{host}: {}", said.trim().replace('\n', " "))),
            Err(_) => Seen::in_vain(format!("{host}: there was nothing")),
        },
        Err(off) => Seen::in_vain(off),
    })
}

fn reboot(run: &mut Run, random: &mut Rng) -> anyhow::Result<Seen> {
    Ok(match host_that_is_on(run, random)? {
        Ok(host) => {
            run.shake();
            run.troubles.reboot(&run.site.lab, &host)?;
            Seen::took(host)
        }
        Err(off) => Seen::in_vain(off),
    })
}

fn power_cut(run: &mut Run, random: &mut Rng) -> anyhow::Result<Seen> {
    let lasts = a_while(random);
    Ok(match host_that_is_on(run, random)? {
        Ok(host) => {
            run.shake();
            run.site.lab.power_cut(&host)?;
            run.troubles.begin(Trouble::Off(host.clone()), lasts);
            Seen::took(host)
        }
        Err(off) => Seen::in_vain(off),
    })
}

fn halt(run: &mut Run, random: &mut Rng) -> anyhow::Result<Seen> {
    let lasts = a_while(random);
    Ok(match host_that_is_on(run, random)? {
        Ok(host) => {
            run.shake();
            run.site.lab.halt(&host)?;
            run.troubles.begin(Trouble::Off(host.clone()), lasts);
            Seen::took(host)
        }
        Err(off) => Seen::in_vain(off),
    })
}

impl Run {
    /// A host's life ends: who runs on it afterwards is who starts with it. Where each guest is at this moment is for the
    /// jobs to know, so it may be any of them.
    fn shake(&mut self) {
        self.fleet.guests.iter_mut().for_each(|guest| guest.shaken = true);
    }
}

fn cut(run: &mut Run, random: &mut Rng) -> anyhow::Result<Seen> {
    let (host, lasts) = (run.any_host(random), a_while(random));
    if !run.troubles.has(&Trouble::Cut(host.clone())) {
        run.site.lab.cut(&host)?;
    }
    run.troubles.begin(Trouble::Cut(host.clone()), lasts);
    Ok(Seen::took(host))
}

fn part(run: &mut Run, random: &mut Rng) -> anyhow::Result<Seen> {
    let (one, lasts) = (run.any_host(random), a_while(random));
    let all = [&["master".to_owned()], &run.hosts[..]].concat();
    let other = all[random.usize(0..all.len())].clone();
    if one == other {
        return Ok(Seen::in_vain("from itself"));
    }
    let (one, other) = if one < other { (one, other) } else { (other, one) };
    let trouble = Trouble::Apart(one.clone(), other.clone());
    if !run.troubles.has(&trouble) {
        run.site.lab.part(&one, &other)?;
    }
    run.troubles.begin(trouble, lasts);
    Ok(Seen::took(format!("{one} and {other}")))
}

fn kill_sshd(run: &mut Run, random: &mut Rng) -> anyhow::Result<Seen> {
    at_console(
        run,
        random,
        "pkill --signal KILL --exact --ns 1 --nslist pid sshd",
    )
}

fn kill_session(run: &mut Run, random: &mut Rng) -> anyhow::Result<Seen> {
    let text = format!(
        "all=$(pgrep --exact --ns 1 --nslist pid sshd | sort -n | tail -n +2); set -- $all; [ $# -gt 0 ]; \
         shift $(({} % $#)); kill -KILL $1; echo $1 of $all",
        random.u16(..)
    );
    at_console(run, random, &text)
}

fn kill_transfer(run: &mut Run, random: &mut Rng) -> anyhow::Result<Seen> {
    run.under_way(random, |_| true)?;
    let text = "pkill --signal KILL --exact --ns 1 --nslist pid rsync";
    on_any_host(run, text)
}

fn kill_command(run: &mut Run, random: &mut Rng) -> anyhow::Result<Seen> {
    run.under_way(random, |_| true)?;
    let text = "unit=$(systemctl list-units --plain --no-legend --state=active 'vsjob-*' | cut -d ' ' -f 1 | head -n 1); \
                [ -n \"$unit\" ] && systemctl kill --signal=KILL \"$unit\"";
    on_any_host(run, text)
}

/// Tries that on every host until it succeeds there: for some seconds, as what it is after is there for moments only.
fn on_any_host(run: &mut Run, text: &str) -> anyhow::Result<Seen> {
    let text = format!("for try in $(seq 500); do {{ {text}; }} && exit; sleep 0.01; done; false");
    let consoles = run.hosts.iter().map(|host| {
        let mut console = run.site.lab.at_console(host, "sh");
        let console = console.args(["-euc", &text]);
        let console = console.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        Ok((host, console))
    });
    let mut hosts = Vec::new();
    for (host, mut console) in consoles.collect::<anyhow::Result<Vec<_>>>()? {
        if console.wait()?.success() {
            hosts.push(host.as_str());
        }
    }
    Ok(match hosts.is_empty() {
        true => Seen::in_vain("there was nothing"),
        false => Seen::took(hosts.join(" and ")),
    })
}

/// Does this at the console of a host that has the trouble from then on.
fn troubled(
    run: &mut Run,
    random: &mut Rng,
    trouble: fn(String) -> Trouble,
    text: &str,
) -> anyhow::Result<Seen> {
    let lasts = a_while(random);
    Ok(match host_that_is_on(run, random)? {
        Ok(host) => {
            let said = run.site.lab.run(&host, text);
            run.troubles.begin(trouble(host.clone()), lasts);
            if said.is_ok() {
                Seen::took(host)
            } else {
                Seen::in_vain(format!("{host}: in vain"))
            }
        }
        Err(off) => Seen::in_vain(off),
    })
}

fn freeze(run: &mut Run, random: &mut Rng) -> anyhow::Result<Seen> {
    let text = "pkill --signal STOP --exact --ns 1 --nslist pid sshd";
    troubled(run, random, Trouble::Frozen, text)
}

fn slow(run: &mut Run, random: &mut Rng) -> anyhow::Result<Seen> {
    let text = "tc qdisc replace dev eth0 root tbf rate 4mbit burst 16kb latency 300ms";
    troubled(run, random, Trouble::Slow, text)
}

/// Every packet is late, by a tenth of a second for each full one that is before it, and none is dropped.
fn delay(run: &mut Run, random: &mut Rng) -> anyhow::Result<Seen> {
    let text = "tc qdisc replace dev eth0 root tbf rate 128kbit burst 1600 limit 2mb";
    troubled(run, random, Trouble::Slow, text)
}

fn fill(run: &mut Run, random: &mut Rng) -> anyhow::Result<Seen> {
    // Preallocated in ever smaller pieces until nothing is left: so hardly a byte is written.
    let text = "piece=0; for size in 8G 4G 2G 1G 512M 256M 128M 64M 32M 16M 8M 4M 2M 1M 256K 64K 16K; do \
                while fallocate -l $size /var/full.$piece 2>/dev/null; do piece=$((piece + 1)); done; done; sync -f /var";
    troubled(run, random, Trouble::Full, text)
}
