//! A short step on an open channel against the floor, a bare `sh` over the same kind of connection, and the same step on
//! 20 hosts at once. `cargo bench -p vsjob-tests --bench channel`; needs root and sshd, and hosts are this machine's
//! loopback.
//!
//! Floor and channel run the same external command, are measured in turns, and only their ratio is a claim.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures::future::try_join_all;
use openssh::{KnownHosts, Session, SessionBuilder, Stdio};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::sync::{mpsc, watch};
use vsjob_engine::{Clock, SystemClock};
use vsjob_tests::sshd::{self, Sshd};
use vsjob_workers::{Drivers, Host, HostParts, Question, Script, SshLine};

const ROUNDS: usize = 7;
const STEPS: u32 = 300;
const HOSTS: usize = 20;
const COMMAND: &str = "/bin/true";

/// A `sh` that reads commands from its standard input, and nothing else.
struct BareShell {
    input: openssh::ChildStdin,
    output: Lines<BufReader<openssh::ChildStdout>>,
    _child: openssh::Child<Arc<Session>>,
}

impl BareShell {
    async fn start(sshd: &Sshd) -> anyhow::Result<Self> {
        let session = SessionBuilder::default()
            .known_hosts_check(KnownHosts::Strict)
            .control_directory(sshd.path("control"))
            .config_file(sshd.path("ssh_config"))
            .port(sshd.port())
            .connect("127.0.0.1")
            .await?;
        let mut child = Arc::new(session)
            .arc_command("sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .await?;
        let input = child.stdin().take().context("input")?;
        let output = child.stdout().take().context("output")?;
        Ok(Self {
            input,
            output: BufReader::new(output).lines(),
            _child: child,
        })
    }

    async fn run(&mut self) -> anyhow::Result<()> {
        self.input
            .write_all(format!("{COMMAND}\necho $?\n").as_bytes())
            .await?;
        let code = self.output.next_line().await?;
        anyhow::ensure!(code.as_deref() == Some("0"), "{code:?}");
        Ok(())
    }
}

fn host(sshd: &Sshd, number: usize) -> anyhow::Result<Arc<Host>> {
    let parts = HostParts {
        name: format!("vsh-{number:02}").parse()?,
        drivers: Drivers::default(),
        line: Box::new(SshLine::new(
            "127.0.0.1",
            None,
            Some(sshd.port()),
            &sshd.options(),
        )),
        answer_limit: Duration::from_secs(20),
    };
    Ok(Arc::new(Host::new(
        parts,
        Arc::new(SystemClock),
        watch::Sender::default(),
        mpsc::unbounded_channel().0,
    )))
}

async fn step(host: &Arc<Host>) -> anyhow::Result<()> {
    let script = Script::compose("short", &[], COMMAND);
    let answer = host
        .ask(Question::read(script, Vec::new(), Duration::from_secs(20)))
        .await?;
    anyhow::ensure!(answer.code == 0, "{answer:?}");
    Ok(())
}

/// Milliseconds for each of `STEPS` repetitions.
async fn timed<F: Future<Output = anyhow::Result<()>>>(mut once: impl FnMut() -> F) -> anyhow::Result<f64> {
    let begin = SystemClock.now();
    for _ in 0..STEPS {
        once().await?;
    }
    Ok(SystemClock.now().since(begin).as_secs_f64() * 1000.0 / f64::from(STEPS))
}

fn spread(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    let (first, last) = (values[0], values[values.len() - 1]);
    format!("{:.2} ({first:.2} to {last:.2})", values[values.len() / 2])
}

async fn measure(out: &mut impl Write) -> anyhow::Result<()> {
    let sshd = Sshd::start().await?;
    let bare = tokio::sync::Mutex::new(BareShell::start(&sshd).await?);
    let hosts: Vec<_> = (1..=HOSTS)
        .map(|n| host(&sshd, n))
        .collect::<anyhow::Result<_>>()?;
    step(&hosts[0]).await?;

    let (mut floors, mut channels, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let floor = timed(|| async { bare.lock().await.run().await }).await?;
        let channel = timed(|| step(&hosts[0])).await?;
        floors.push(floor);
        channels.push(channel);
        ratios.push(channel / floor);
    }
    writeln!(
        out,
        "a short step, {ROUNDS} rounds of {STEPS}: median (least to most)"
    )?;
    writeln!(out, "  bare sh over ssh   {} ms", spread(floors))?;
    writeln!(out, "  open channel       {} ms", spread(channels))?;
    writeln!(out, "  ratio              {}  (aim: at most 1.3)", spread(ratios))?;

    let begin = SystemClock.now();
    try_join_all(hosts.iter().map(step)).await?;
    let cold = SystemClock.now().since(begin);
    let mut warm = Vec::new();
    for _ in 0..ROUNDS {
        let begin = SystemClock.now();
        for _ in 0..20 {
            try_join_all(hosts.iter().map(step)).await?;
        }
        warm.push(SystemClock.now().since(begin).as_secs_f64() * 1000.0 / 20.0);
    }
    writeln!(out, "{HOSTS} hosts at once")?;
    writeln!(out, "  first time         {} ms, connecting", cold.as_millis())?;
    writeln!(out, "  warm               {} ms  (aim: at most 14)", spread(warm))?;
    Ok(())
}

fn main() -> anyhow::Result<()> {
    if let Some(missing) = sshd::missing() {
        vsjob_tests::needs::skip(missing);
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(&mut std::io::stdout()))
}
