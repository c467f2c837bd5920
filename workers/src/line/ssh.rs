//! SSH: one multiplexed connection of the system's OpenSSH a host, so that its configuration, agents, jump hosts and
//! certificates count. Host keys are never taken on trust.

use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use openssh::{ControlPersist, KnownHosts, Session, SessionBuilder};
use tokio::process::Command;
use tokio::sync::Mutex;

use super::forward::{Forward, Forwarding};
use super::{Exposed, LOOP, Line, LineError, Pending, Reached, Wire};

/// What all connections have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshOptions {
    /// The folder for the sockets of multiplexed connections; nobody else's.
    pub control_directory: PathBuf,
    /// A configuration file instead of root's own.
    pub config: Option<PathBuf>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How often a silent line is tried; three failures end it.
    pub keep_alive: Duration,
}

/// What the sockets are called at which sshds of hosts are exposed, and the number of the next.
const RELAY: &str = "relay-";
static EXPOSED: AtomicU64 = AtomicU64::new(1);

/// A line over SSH.
pub struct SshLine {
    builder: SessionBuilder,
    address: String,
    sudo: bool,
    control_directory: PathBuf,
    session: Mutex<Option<Arc<Session>>>,
}

impl SshLine {
    /// A line to `address`: a name or number, or a name of the SSH configuration.
    #[must_use]
    pub fn new(address: &str, user: Option<&str>, port: Option<u16>, options: &SshOptions) -> Self {
        let mut builder = SessionBuilder::default();
        builder
            .known_hosts_check(KnownHosts::Strict)
            .connect_timeout(options.connect_timeout)
            .server_alive_interval(options.keep_alive)
            .control_directory(&options.control_directory)
            .control_persist(ControlPersist::Forever);
        if let Some(config) = &options.config {
            builder.config_file(config);
        }
        if let Some(user) = user {
            builder.user(user.to_owned());
        }
        if let Some(port) = port {
            builder.port(port);
        }
        Self {
            builder,
            address: address.to_owned(),
            sudo: user.is_some_and(|user| user != "root"),
            control_directory: options.control_directory.clone(),
            session: Mutex::new(None),
        }
    }

    async fn session(&self) -> Result<Arc<Session>, LineError> {
        let mut session = self.session.lock().await;
        if let Some(session) = &*session {
            return Ok(Arc::clone(session));
        }
        if let Err(e) = tokio::fs::create_dir_all(&self.control_directory).await {
            let folder = self.control_directory.display();
            return Err(LineError::Unreachable(format!("{folder}: {e}")));
        }
        let fresh = self
            .builder
            .connect(&self.address)
            .await
            .map_err(|e| refusal(&e))?;
        Ok(Arc::clone(session.insert(Arc::new(fresh))))
    }

    async fn forward(&self, forwarding: Forwarding) -> Result<Forward, LineError> {
        Forward::open(self.session().await?, forwarding).await
    }

    async fn start(&self) -> Result<Wire, LineError> {
        let session = self.session().await?;
        let mut command = if self.sudo {
            let mut command = session.arc_command("sudo");
            command.args(["-n", "--", "sh"]);
            command
        } else {
            session.arc_command("sh")
        };
        let mut child = command
            .args(["-c", LOOP, "vsjob-channel"])
            .stdin(openssh::Stdio::piped())
            .stdout(openssh::Stdio::piped())
            .stderr(openssh::Stdio::piped())
            .spawn()
            .await
            .map_err(|e| refusal(&e))?;
        let (Some(requests), Some(answers), Some(errors)) =
            (child.stdin().take(), child.stdout().take(), child.stderr().take())
        else {
            return Err(LineError::Unreachable("no pipes".to_owned()));
        };
        Ok(Wire {
            requests: Box::new(requests),
            answers: Box::new(answers),
            errors: Box::new(errors),
            process: Box::new(child),
        })
    }
}

