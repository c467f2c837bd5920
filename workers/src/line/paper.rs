//! A paper host: a folder that stands for the root of a host. The same scripts run in the local `sh`, with stand-ins
//! for the host's tools first in PATH. For tests and for trying things; nothing outside the folder is changed.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::process::Command;

use super::{Exposed, LOOP, Line, LineError, Pending, Reached, Wire};

/// A line to a folder.
#[derive(Clone, Debug)]
pub struct PaperLine {
    root: PathBuf,
    tools: PathBuf,
}

impl PaperLine {
    /// The host in `root`, whose tools are those of `tools`, then the machine's own.
    #[must_use]
    pub fn new(root: &Path, tools: &Path) -> Self {
        Self {
            root: root.to_owned(),
            tools: tools.to_owned(),
        }
    }
}

impl PaperLine {
    /// A host that is off, or cut from the network.
    fn is_away(&self) -> bool {
        let faults = ["off", "cut"].map(|fault| self.root.join("fault").join(fault));
        !self.root.exists() || faults.iter().any(|fault| fault.exists())
    }
}

/// The number that the next way through the master has as its port.
static RELAYS: AtomicU16 = AtomicU16::new(20_000);

/// A file that says where a port of a paper host leads.
struct Way(PathBuf);

impl Drop for Way {
    fn drop(&mut self) {
        // It may be gone with a reboot.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Line for PaperLine {
    fn open(&self) -> Pending<'_, Result<Wire, LineError>> {
        Box::pin(async {
            let unreachable = |why: &str| LineError::Unreachable(why.to_owned());
            if self.is_away() {
                return Err(unreachable("connection timed out"));
            }
            let path = format!(
                "{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                self.tools.display()
            );
            let mut child = Command::new("sh")
                .arg("-c")
                .arg(LOOP)
                .arg("vsjob-channel")
                .arg(&self.root)
                .arg(path)
                // Found by the stand-in for a reboot, which ends every process of the host.
                .env("R", &self.root)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .process_group(0)
                .kill_on_drop(true)
                .spawn()
                .map_err(|e| unreachable(&e.to_string()))?;
            // It may have gone while the shell began, too late to be found there.
            if self.is_away() {
                return Err(unreachable("connection timed out"));
            }
            let (Some(requests), Some(answers), Some(errors)) =
                (child.stdin.take(), child.stdout.take(), child.stderr.take())
            else {
                return Err(unreachable("no pipes"));
            };
            Ok(Wire {
                requests: Box::new(requests),
                answers: Box::new(answers),
                errors: Box::new(errors),
                process: Box::new(child),
            })
        })
    }

    fn expose<'a>(&'a self, _: &'a str) -> Pending<'a, Result<Exposed, LineError>> {
        Box::pin(async {
            Ok(Exposed {
                at: self.root.clone(),
                held: Box::new(()),
            })
        })
    }

    fn reach<'a>(&'a self, exposed: &'a Exposed) -> Pending<'a, Result<Reached, LineError>> {
        Box::pin(async {
            let port = RELAYS.fetch_add(1, Ordering::Relaxed);
            let way = self.root.join("run/paper/relay").join(port.to_string());
            let held = Way(way.clone());
            let made = async {
                tokio::fs::create_dir_all(way.parent().unwrap_or(&self.root)).await?;
                tokio::fs::write(&way, exposed.at.as_os_str().as_encoded_bytes()).await
            };
            made.await.map_err(|e| LineError::Unreachable(e.to_string()))?;
            Ok(Reached {
                port,
                held: Box::new(held),
            })
        })
    }

    fn reset(&self) -> Pending<'_, ()> {
        Box::pin(async {})
    }
}
