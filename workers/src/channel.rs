//! A channel: a long-lived `sh` on a host that performs requests one after the other, so that a short script pays for
//! no session and no shell of its own, and has a true exit code. The other end is `channel.sh`.

use std::collections::HashSet;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use uuid::Uuid;
use vsjob_engine::Epoch;

use crate::Script;
use crate::frame::{Capture, FrameReader};
use crate::line::Wire;

/// How much of ssh's own words is read, in bytes.
const MOST_WORDS: u64 = 4096;

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
    /// Where ssh itself talks; a script's errors come with its answer.
    errors: Box<dyn AsyncRead + Send + Unpin>,
    loaded: HashSet<String>,
    /// Of the last request.
    number: u64,
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
            errors: wire.errors,
            loaded: HashSet::new(),
            number: 0,
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
        self.number += 1;
        let text = self.encode(request);
        self.send(&text).await?;
        let reply = match read_reply(&mut self.answers).await {
            Ok(reply) => reply,
            Err(e) => return Err(self.why_lost(&e).await),
        };
        let code = self.code(&reply.end)?;
        match reply
            .status
            .as_deref()
            .map(|why| why.split_once(':').unwrap_or((why, "")))
        {
            None => Ok(Answer {
                code,
                stdout: reply.stdout,
                stderr: reply.stderr,
            }),
            Some(("unclaimed", _)) => Err(ChannelError::Unclaimed),
            Some(("refused", epoch)) => Err(ChannelError::Refused(crate::frame::printable(
                &epoch.replace(':', "-"),
            ))),
            Some((other, _)) => Err(lost(&format!("the host answered `{other}`"))),
        }
    }

    /// The other end is gone: ssh has said why, if it is ssh that noticed.
    async fn why_lost(&mut self, error: &std::io::Error) -> ChannelError {
        let mut said = Vec::new();
        let read = (&mut self.errors).take(MOST_WORDS).read_to_end(&mut said).await;
        let said = String::from_utf8_lossy(&said);
        if read.is_ok() && !said.trim().is_empty() {
            lost(&said)
        } else {
            lost(&error.to_string())
        }
    }

    fn encode(&mut self, request: &Request) -> Vec<u8> {
        let mut text = Vec::new();
        for script in std::iter::once(&request.script).chain(&request.data) {
            if self.loaded.insert(script.hash.clone()) {
                text.extend(format!("load\n{} {}\n", script.hash, script.text.len()).bytes());
                text.extend(script.text.bytes());
            }
        }
        let (mode, counter, epoch) = match request.epoch {
            Some(epoch) => ("m", epoch.counter, epoch.id.simple().to_string()),
            None => ("r", 0, "-".to_owned()),
        };
        let (hash, count) = (&request.script.hash, request.args.len());
        text.extend(format!("run {mode} {hash} {counter} {epoch} {count}\n").bytes());
        for arg in &request.args {
            text.extend(arg.bytes());
            text.push(b'\n');
        }
        text
    }

    /// The exit code in `end NUMBER CODE`.
    fn code(&self, frame: &str) -> Result<u8, ChannelError> {
        match frame.split(' ').collect::<Vec<_>>()[..] {
            ["end", number, code] if number.parse() == Ok(self.number) => code.parse().ok(),
            _ => None,
        }
        .ok_or_else(|| lost("an answer to another question"))
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

/// An answer as it comes.
#[derive(Default)]
struct Reply {
    stdout: Capture,
    stderr: Capture,
    /// Why the script was not run, if so.
    status: Option<String>,
    /// The last frame.
    end: String,
}

async fn read_reply<R: AsyncRead + Unpin>(answers: &mut FrameReader<R>) -> std::io::Result<Reply> {
    let mut reply = Reply::default();
    let (output, mut frame) = answers.next().await?;
    reply.stdout = output;
    loop {
        let more = frame == "errors";
        match frame.strip_prefix("status ") {
            Some(why) => reply.status = Some(why.to_owned()),
            None if more => {}
            None => {
                reply.end = frame;
                return Ok(reply);
            }
        }
        let (output, next) = answers.next().await?;
        if more {
            reply.stderr = output;
        }
        frame = next;
    }
}

fn lost(why: &str) -> ChannelError {
    let last = why.lines().map(str::trim).rfind(|line| !line.is_empty());
    ChannelError::Lost(crate::frame::printable(last.unwrap_or("it was closed")))
}
