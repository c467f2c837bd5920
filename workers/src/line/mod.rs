//! A line to a host: what a channel is opened over.

mod paper;
mod ssh;

pub use paper::PaperLine;
pub use ssh::{SshLine, SshOptions, end_leftovers};

use std::any::Any;
use std::future::Future;
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
    /// Gives up the connection behind the wires that are open, so that the next is made anew.
    fn reset(&self) -> Pending<'_, ()>;
}

/// What the `sh` of a channel runs.
const LOOP: &str = include_str!("../channel.sh");
