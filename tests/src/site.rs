//! A site as an administrator has it: the program `vsjob`, its master, and the real hosts of a lab that it looks after.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use vsjob_engine::{Clock, SystemClock};

use crate::lab::{Lab, Template};
use crate::program::{Master, Program, Said};
use crate::tree::Tree;

/// How long anything may take to become so: a bound, not a measure.
const LONGEST: Duration = Duration::from_secs(600);

/// The address of the guest `web`.
pub const ADDRESS: &str = "10.77.1.5";
/// Its move to the second host.
pub const MOVE: [&str; 7] = move_to("vsh-02");

/// Its move to a host, however long a slow machine predicts that it stands still.
#[must_use]
pub const fn move_to(host: &str) -> [&str; 7] {
    ["move", "--name", "web", "--dst", host, "--on-budget", "proceed"]
}

/// The network that the lab's guests are in.
const NETWORKS: &str = "1,10.77.0.0/16,10.77.0.1,lab\n";

/// A lab, the program, and a master that runs.
pub struct Site {
    // Dropped in this order: the master, its hosts, its folder.
    master: Option<Master>,
    /// The hosts.
    pub lab: Lab,
    /// The program, with the folder of its master.
    pub program: Program,
}

impl Site {
    /// A site of that many hosts, where there can be a lab; this thread is in the master's network from then on.
    ///
    /// # Errors
    /// There can be one, and yet it fails.
    pub fn up(hosts: u8) -> anyhow::Result<Option<Self>> {
        Self::up_with(hosts, |_| "")
    }

    /// The same, each host with its `options` in slaves.conf, such as `,bwlimit=10m`.
    ///
    /// # Errors
    /// There can be one, and yet it fails.
    pub fn up_with(hosts: u8, options: impl Fn(&str) -> &'static str) -> anyhow::Result<Option<Self>> {
        Self::prepared(hosts, options, |_, _| Ok(()))
    }

    /// The same, with that done before its first master starts.
    ///
    /// # Errors
    /// There can be one, and yet it fails.
    pub fn prepared(
        hosts: u8,
        options: impl Fn(&str) -> &'static str,
        prepare: impl FnOnce(&Lab, &mut Program) -> anyhow::Result<()>,
    ) -> anyhow::Result<Option<Self>> {
        Self::on(Lab::up(hosts)?, options, prepare)
    }

    /// The same, on a lab that was made for it.
    ///
    /// # Errors
    /// There is one, and yet it fails.
    pub fn on(
        lab: Option<Lab>,
        options: impl Fn(&str) -> &'static str,
        prepare: impl FnOnce(&Lab, &mut Program) -> anyhow::Result<()>,
    ) -> anyhow::Result<Option<Self>> {
        let Some(lab) = lab else {
            return Ok(None);
        };
        lab.enter_network()?;
        let mut program = program(&lab, options)?;
        prepare(&lab, &mut program)?;
        let master = Some(program.master()?);
        Ok(Some(Self { master, lab, program }))
    }

    /// A site of two hosts, and the guest `web` of the template `tiny` on the first: it runs and is enabled.
    ///
    /// # Errors
    /// There can be one, and yet it fails.
    pub fn with_guest() -> anyhow::Result<Option<Self>> {
        let Some(site) = Self::up(2)? else {
            return Ok(None);
        };
        site.template("tiny", &Template::Tiny.archive()?)?;
        site.guest("web", ADDRESS, "vsh-01", "tiny")?;
        Ok(Some(site))
    }

    /// The same with a guest that holds `bytes` of data and takes some seconds to copy.
    ///
    /// # Errors
    /// There can be one, and yet it fails.
    pub fn with_slow_guest(bytes: usize) -> anyhow::Result<Option<Self>> {
        Self::with_slow_guest_on(bytes, |_| ",bwlimit=8m")
    }

