//! An sshd on this machine's loopback, with keys of its own: for what needs real SSH and no real host. Who is
//! connected is on this very machine, so only what changes nothing may be run over it.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;
use vsjob_engine::{Clock, SystemClock};
use vsjob_workers::SshOptions;

/// What a test needs for this; says so if it is missing.
#[must_use]
pub fn missing() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        Some("root")
    } else if !Path::new(SSHD).exists() {
        Some(SSHD)
    } else {
        None
    }
}

const SSHD: &str = "/usr/sbin/sshd";

/// A running sshd. Dropped, it ends, with every connection to it.
pub struct Sshd {
    folder: TempDir,
    port: u16,
    daemon: Option<Child>,
}

impl Sshd {
    /// Starts one, and returns when it listens.
    ///
    /// # Errors
    /// Keys cannot be made, or it does not start.
    pub async fn start() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("vsjob-sshd-").tempdir()?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let mut sshd = Self {
            folder,
            port,
            daemon: None,
        };
        sshd.configure()?;
        sshd.resume().await?;
        Ok(sshd)
    }

    /// Where it listens on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How to connect to it.
    #[must_use]
    pub fn options(&self) -> SshOptions {
        SshOptions {
            control_directory: self.path("control"),
            config: Some(self.path("ssh_config")),
            connect_timeout: Duration::from_secs(5),
            keep_alive: Duration::from_secs(1),
        }
    }

    /// A file of its folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Ends it, with all that is connected.
    pub fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = Command::new("pkill")
                .args(["-KILL", "-P", &daemon.id().to_string()])
                .status();
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }

    /// Starts it again.
    ///
    /// # Errors
    /// It does not come to listen.
    pub async fn resume(&mut self) -> anyhow::Result<()> {
        std::fs::create_dir_all("/run/sshd")?;
        let daemon = Command::new(SSHD)
            .args(["-D", "-e", "-f"])
            .arg(self.path("sshd_config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(self.path("log"))?)
            .spawn()?;
        self.daemon = Some(daemon);
        // A connection is refused until it listens.
        for _ in 0..1000 {
            if std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return Ok(());
            }
            SystemClock.sleep(Duration::from_millis(10)).await;
        }
        bail!("{}", std::fs::read_to_string(self.path("log"))?)
    }

    /// Gives it another host key, as a host has that was reinstalled. Counts from its next start on.
    ///
    /// # Errors
    /// The key cannot be made.
    pub fn change_host_key(&self) -> anyhow::Result<()> {
        std::fs::remove_file(self.path("host_key"))?;
        std::fs::remove_file(self.path("host_key.pub"))?;
        self.key("host_key")
    }

    fn key(&self, name: &str) -> anyhow::Result<()> {
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(self.path(name))
            .status()?;
        ensure!(made.success(), "ssh-keygen: {made}");
        Ok(())
    }

    fn configure(&self) -> anyhow::Result<()> {
        self.key("host_key")?;
        self.key("key")?;
        std::fs::create_dir(self.path("control"))?;
        std::fs::copy(self.path("key.pub"), self.path("authorized_keys"))?;
        std::fs::set_permissions(self.path("authorized_keys"), PermissionsExt::from_mode(0o600))?;
        let host_key = std::fs::read_to_string(self.path("host_key.pub")).context("host key")?;
        std::fs::write(
            self.path("known_hosts"),
            format!("[127.0.0.1]:{} {host_key}", self.port),
        )?;
        let folder = self.folder.path().display();
        std::fs::write(
            self.path("sshd_config"),
            format!(
                "ListenAddress 127.0.0.1:{}\nHostKey {folder}/host_key\nAuthorizedKeysFile {folder}/authorized_keys\n\
                 PidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin prohibit-password\nMaxStartups 200\n",
                self.port
            ),
        )?;
        std::fs::write(
            self.path("ssh_config"),
            format!(
                "Host *\n  User root\n  IdentityFile {folder}/key\n  IdentitiesOnly yes\n  IdentityAgent none\n  \
                 UserKnownHostsFile {folder}/known_hosts\n  GlobalKnownHostsFile /dev/null\n"
            ),
        )?;
        Ok(())
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.kill();
    }
}
