//! The client of the master: HTTP on its Unix socket. A request that was cut off is sent again where that is safe, which
//! an idempotency key makes it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use vsjob_engine::{Clock, SystemClock};

use crate::message::Trouble;
use crate::{Complaint, Exit};

/// How long an answer may take beyond what was asked for; claiming and scanning hosts take their time.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);
/// How long, and how often, a master is looked for that went away in the middle of a request.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Speaks to a master.
#[derive(Clone)]
pub(crate) struct Client {
    socket: PathBuf,
    clock: Arc<dyn Clock>,
}

/// What became of a request.
enum Sent {
    Answered(StatusCode, Bytes),
    /// Nobody listens: nothing can have happened.
    NotConnected(std::io::Error),
    /// It was sent, and what became of it is unknown.
    Lost(String),
}

impl Client {
    /// A client of the master that listens at `socket`.
    #[must_use]
    pub(crate) fn new(socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
            clock: Arc::new(SystemClock),
        }
    }

    /// Asks for `path`.
    ///
    /// # Errors
    /// No master answers, or it refuses.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Complaint> {
        let sent = self.send(Method::GET, path, Bytes::new()).await;
        self.read(sent)
    }

    /// Asks for `path`, and looks for the master for a while if it is away: it may be being restarted.
    ///
    /// # Errors
    /// No master answers for long, or it refuses.
    pub(crate) async fn get_patiently<T: DeserializeOwned>(
        &self,
        path: &str,
        away: impl FnOnce(),
    ) -> Result<T, Complaint> {
        let sent = self.patiently(Method::GET, path, Bytes::new(), away).await;
        self.read(sent)
    }

    /// Posts `body` to `path`. Sent once.
    ///
    /// # Errors
    /// No master answers, or it refuses.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Complaint> {
        let sent = self.send(Method::POST, path, encode(body)?).await;
        self.read(sent)
    }

    /// Posts `body`, which has an idempotency key, to `path`: if the master goes away before it has answered, the same
    /// is sent again when it is back.
    ///
    /// # Errors
    /// No master answers, or it refuses.
    pub(crate) async fn post_until_answered<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Complaint> {
        let body = encode(body)?;
        let mut sent = self.send(Method::POST, path, body.clone()).await;
        if matches!(sent, Sent::Lost(_)) {
            sent = self.patiently(Method::POST, path, body, || {}).await;
        }
        self.read(sent)
    }

    async fn patiently(&self, method: Method, path: &str, body: Bytes, away: impl FnOnce()) -> Sent {
        let begin = self.clock.moment().steady;
        let mut away = Some(away);
        loop {
            let sent = self.send(method.clone(), path, body.clone()).await;
            if matches!(sent, Sent::Answered(..))
                || self.clock.moment().steady.saturating_sub(begin) > PATIENCE
            {
                return sent;
            }
            if let Some(away) = away.take() {
                away();
            }
            self.clock.sleep(LOOK_EVERY).await;
        }
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Sent {
        let stream = match UnixStream::connect(&self.socket).await {
            Ok(stream) => stream,
            Err(e) => return Sent::NotConnected(e),
        };
        let exchange = async {
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            let request = Request::builder()
                .method(method)
                .uri(path)
                .header("host", "vsjob")
                .header("content-type", "application/json")
                .body(Full::new(body));
            let answer = match request {
                Ok(request) => sender.send_request(request).await?,
                Err(e) => return Ok(Err(e.to_string())),
            };
            let status = answer.status();
            let body = answer.into_body().collect().await?.to_bytes();
            Ok::<_, hyper::Error>(Ok((status, body)))
        };
        tokio::select! {
            done = exchange => match done {
                Ok(Ok((status, body))) => Sent::Answered(status, body),
                Ok(Err(why)) => Sent::Lost(why),
                Err(e) => Sent::Lost(e.to_string()),
            },
            () = self.clock.sleep(ANSWER_LIMIT) => Sent::Lost(format!("no answer within {} s", ANSWER_LIMIT.as_secs())),
        }
    }

    fn read<T: DeserializeOwned>(&self, sent: Sent) -> Result<T, Complaint> {
        let at = self.socket.display();
        match sent {
            Sent::Answered(status, body) if status.is_success() => serde_json::from_slice(&body).map_err(|e| {
                Complaint::new("VSJ0503", Exit::Internal, "the master answered what this program does not understand")
                    .because(&e)
                    .hint("master and client are of different versions: use those of one installation")
            }),
            Sent::Answered(status, body) => Err(refused(status, &body)),
            Sent::NotConnected(e) => Err(Complaint::new("VSJ0502", Exit::NoMaster, format!("no master answers at {at}"))
                .because(&e)
                .hint("start it with `systemctl start vsjob` or `vsjob master`, or name another socket with --socket")),
            Sent::Lost(why) => {
                let mut complaint =
                    Complaint::new("VSJ0506", Exit::NoMaster, format!("the master at {at} did not finish its answer"));
                complaint.causes.push(why);
                Err(complaint.hint("see with `vsjob status` what became of it; the same idempotency key makes no second job"))
            }
        }
    }
}

fn encode(body: &impl Serialize) -> Result<Bytes, Complaint> {
    serde_json::to_vec(body)
        .map(Bytes::from)
        .map_err(|e| Complaint::new("VSJ0511", Exit::Internal, "a request could not be written").because(&e))
}

fn refused(status: StatusCode, body: &[u8]) -> Complaint {
    match serde_json::from_slice::<Trouble>(body) {
        Ok(Trouble { error }) => Complaint {
            code: error.code,
            message: error.message,
            causes: error.causes,
            hint: error.hint,
            exit: if status.is_server_error() {
                Exit::Store
            } else {
                Exit::Refused
            },
        },
        Err(_) => Complaint::new("VSJ0503", Exit::Internal, format!("the master answered {status}"))
            .hint("master and client are of different versions: use those of one installation"),
    }
}