    /// The same on hosts with other options in slaves.conf, which say how slow.
    ///
    /// # Errors
    /// There can be one, and yet it fails.
    pub fn with_slow_guest_on(
        bytes: usize,
        options: impl Fn(&str) -> &'static str,
    ) -> anyhow::Result<Option<Self>> {
        let Some(site) = Self::up_with(2, options)? else {
            return Ok(None);
        };
        let tree = Tree::of(Template::Tiny)?;
        tree.random_file("var/lib/data/blob", bytes, &mut fastrand::Rng::with_seed(6))?;
        site.template("large", &tree.archive()?)?;
        site.guest("web", ADDRESS, "vsh-01", "large")?;
        Ok(Some(site))
    }

    /// Another program with a store of its own, for the same hosts.
    ///
    /// # Errors
    /// Its folder cannot be made.
    pub fn another_program(&self) -> anyhow::Result<Program> {
        program(&self.lab, |_| "")
    }

    /// SIGKILL to the master.
    ///
    /// # Errors
    /// There is none.
    pub fn kill_master(&mut self) -> anyhow::Result<()> {
        self.master.take().context("no master runs")?.kill()
    }

    /// Starts a master again, and returns when it is ready.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_master(&mut self) -> anyhow::Result<()> {
        self.master = Some(self.program.master()?);
        Ok(())
    }

    /// Whether the master still runs.
    ///
    /// # Errors
    /// There is none that was not ended.
    pub fn master_runs(&mut self) -> anyhow::Result<bool> {
        self.master.as_mut().context("no master runs")?.runs()
    }

    /// The master, which from here on is the caller's.
    ///
    /// # Errors
    /// There is none.
    pub fn take_master(&mut self) -> anyhow::Result<Master> {
        self.master.take().context("no master runs")
    }

    /// Runs `vsjob ARGS` to its end.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn vsjob(&self, args: &[&str]) -> anyhow::Result<Said> {
        self.program.run(args)
    }

    /// Gives the master a template of that name.
    ///
    /// # Errors
    /// It cannot be linked to.
    pub fn template(&self, name: &str, archive: &Path) -> anyhow::Result<()> {
        let folder = self.program.state().join("templates");
        std::fs::create_dir_all(&folder)?;
        std::os::unix::fs::symlink(archive, folder.join(format!("{name}.tar")))?;
        Ok(())
    }

    /// Creates a guest from a template; it runs, is enabled and answers at its address.
    ///
    /// # Errors
    /// It does not come to be.
    pub fn guest(&self, name: &str, address: &str, host: &str, template: &str) -> anyhow::Result<()> {
        let place = ["--interface", address, "--host", host, "--template", template];
        let create = [
            "submit", "create", "--name", name, "--start", "--enable", "--wait",
        ];
        self.vsjob(&[&create[..], &place].concat())?.ok()?;
        answers(address, name)
    }

    /// Submits a job.
    ///
    /// # Errors
    /// It is refused.
    pub fn submit(&self, args: &[&str]) -> anyhow::Result<String> {
        self.vsjob(&[&["submit"], args].concat())?.ok()
    }

    /// A job with its steps.
    ///
    /// # Errors
    /// There is no such job.
    pub fn job(&self, id: &str) -> anyhow::Result<Value> {
        self.vsjob(&["status", id, "--json"])?.json()
    }

    /// What happens in a job from its beginning on.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn follow(&self, job: &str) -> anyhow::Result<Follower> {
        let mut child = self
            .program
            .command(&["logs", job, "--follow"])
            .stdout(Stdio::piped())
            .spawn()?;
        let lines = BufReader::new(child.stdout.take().context("no standard output")?).lines();
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Ok(Follower {
            child,
            lines: receiver,
            told: String::new(),
        })
    }

    /// Waits until a job has succeeded, and answers it.
    ///
    /// # Errors
    /// It ends otherwise, or not at all.
    pub fn succeeds(&self, id: &str) -> anyhow::Result<Value> {
        let told = self.follow(id)?.to_the_end()?;
        let job = self.job(id)?;
        ensure!(job["state"] == "succeeded", "{told}");
        Ok(job)
    }

    /// Everything on the hosts that an operation may change: volumes, definitions, what runs and what is enabled, rules,
    /// keys, and what vsjob itself keeps there; and what the master has placed where.
    ///
    /// # Errors
    /// A host is down, or the master away.
    pub fn footprint(&self) -> anyhow::Result<String> {
        let mut all = self.vsjob(&["guest", "list", "--json"])?.ok()?;
        for host in self.hosts()? {
            write!(all, "\n== {host}\n{}", self.lab.run(&host, FOOTPRINT)?)?;
        }
        Ok(all)
    }

    /// Waits until the footprint is this one again: what a job has made on hosts goes a moment after its end.
    ///
    /// # Errors
    /// It stays another.
    pub fn is_as_before(&self, before: &str) -> anyhow::Result<()> {
        let mut now = String::new();
        until("all is as before", || {
            now = self.footprint()?;
            Ok(now == before)
        })
        .with_context(|| format!("before:\n{before}\nnow:\n{now}"))
    }

    /// The names of the hosts.
    ///
    /// # Errors
    /// The list of hosts cannot be read.
    pub fn hosts(&self) -> anyhow::Result<Vec<String>> {
        let slaves = std::fs::read_to_string(self.lab.slaves_conf())?;
        let names = slaves.lines().filter_map(|line| line.split_once(':'));
        Ok(names.map(|(name, _)| name.to_owned()).collect())
    }

    /// Whether the guest runs on the host.
    #[must_use]
    pub fn runs(&self, guest: &str, host: &str) -> bool {
        let unit = format!("systemd-nspawn@{guest}.service");
        let asked = self
            .lab
            .at_console(host, "systemctl")
            .args(["is-active", "-q", &unit])
            .status();
        asked.is_ok_and(|status| status.success())
    }

    /// Checks that the job has fenced the guest where it was: it is there under its other name, nothing is there under
    /// its own, and nobody can start it.
    ///
    /// # Errors
    /// Says what is not so.
    pub fn is_fenced(&self, guest: &str, host: &str, job: &str) -> anyhow::Result<()> {
        let there = self.lab.run(
            host,
            "ls -A /var/lib/machines /etc/systemd/nspawn /etc/systemd/system /etc/systemd/system/*.wants",
        )?;
        let of_it = [
            guest.to_owned(),
            format!("{guest}.nspawn"),
            format!("systemd-nspawn@{guest}.service"),
        ];
        ensure!(
            !there.lines().any(|name| of_it.iter().any(|own| own == name)),
            "{there}"
        );
        let moved = format!("{guest}.moved-{}", &job[job.len() - 8..]);
        ensure!(there.contains(&moved), "{there}");
        let start = format!("machinectl start {guest} || systemctl start systemd-nspawn@{guest}");
        let started = self.lab.run(host, &start);
        ensure!(
            started.is_err() && !self.runs(guest, host),
            "it can be started where it was"
        );
        Ok(())
    }

    /// Checks that nothing of any job is left on the hosts or owed to them, that the pool is as the master knows it, and
    /// that its journal is whole.
    ///
    /// # Errors
    /// Says what is not so.
    pub fn is_in_order(&self) -> anyhow::Result<()> {
        self.nothing_is_left()?;
        let locks = self.vsjob(&["locks", "--json"])?.json()?;
        ensure!(locks["locks"].as_array().is_some_and(Vec::is_empty), "{locks}");
        Ok(())
    }

    /// The same, while jobs may hold locks.
    ///
    /// # Errors
    /// Says what is not so.
    pub fn nothing_is_left(&self) -> anyhow::Result<()> {
        let mut left = String::new();
        // What a host had that was away when its job ended goes when it can be asked again.
        until("nothing is left", || {
            left = self.vsjob(&["gc"])?.ok()?;
            Ok(left.starts_with("nothing is left"))
        })
        .with_context(|| left.clone())?;
        let scan = self.vsjob(&["scan"])?;
        ensure!(scan.status.success(), "{scan:?}");
        self.vsjob(&["audit", "verify"])?.ok().map(drop)
    }
}

