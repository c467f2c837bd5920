//! What a host says is read by private functions, because nobody else may take its word for anything. A fuzzer has to
//! reach them from outside: this is its door, hidden from the documentation, and for nothing else.

use std::io::ErrorKind;

use vsjob_engine::{Epoch, HostName, Outputs};

use crate::channel::Answer;
use crate::frame::FrameReader;
use crate::{Capture, Claim, HostError, answer, claim, launched};

/// The frames of one answer stream, each with the output before it, up to its end or the first that is none; and
/// which of the two it was.
pub async fn frames(mut stream: &[u8], nonce: &str) -> (Vec<(Capture, String)>, ErrorKind) {
    let mut reader = FrameReader::new(&mut stream, nonce);
    let mut frames = Vec::new();
    loop {
        match reader.next().await {
            Ok(frame) => frames.push(frame),
            Err(error) => return (frames, error.kind()),
        }
    }
}

/// The results that a script's answer holds.
///
/// # Errors
/// They are none.
pub fn outputs(host: &HostName, answer: &Answer) -> Result<Outputs, HostError> {
    answer::parse_outputs(host, "a script", answer)
}

/// The failure that a script's answer tells: its code and its message.
#[must_use]
pub fn failure(host: &HostName, answer: &Answer) -> (String, String) {
    let failure = answer::failure(host, "a script", answer);
    (failure.code, failure.message)
}

/// What `claim.sh` answered.
///
/// # Errors
/// The host refused, or talks nonsense.
pub fn claim(host: &HostName, ours: Epoch, answer: &Answer) -> Result<Claim, HostError> {
    claim::parse(host, ours, answer)
}

/// Whether a host's answer about a launched command says how it is; if it is running, its last word.
#[must_use]
pub fn progress(host: &HostName, answer: Answer) -> Option<String> {
    match launched::state(host, "a command", answer).ok()? {
        launched::State::Running(word) => Some(word),
        _ => Some(String::new()),
    }
}
