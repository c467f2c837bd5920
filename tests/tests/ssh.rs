//! Hosts over real SSH, on loopback: what a connection that breaks, hangs or is refused looks like to the master.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use vsjob_engine::{Clock as _, SystemClock};
use vsjob_tests::needs;
use vsjob_tests::sshd::{self, Sshd};
use vsjob_workers::{
    Answer, Drivers, Host, HostError, HostParts, Line as _, Question, Script, SshLine, SshOptions,
    end_leftovers,
};

const MOMENT: Duration = Duration::from_secs(20);

/// An sshd, unless this machine cannot have one: then the test is skipped, and says so.
async fn sshd() -> anyhow::Result<Option<Sshd>> {
    if let Some(missing) = sshd::missing() {
        needs::skip(missing);
        return Ok(None);
    }
    Sshd::start().await.map(Some)
}

fn host(port: u16, options: &SshOptions) -> anyhow::Result<Arc<Host>> {
    let parts = HostParts {
        name: "vsh-01".parse()?,
        drivers: Drivers::default(),
        line: Box::new(SshLine::new("127.0.0.1", None, Some(port), options)),
        answer_limit: Duration::from_secs(10),
    };
    Ok(Arc::new(Host::new(
        parts,
        Arc::new(SystemClock),
        watch::Sender::default(),
        mpsc::unbounded_channel().0,
    )))
}

async fn ask(host: &Arc<Host>, text: &str) -> Result<Answer, HostError> {
    let script = Script::compose("test", &[], text);
    host.ask(Question::read(script, Vec::new(), MOMENT)).await
}

#[tokio::test]
async fn every_exit_code_is_told_from_a_lost_line() -> anyhow::Result<()> {
    let Some(sshd) = sshd().await? else { return Ok(()) };
    let host = host(sshd.port(), &sshd.options())?;
    for code in 0..=255_u8 {
        assert_eq!(ask(&host, &format!("exit {code}")).await?.code, code);
    }
    let flood = ask(
        &host,
        "head -c 10000000 /dev/urandom; head -c 10000000 /dev/urandom >&2; exit 9",
    )
    .await?;
    assert_eq!(
        (flood.code, flood.stdout.total(), flood.stderr.total()),
        (9, 10_000_000, 10_000_000)
    );
    Ok(())
}

#[tokio::test]
async fn a_line_that_breaks_is_made_anew() -> anyhow::Result<()> {
    let Some(mut sshd) = sshd().await? else {
        return Ok(());
    };
    let host = host(sshd.port(), &sshd.options())?;
    assert_eq!(ask(&host, "exit 3").await?.code, 3);
    sshd.kill();
    let away = ask(&host, "exit 3").await;
    assert!(matches!(away, Err(HostError::Unreachable { .. })), "{away:?}");
    sshd.resume().await?;
    assert_eq!(ask(&host, "exit 3").await?.code, 3);
    Ok(())
}

#[tokio::test]
async fn a_script_that_hangs_is_ended_on_the_host() -> anyhow::Result<()> {
    let Some(sshd) = sshd().await? else { return Ok(()) };
    let host = host(sshd.port(), &sshd.options())?;
    let pid = sshd.path("pid");
    let hang = format!("echo $$ >{}; sleep 1000", pid.display());
    let question = Question::read(
        Script::compose("hang", &[], &hang),
        Vec::new(),
        Duration::from_millis(500),
    );
    let answer = host.ask(question).await;
    assert!(
        matches!(answer, Err(HostError::LimitExceeded { .. })),
        "{answer:?}"
    );
    let pid = std::fs::read_to_string(pid)?;
    assert!(
        !std::path::Path::new("/proc").join(pid.trim()).exists(),
        "the channel is still there"
    );
    assert_eq!(ask(&host, "exit 3").await?.code, 3);
    Ok(())
}

