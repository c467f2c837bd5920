//! `demo go`: tells a waiting demo job to go on.

use crate::Exit;
use crate::complaint::Stop;
use crate::message::Accepted;
use crate::session::Session;

pub(crate) async fn go(session: &Session, job: &str) -> Result<Exit, Stop> {
    let id = super::job::find(session, job).await?;
    let accepted: Accepted = session
        .client
        .post(&format!("/v1/demo/{id}/go"), &session.who(None))
        .await?;
    session
        .output
        .talk(format!("job {} was told to go on", accepted.short));
    Ok(Exit::Done)
}
