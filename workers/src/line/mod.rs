//! A line to a host: what a channel is opened over.

mod forward;
mod paper;
mod ssh;

pub use paper::PaperLine;
pub use ssh::{SshLine, SshOptions, end_leftovers};

use std::any::Any;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};

/// The streams of a `sh` on a host that runs the loop of a channel.
pub struct Wire {
    /// To its standard input.
    pub requests: Box<dyn AsyncWrite + Send + Unpin>,
    /// From its standard output.
    pub answers: Box<dyn AsyncRead + Send + Unpin>,
    /// From its standard error.
    pub errors: Box<dyn AsyncRead + Send + Unpin>,
    /// The local end, held as long as the wire is used.
    pub process: Box<dyn Any + Send>,
}

/// What can be reached on a host from this machine, as long as this is held and the connection lives.
pub struct Exposed {
    /// Where: the path of a socket.
    pub at: PathBuf,
    /// What ends it when it is dropped.
    pub held: Box<dyn Any + Send + Sync>,
}

/// What a host can reach through this machine, as long as this is held and the connection lives.
pub struct Reached {
    /// At which port of its loopback.
    pub port: u16,
    /// What ends it when it is dropped.
    pub held: Box<dyn Any + Send + Sync>,
}

/// Why a line could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// No answer, whatever the reason.
    #[error("{0}")]
    Unreachable(String),
    /// The host shows another key than the known one.
    #[error("another host key")]
    HostKeyChanged,
    /// No key of the host is known.
    #[error("no known host key")]
    HostKeyUnknown,
    /// The host does not accept who we are.
    #[error("{0}")]
    AuthFailed(String),
}

/// A future of a `T` that lives as long as what it was asked of.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A way to a host.
pub trait Line: Send + Sync {
    /// Starts a `sh` with the loop of a channel. It may be gone by the first request: only an answer proves a host.
    fn open(&self) -> Pending<'_, Result<Wire, LineError>>;
    /// Lets this machine reach, at a place of its own, what `address` is on the host: `ADDRESS:PORT`.
    fn expose<'a>(&'a self, address: &'a str) -> Pending<'a, Result<Exposed, LineError>>;
    /// Lets the host reach, at a port of its own loopback and of nobody else's, what another line has exposed.
    fn reach<'a>(&'a self, exposed: &'a Exposed) -> Pending<'a, Result<Reached, LineError>>;
    /// Gives up the connection behind the wires that are open, so that the next is made anew.
    fn reset(&self) -> Pending<'_, ()>;
}

/// What the `sh` of a channel runs.
const LOOP: &str = include_str!("../channel.sh");
