//! Who is at the other end of a connection, as the kernel says, and what they may do. Root and the master's own user are
//! admins; others who may connect, which is the socket's group, may look.

use axum::extract::FromRequestParts;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::http::request::Parts;
use axum::serve::IncomingStream;
use tokio::net::UnixListener;
use vsjob_engine::Actor;

use super::answer::Refused;
use crate::message::Who;
use crate::{Complaint, Exit};

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    uid: Option<u32>,
}

impl Peer {
    /// A process of this user.
    pub(crate) fn of(uid: u32) -> Self {
        Self { uid: Some(uid) }
    }
}

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self {
            uid: stream.io().peer_cred().ok().map(|credentials| credentials.uid()),
        }
    }
}

/// A peer who may change things.
#[derive(Clone, Debug)]
pub(crate) struct Admin {
    user: String,
}

impl Admin {
    /// Who gave a command, for the audit log: the user is the kernel's word, the rest is the client's.
    #[must_use]
    pub(crate) fn actor(&self, who: Who) -> Actor {
        Actor {
            user: self.user.clone(),
            from: one_line(&who.from.unwrap_or_else(|| "this machine".to_owned())),
            reason: who.reason.as_deref().map(one_line),
        }
    }
}

/// At most 500 characters, none of which moves a cursor.
fn one_line(text: &str) -> String {
    text.chars()
        .take(500)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

impl<S: Send + Sync> FromRequestParts<S> for Admin {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let uid = parts
            .extensions
            .get::<ConnectInfo<Peer>>()
            .and_then(|info| info.0.uid);
        match uid {
            Some(uid) if uid == 0 || uid == rustix::process::geteuid().as_raw() => {
                Ok(Self { user: name(uid) })
            }
            _ => Err(Refused::forbidden(
                Complaint::new(
                    "VSJ0507",
                    Exit::Refused,
                    "you may look, but not change anything here",
                )
                .hint("ask as root or as the master's own user"),
            )),
        }
    }
}

fn name(uid: u32) -> String {
    users::get_user_by_uid(uid).map_or_else(
        || uid.to_string(),
        |user| user.name().to_string_lossy().into_owned(),
    )
}
