//! A forwarding over a multiplexed connection, by OpenSSH's own word for it: `ssh -O forward`. It ends when it is no
//! longer held, or with its connection.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use openssh::Session;
use tokio::process::Command;
use tokio::runtime::Handle;

use super::LineError;

/// Which end listens.
#[derive(Clone, Debug)]
pub(super) enum Forwarding {
    /// A socket of the master leads to an address and port that the host can reach.
    Near(PathBuf, String),
    /// A port of the host's loopback, which the host chooses, leads to a socket of the master.
    Far(PathBuf),
}

impl Forwarding {
    fn words(&self) -> [String; 2] {
        match self {
            Self::Near(socket, to) => ["-L".to_owned(), format!("{}:{to}", socket.display())],
            Self::Far(socket) => ["-R".to_owned(), format!("127.0.0.1:0:{}", socket.display())],
        }
    }
}

/// A forwarding that is there.
pub(super) struct Forward {
    session: Arc<Session>,
    forwarding: Forwarding,
    /// What was said of it: the port that was chosen.
    pub(super) said: String,
}

impl Forward {
    /// Asks for it over the connection of `session`.
    pub(super) async fn open(session: Arc<Session>, forwarding: Forwarding) -> Result<Self, LineError> {
        let answer = order(session.control_socket(), "forward", &forwarding)
            .output()
            .await
            .map_err(|e| LineError::Unreachable(e.to_string()))?;
        if !answer.status.success() {
            let said = String::from_utf8_lossy(&answer.stderr).into_owned();
            let last = said.lines().last().unwrap_or("it was not forwarded");
            return Err(LineError::Unreachable(crate::frame::printable(last)));
        }
        Ok(Self {
            session,
            forwarding,
            said: String::from_utf8_lossy(&answer.stdout).trim().to_owned(),
        })
    }
}

fn order(control: &Path, verb: &str, forwarding: &Forwarding) -> Command {
    let mut ssh = Command::new("ssh");
    ssh.arg("-S").arg(control).args(["-O", verb]);
    ssh.args(forwarding.words()).arg("none");
    ssh.stdin(Stdio::null()).kill_on_drop(true);
    ssh
}

impl Drop for Forward {
    fn drop(&mut self) {
        let Ok(runtime) = Handle::try_current() else {
            // Its connection ends with this process.
            return;
        };
        let (session, forwarding) = (Arc::clone(&self.session), self.forwarding.clone());
        runtime.spawn(async move {
            // If the connection is gone, so is the forwarding.
            let mut cancel = order(session.control_socket(), "cancel", &forwarding);
            let _ = cancel.stdout(Stdio::null()).stderr(Stdio::null()).status().await;
            if let Forwarding::Near(socket, _) = forwarding {
                let _ = tokio::fs::remove_file(socket).await;
            }
        });
    }
}