/// What [`Site::footprint`] looks at on a host.
const FOOTPRINT: &str = r#"
    cd /
    find var/lib/machines -mindepth 1 -maxdepth 1 -printf '%p %y %m %U\n' | sort
    btrfs subvolume list / | sed 's/.* path //' | sort
    find etc/systemd/nspawn etc/systemd/system -name '*nspawn*' -o -path '*nspawn@*' | sort
    find var/lib/vsjob/run var/lib/vsjob/jobs var/lib/vsjob/templates -mindepth 1 ! -name '*.lock' 2>/dev/null | sort
    systemctl list-units --plain --no-legend --state=active 'systemd-nspawn@*' 'vsjob-*' | cut -d ' ' -f 1
    nft list tables
    cat root/.ssh/authorized_keys
"#;

/// What happens in a job, line by line.
pub struct Follower {
    child: Child,
    lines: mpsc::Receiver<String>,
    told: String,
}

impl Follower {
    /// Waits until this is told of a step, such as `step succeeded`, named by its title.
    ///
    /// # Errors
    /// The job ends before, or nothing happens any more.
    pub fn until(&mut self, word: &str, title: &str) -> anyhow::Result<()> {
        loop {
            match self.lines.recv_timeout(LONGEST) {
                Ok(line) => {
                    writeln!(self.told, "{line}")?;
                    if line.contains(word) && line.contains(title) {
                        return Ok(());
                    }
                }
                Err(why) => bail!("`{word}: {title}` was not told: {why}\n{}", self.told),
            }
        }
    }

