//! The way from one host to another through the master, where the hosts cannot reach each other. It leads from a port of
//! the one's loopback, over the two connections that the master has anyway, to the sshd that the master reaches the other
//! by. It carries what it is given: who is at its end proves that by the host's key, and who comes by the job's.
//!
//! A way lives as long as it is held, and at most as long as both connections. A step that needs one gets one for each of
//! its attempts: a command whose way is lost fails for a moment, and is tried again.

use std::sync::Arc;
use std::time::Duration;

use crate::host::{Host, Question};
use crate::line::{Exposed, Reached};
use crate::{HostError, answer, internal};

/// The argument of an action by which it asks for a way: `yes` is then replaced by the way's port.
pub(crate) const ARGUMENT: &str = "relay";
/// The longest that a host may take for its part.
const LIMIT: Duration = Duration::from_secs(30);

/// A way.
pub(crate) struct Relay {
    // Dropped in this order: nobody finds a way that leads nowhere.
    near: Reached,
    _far: Exposed,
}

impl Relay {
    /// A way from `near` to `far`.
    pub(crate) async fn open(near: &Arc<Host>, far: &Arc<Host>) -> Result<Self, HostError> {
        let question = Question::read(internal::SSHD.clone(), Vec::new(), LIMIT);
        let answer = far.ask(question).await?;
        let said = answer::parse_outputs(far.name(), &internal::SSHD.name, &answer)?;
        let address = said.get("sshd").map_or("", String::as_str);
        let exposed = far.on_line(LIMIT, || far.line().expose(address)).await?;
        let reached = near.on_line(LIMIT, || near.line().reach(&exposed)).await?;
        Ok(Self {
            near: reached,
            _far: exposed,
        })
    }

    /// The port of the loopback that it begins at.
    pub(crate) fn port(&self) -> u16 {
        self.near.port
    }
}