#[tokio::test]
async fn a_changed_an_unknown_and_a_refused_key_are_told_apart() -> anyhow::Result<()> {
    let Some(mut sshd) = sshd().await? else {
        return Ok(());
    };
    let fresh = || host(sshd.port(), &sshd.options());
    let known_hosts = std::fs::read(sshd.path("known_hosts"))?;

    std::fs::write(sshd.path("known_hosts"), "")?;
    let unknown = ask(&fresh()?, "true").await;
    assert!(
        matches!(unknown, Err(HostError::HostKeyUnknown { .. })),
        "{unknown:?}"
    );
    std::fs::write(sshd.path("known_hosts"), known_hosts)?;

    std::fs::rename(sshd.path("authorized_keys"), sshd.path("hidden"))?;
    let refused = ask(&fresh()?, "true").await;
    assert!(
        matches!(refused, Err(HostError::AuthFailed { .. })),
        "{refused:?}"
    );
    std::fs::rename(sshd.path("hidden"), sshd.path("authorized_keys"))?;

    sshd.kill();
    sshd.change_host_key()?;
    sshd.resume().await?;
    let changed = ask(&host(sshd.port(), &sshd.options())?, "true").await;
    assert!(
        matches!(changed, Err(HostError::HostKeyChanged { .. })),
        "{changed:?}"
    );
    Ok(())
}

#[tokio::test]
async fn what_a_killed_master_left_connected_is_ended() -> anyhow::Result<()> {
    let Some(sshd) = sshd().await? else { return Ok(()) };
    let options = sshd.options();
    let left = host(sshd.port(), &options)?;
    assert_eq!(ask(&left, "exit 3").await?.code, 3);
    let connections = || std::fs::read_dir(&options.control_directory).map(Iterator::count);
    assert_eq!(connections()?, 1);
    end_leftovers(&options.control_directory).await?;
    assert_eq!(connections()?, 0);
    // Its owner, were it still there, would connect anew.
    assert_eq!(ask(&left, "exit 3").await?.code, 3);
    Ok(())
}

/// Who answers at a port of the loopback: the first line that an sshd says.
fn greeting(port: u16) -> Option<String> {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
    let mut said = [0; 4];
    std::io::Read::read_exact(&mut stream, &mut said).ok()?;
    Some(String::from_utf8_lossy(&said).into_owned())
}

/// Whether anybody but this machine itself reaches that port.
fn is_open(port: u16) -> anyhow::Result<bool> {
    let mut all = std::fs::read_to_string("/proc/net/tcp")?;
    all.push_str(&std::fs::read_to_string("/proc/net/tcp6")?);
    Ok(all.to_uppercase().contains(&format!(" 00000000:{port:04X} ")))
}

#[tokio::test]
async fn a_host_reaches_another_through_the_master_for_as_long_as_it_may() -> anyhow::Result<()> {
    let (Some(mut near), Some(mut far)) = (sshd().await?, sshd().await?) else {
        return Ok(());
    };
    let line = |sshd: &Sshd| SshLine::new("127.0.0.1", None, Some(sshd.port()), &sshd.options());
    let (to_near, to_far) = (line(&near), line(&far));
    let address = format!("127.0.0.1:{}", far.port());

    let exposed = to_far.expose(&address).await?;
    let mode = std::fs::metadata(&exposed.at)?.permissions();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777,
        0o600,
        "others of the master reach it"
    );
    let reached = to_near.reach(&exposed).await?;
    assert_eq!(greeting(reached.port).as_deref(), Some("SSH-"));
    assert!(!is_open(reached.port)?, "others of the network reach it");

    // Either connection is lost: the way is gone, and can be made anew.
    for lost in [true, false] {
        let exposed = to_far.expose(&address).await?;
        let reached = to_near.reach(&exposed).await?;
        let sshd = if lost { &mut near } else { &mut far };
        sshd.kill();
        gone(reached.port).await?;
        sshd.resume().await?;
        to_near.reset().await;
        to_far.reset().await;
        drop((reached, exposed));
        let exposed = to_far.expose(&address).await?;
        let reached = to_near.reach(&exposed).await?;
        assert_eq!(greeting(reached.port).as_deref(), Some("SSH-"));
    }

    let exposed = to_far.expose(&address).await?;
    let reached = to_near.reach(&exposed).await?;
    let (socket, port) = (exposed.at.clone(), reached.port);
    drop((reached, exposed));
    gone(port).await?;
    until("the socket is gone", || !socket.exists()).await
}

async fn until(what: &str, is_so: impl Fn() -> bool) -> anyhow::Result<()> {
    for _ in 0..2000 {
        if is_so() {
            return Ok(());
        }
        SystemClock.sleep(Duration::from_millis(10)).await;
    }
    anyhow::bail!("it never came to this: {what}")
}

async fn gone(port: u16) -> anyhow::Result<()> {
    until("nobody answers any more", || greeting(port).is_none()).await
}