impl Line for SshLine {
    fn open(&self) -> Pending<'_, Result<Wire, LineError>> {
        Box::pin(self.start())
    }

    fn expose<'a>(&'a self, address: &'a str) -> Pending<'a, Result<Exposed, LineError>> {
        Box::pin(async {
            let number = EXPOSED.fetch_add(1, Ordering::Relaxed);
            let socket = self.control_directory.join(format!("{RELAY}{number}"));
            // One that a killed master has left is in the way.
            let _ = tokio::fs::remove_file(&socket).await;
            let forward = self
                .forward(Forwarding::Near(socket.clone(), address.to_owned()))
                .await?;
            Ok(Exposed {
                at: socket,
                held: Box::new(forward),
            })
        })
    }

    fn reach<'a>(&'a self, exposed: &'a Exposed) -> Pending<'a, Result<Reached, LineError>> {
        Box::pin(async {
            let forward = self.forward(Forwarding::Far(exposed.at.clone())).await?;
            let port = forward.said.parse().map_err(|_| {
                let said = crate::frame::printable(&forward.said);
                LineError::Unreachable(format!("`{said}` is no port"))
            })?;
            Ok(Reached {
                port,
                held: Box::new(forward),
            })
        })
    }

    fn reset(&self) -> Pending<'_, ()> {
        Box::pin(async {
            // The session ends when the last wire over it has been dropped.
            self.session.lock().await.take();
        })
    }
}

/// What OpenSSH's words mean. They are those of its `sshconnect.c` and `sshconnect2.c`, unchanged for many years.
fn refusal(error: &openssh::Error) -> LineError {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        words = inner.to_string();
        cause = inner.source();
    }
    if words.contains("REMOTE HOST IDENTIFICATION HAS CHANGED") {
        return LineError::HostKeyChanged;
    }
    if words.contains("Host key verification failed") || words.contains("host key is known for") {
        return LineError::HostKeyUnknown;
    }
    let last = words.lines().map(str::trim).rfind(|line| !line.is_empty());
    let last = crate::frame::printable(last.unwrap_or("no reason given"));
    if words.contains("Permission denied (") || words.contains("Too many authentication failures") {
        return LineError::AuthFailed(last);
    }
    LineError::Unreachable(last)
}

/// Ends the connections whose sockets a killed master left in `control_directory`. What it had launched on the hosts
/// does not depend on them.
///
/// # Errors
/// The folder cannot be made or read.
pub async fn end_leftovers(control_directory: &Path) -> std::io::Result<()> {
    tokio::fs::create_dir_all(control_directory).await?;
    let mut entries = tokio::fs::read_dir(control_directory).await?;
    while let Some(entry) = entries.next_entry().await? {
        let socket = entry.path().join("master");
        let is_socket = tokio::fs::metadata(&socket)
            .await
            .is_ok_and(|found| found.file_type().is_socket());
        if is_socket {
            let _ = Command::new("ssh")
                .arg("-S")
                .arg(&socket)
                .args(["-O", "exit", "none"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .await;
        }
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(RELAY.as_bytes()) {
            let _ = tokio::fs::remove_file(entry.path()).await;
        }
        if name.as_encoded_bytes().starts_with(b".ssh-connection") {
            let _ = tokio::fs::remove_dir_all(entry.path()).await;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(words: &str) -> LineError {
        refusal(&openssh::Error::Connect(std::io::Error::other(words)))
    }

    #[test]
    fn a_changed_host_key_is_told_from_a_host_that_is_away() {
        let changed =
            "@@@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.";
        assert_eq!(said(changed), LineError::HostKeyChanged);
        let unknown = "No ED25519 host key is known for vsh-01 and you have requested strict checking.\r\nHost key verification failed.";
        assert_eq!(said(unknown), LineError::HostKeyUnknown);
        let denied = "root@vsh-01: Permission denied (publickey).";
        assert_eq!(said(denied), LineError::AuthFailed(denied.to_owned()));
        let away = "connect to host vsh-01 port 22: No route to host";
        assert_eq!(said(away), LineError::Unreachable(away.to_owned()));
    }
}
