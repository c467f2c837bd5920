//! What can be taken back: guests that were removed and wait for the job that will delete them. Read from that job and
//! from the remove that has submitted it, so it is as durable as those are, and ends when the deletion begins.

use vsjob_engine::{Engine, EngineError, Filter, HostName, Job, JobId, Outputs, Status, Value};

use crate::{Given, GuestName, Leftover};

/// A guest that was removed, and that nothing has begun to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// What it is called meanwhile.
    pub name: Leftover,
    /// The host that it is on.
    pub host: HostName,
    /// The remove.
    pub job: JobId,
    /// The key of the job that waits to delete it.
    pub purge: String,
    /// What that remove has read of it before it changed anything.
    pub facts: Outputs,
}

impl Removed {
    /// Its guest.
    #[must_use]
    pub fn guest(&self) -> &GuestName {
        self.name.guest()
    }

    /// A fact, as an argument of a step. Empty if nothing tells.
    #[must_use]
    pub fn fact<T>(&self, name: &str) -> Given<T> {
        let value = self.facts.get(name).cloned().unwrap_or_default();
        Given::From(Value::Text(value))
    }

    /// Of a remove, by what its steps have answered.
    fn of(remove: &Job, host: HostName, name: Leftover, purge: String) -> Option<Self> {
        let steps = remove.plan.steps.iter().zip(&remove.steps);
        let read = steps
            .filter(|(step, _)| step.action.name == "read-facts")
            .find_map(|(_, record)| record.outputs.clone())?;
        Some(Self {
            name,
            host,
            job: remove.id,
            purge,
            facts: read,
        })
    }
}

/// Every guest that can be taken back.
///
/// # Errors
/// The engine does not answer.
pub async fn removed(engine: &Engine) -> Result<Vec<Removed>, EngineError> {
    let mut found = Vec::new();
    for later in engine.jobs(Filter::OPEN).await? {
        let Some((host, name, purge, remove)) = waits(&later) else {
            continue;
        };
        if let Some(known) = engine.job(remove).await? {
            found.extend(Removed::of(&known.job, host, name, purge));
        }
    }
    Ok(found)
}

/// What a job waits to delete that a remove has left: where, what, its key, and that remove.
fn waits(later: &Job) -> Option<(HostName, Leftover, String, JobId)> {
    if later.request.operation != "purge-later" || !matches!(later.status, Status::Queued | Status::Paused(_))
    {
        return None;
    }
    let arg = |name: &str| {
        let mut args = later.request.args.iter();
        args.find_map(|(known, value)| (known == name).then_some(value))
    };
    let name: Leftover = arg("moved")?.parse().ok()?;
    let key = later.request.key.as_ref()?;
    let remove = key.strip_prefix("purge-later-of-")?.parse().ok()?;
    name.is_removed()
        .then_some((arg("host")?.parse().ok()?, name, key.clone(), remove))
}

#[cfg(test)]
mod tests {
    use vsjob_engine::{Actor, Direction, NewJob, Plan, Priority, Request, Timestamp};

    use super::*;

    #[test]
    fn only_a_purge_that_has_not_begun_lets_a_guest_come_back() {
        let remove = "00000000-0000-7000-8000-00001f2e3d4c";
        let job = |operation: &str, status: Status| {
            let args = [("host", "vsh-01"), ("moved", "web.removed-1f2e3d4c")];
            let request = Request {
                operation: operation.to_owned(),
                args: args
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .into(),
                actor: Actor {
                    user: "root".to_owned(),
                    from: "a test".to_owned(),
                    reason: None,
                },
                key: Some(format!("purge-later-of-{remove}")),
                priority: Priority::default(),
                not_before: None,
            };
            let new = NewJob {
                request,
                title: String::new(),
                plan: Plan::default(),
                locks: vec![],
            };
            let id = "00000000-0000-7000-8000-000000000001".parse().unwrap();
            let mut job = Job::new(id, new, Timestamp::from_millis(0), 1);
            job.status = status;
            waits(&job).map(|(.., remove)| remove.to_string())
        };
        let back = Some(remove.to_owned());
        assert_eq!(job("purge-later", Status::Queued), back);
        assert_eq!(job("purge-later", Status::Paused(Direction::Forward)), back);
        assert_eq!(job("purge-later", Status::Running), None);
        assert_eq!(job("purge", Status::Queued), None);
    }
}
