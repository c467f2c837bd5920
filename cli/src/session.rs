//! What a command works with that asks the master.

use crate::args::Global;
use crate::client::Client;
use crate::message::Who;
use crate::output::Output;

/// A way to the master, and one to whoever asks it.
pub(crate) struct Session {
    /// Where words go.
    pub output: Output,
    /// The way to the master.
    pub client: Client,
    /// What holds for every command.
    pub global: Global,
}

impl Session {
    /// What the client says about where and why.
    pub(crate) fn who(&self, reason: Option<&String>) -> Who {
        let remote = std::env::var("SSH_CONNECTION").ok();
        let from = remote
            .as_deref()
            .and_then(|connection| connection.split(' ').next());
        Who {
            from: from.map(|address| format!("ssh from {address}")),
            reason: reason.cloned(),
        }
    }
}
