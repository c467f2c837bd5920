//! The Unix socket of the API: open to root, to the master's own user, and to its group.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use axum::Router;
use tokio::net::{UnixListener, UnixStream};

use super::peer::Peer;
use crate::{Complaint, Exit};

/// Root, the owner and the group may connect.
const MODE: u32 = 0o660;

/// Listens at `path`. A socket that a killed master left is replaced; one that answers is not.
pub(crate) async fn at(path: &Path) -> Result<UnixListener, Complaint> {
    if UnixStream::connect(path).await.is_ok() {
        let message = format!("another master listens at {}", path.display());
        return Err(Complaint::new("VSJ0513", Exit::Refused, message)
            .hint("give this one another socket with --socket, or stop the other one"));
    }
    bind(path).map_err(|e| {
        Complaint::new(
            "VSJ0514",
            Exit::Config,
            format!("failed to listen at {}", path.display()),
        )
        .because(&e)
        .hint("see that its folder is there and may be written, and that the path is short (107 bytes)")
    })
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    // Nobody may connect between the bind and the mode: the old umask comes back at once.
    let umask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(path);
    rustix::process::umask(umask);
    let listener = listener?;
    std::fs::set_permissions(path, Permissions::from_mode(MODE))?;
    Ok(listener)
}

/// Serves until it fails.
pub(crate) async fn serve(listener: UnixListener, routes: Router) -> io::Result<()> {
    axum::serve(listener, routes.into_make_service_with_connect_info::<Peer>()).await
}
