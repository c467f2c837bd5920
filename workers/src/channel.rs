//! A channel: a long-lived `sh` on a host that performs requests one after the other, so that a short script pays for
//! no session and no shell of its own, and has a true exit code. The other end is `channel.sh`.

use std::collections::HashSet;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use uuid::Uuid;
use vsjob_engine::Epoch;

use crate::Script;
use crate::frame::{Capture, FrameReader};
use crate::line::Wire;

/// What a channel is asked to run.
#[derive(Clone, Debug)]
pub struct Request {
    /// The script.
    pub script: Script,
    /// Scripts that it handles as data: it finds the text in `$script_HASH`.
    pub data: Vec<Script>,
    /// Its arguments, each one line.
    pub args: Vec<String>,
    /// In whose name, if it changes anything.
    pub epoch: Option<Epoch>,
}

/// What a script answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its exit code.
    pub code: u8,
    /// What it wrote to its standard output.
    pub stdout: Capture,
    /// What it wrote to its standard error.
    pub stderr: Capture,
}

/// Why a channel gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// It broke. The script may or may not have run.
    #[error("{0}")]
    Lost(String),
    /// The host knows no epoch, or only older ones. The script did not run.
    #[error("the host is not claimed")]
    Unclaimed,
    /// The host obeys another master. The script did not run.
    #[error("the host obeys epoch {0}")]
    Refused(String),
    /// An argument that a line cannot carry. The script did not run.
    #[error("an argument has a line end or a NUL")]
    BadArgument,
}

/// One channel. After an error other than `Unclaimed`, `Refused` and `BadArgument` it is of no more use.
pub struct Channel {
    requests: Box<dyn AsyncWrite + Send + Unpin>,
    answers: FrameReader<Box<dyn AsyncRead + Send + Unpin>>,
    errors: FrameReader<Box<dyn AsyncRead + Send + Unpin>>,
    loaded: HashSet<String>,
    last_id: u64,
    /// Dropping it ends the local end of the line.
    _process: Box<dyn std::any::Any + Send>,
}

impl Channel {
    /// A channel over `wire`. Nothing has been asked yet.
    ///
    /// # Errors
    /// The wire is broken.
    pub async fn open(wire: Wire) -> Result<Self, ChannelError> {
        let nonce = Uuid::new_v4().simple().to_string();
        let mut channel = Self {
            requests: wire.requests,
            answers: FrameReader::new(wire.answers, &nonce),
            errors: FrameReader::new(wire.errors, &nonce),
            loaded: HashSet::new(),
            last_id: 0,
            _process: wire.process,
        };
        channel.send(format!("{nonce}\n").as_bytes()).await?;
        Ok(channel)
    }

    /// Runs a script and waits for its end, however long that takes. The future must not be dropped before it is
    /// ready unless the channel is.
    ///
    /// # Errors
    /// See [`ChannelError`].
    pub async fn run(&mut self, request: &Request) -> Result<Answer, ChannelError> {
        if request.args.iter().any(|arg| arg.contains(['\n', '\0'])) {
            return Err(ChannelError::BadArgument);
        }
        self.last_id += 1;
        let text = self.encode(request);
        self.send(&text).await?;
        // Both at once: a script may fill either pipe first.
        let (stdout, stderr) = tokio::join!(self.answers.next(), self.errors.next());
        let (stdout, frame) = stdout.map_err(|e| {
            // ssh says on this side's stderr why it gave up.
            let why = match &stderr {
                Err(said) if !said.to_string().is_empty() => said.to_string(),
                _ => e.to_string(),
            };
            lost(&why)
        })?;
        let (stderr, _) = stderr.map_err(|e| lost(&e.to_string()))?;
        let (code, status) = self.parse(&frame)?;
        match status.split_once(':') {
            Some(("refused", epoch)) => Err(ChannelError::Refused(epoch.replace(':', "-"))),
            _ if status == "unclaimed" => Err(ChannelError::Unclaimed),
            _ if status == "ok" => Ok(Answer { code, stdout, stderr }),
            _ => Err(lost(&format!("the host answered `{status}`"))),
        }
    }

    fn encode(&mut self, request: &Request) -> Vec<u8> {
        let mut text = Vec::new();
        for script in std::iter::once(&request.script).chain(&request.data) {
            if self.loaded.insert(script.hash.clone()) {
                text.extend(format!("load {} {}\n", script.hash, script.text.len()).bytes());
                text.extend(script.text.bytes());
            }
        }
        let (mode, counter, epoch) = match request.epoch {
            Some(epoch) => ("m", epoch.counter, epoch.id.simple().to_string()),
            None => ("r", 0, "-".to_owned()),
        };
        let (id, hash, count) = (self.last_id, &request.script.hash, request.args.len());
        text.extend(format!("run {id} {mode} {hash} {counter} {epoch} {count}\n").bytes());
        for arg in &request.args {
            text.extend(arg.bytes());
            text.push(b'\n');
        }
        text
    }

    fn parse<'a>(&self, frame: &'a str) -> Result<(u8, &'a str), ChannelError> {
        let mut words = frame.split(' ');
        let id = words.next().and_then(|word| word.parse::<u64>().ok());
        let code = words.next().and_then(|word| word.parse().ok());
        match (id, code, words.next()) {
            (Some(id), Some(code), Some(status)) if id == self.last_id => Ok((code, status)),
            _ => Err(lost("an answer to another question")),
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), ChannelError> {
        // A host that has gone away is noticed by reading, which also tells why.
        let sent = async {
            self.requests.write_all(bytes).await?;
            self.requests.flush().await
        };
        match sent.await {
            Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(lost(&e.to_string())),
            _ => Ok(()),
        }
    }
}

fn lost(why: &str) -> ChannelError {
    let last = why.lines().map(str::trim).rfind(|line| !line.is_empty());
    ChannelError::Lost(crate::frame::printable(last.unwrap_or("it was closed")))
}