    /// Waits until that many lines were told, or the job is over, or `at_most` has passed since the last line.
    pub fn until_number(self, lines: usize, at_most: Duration) {
        for _ in 0..lines {
            if self.lines.recv_timeout(at_most).is_err() {
                return;
            }
        }
    }

    /// Waits until the job is over, and answers all that was told.
    ///
    /// # Errors
    /// Nothing happens any more.
    pub fn to_the_end(mut self) -> anyhow::Result<String> {
        loop {
            match self.lines.recv_timeout(LONGEST) {
                Ok(line) => writeln!(self.told, "{line}")?,
                Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(std::mem::take(&mut self.told)),
                Err(why) => bail!("it does not end: {why}\n{}", self.told),
            }
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a guest of the template `tiny` says at its address: its name. `None` if nobody answers.
#[must_use]
pub fn answer(address: &str) -> Option<String> {
    let moment = Duration::from_secs(1);
    let at = SocketAddr::new(address.parse().ok()?, 7);
    let mut stream = TcpStream::connect_timeout(&at, moment).ok()?;
    stream.set_read_timeout(Some(moment)).ok()?;
    let mut said = String::new();
    stream.read_to_string(&mut said).ok()?;
    Some(said.trim_end().to_owned())
}

/// Waits until the guest at that address answers with that name: on a busy machine even one that runs takes a moment.
///
/// # Errors
/// It never does.
pub fn answers(address: &str, name: &str) -> anyhow::Result<()> {
    until(&format!("{name} answers at {address}"), || {
        Ok(answer(address).as_deref() == Some(name))
    })
}

/// Waits until something is so, and fails if it does not become so.
///
/// # Errors
/// It is not so after a long while, or cannot be found out.
pub fn until(what: &str, mut is_so: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let begin = SystemClock.now();
    while !is_so()? {
        ensure!(
            SystemClock.now().since(begin) < LONGEST,
            "it never came to this: {what}"
        );
        std::thread::park_timeout(Duration::from_millis(20));
    }
    Ok(())
}

/// The program, configured for the hosts of the lab.
fn program(lab: &Lab, options: impl Fn(&str) -> &'static str) -> anyhow::Result<Program> {
    let hosts: String = std::fs::read_to_string(lab.slaves_conf())?
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| format!("{line}{}\n", options(line.split(':').next().unwrap_or(line))))
        .collect();
    let program = Program::new("", &hosts)?;
    let (connect, alive) = lab.patience();
    let settings = format!(
        "[ssh]\nconfig = \"{}\"\ncontrol-directory = \"{}\"\nconnect-timeout = \"{connect}s\"\nkeep-alive = \"{alive}s\"\n",
        lab.ssh_config().display(),
        program.folder().join("ssh").display()
    );
    std::fs::write(program.folder().join("vsjob.toml"), settings)?;
    std::fs::write(program.folder().join("networks.conf"), NETWORKS)?;
    Ok(program)
}
