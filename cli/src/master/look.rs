//! Looks at hosts outside of any job: whether they answer, which guests they have, and what of ours. Changes nothing.

use std::collections::BTreeMap;

use futures::future::join_all;
use tokio::sync::watch;
use vsjob_engine::{
    ActionRef, Actions, Class, Failure, HostName, JobId, Mode, Outcome, Outputs, Progress, StepNo, Work,
};

use super::house::House;

/// The action that finds the guests of a host.
const SCAN: &str = "scan-host";

/// The action that finds what carries our names on a host.
const LIST: &str = "list-objects";

/// A guest as a host has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its name.
    pub guest: String,
    /// Its host's word: `running enabled defined`.
    pub state: String,
}

/// What each host has, or why it did not say.
pub(crate) async fn guests(house: &House) -> BTreeMap<HostName, Result<Vec<Found>, Failure>> {
    let looks = house.slaves.hosts.iter().map(|slave| async {
        let outputs = read(house, SCAN, &slave.name, &[]).await;
        (slave.name.clone(), outputs.map(found))
    });
    join_all(looks).await.into_iter().collect()
}

fn found(outputs: Outputs) -> Vec<Found> {
    let guests = outputs.into_iter().filter_map(|(key, state)| {
        let guest = key.strip_prefix("guest.")?.to_owned();
        Some(Found { guest, state })
    });
    guests.collect()
}

/// What carries our names on a host: kind and name. Of run directories the name says whose they are.
pub(crate) async fn objects(house: &House, host: &HostName) -> Result<Vec<(String, String)>, Failure> {
    let outputs = read(house, LIST, host, &[]).await?;
    let objects = outputs.into_iter().filter(|(key, _)| key.starts_with("object."));
    let words = objects.filter_map(|(_, words)| {
        let (kind, name) = words.split_once(' ')?;
        Some((kind.to_owned(), name.to_owned()))
    });
    Ok(words.collect())
}

/// Performs a read-only action on a host.
pub(crate) async fn read(
    house: &House,
    action: &str,
    host: &HostName,
    args: &[(&str, String)],
) -> Result<Outputs, Failure> {
    let (progress, _) = watch::channel(Progress::default());
    let work = Work {
        job: JobId::new(house.clock.now()),
        step: StepNo(0),
        action: ActionRef {
            name: action.to_owned(),
            version: 1,
        },
        mode: Mode::Do,
        attempt: 1,
        resume: false,
        args: args
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect(),
        hosts: vec![host.clone()],
        claims: Vec::new(),
        epoch: house.engine.epoch(),
        progress,
    };
    match house.pool.perform(work).await {
        Outcome::Done(outputs) => Ok(outputs),
        Outcome::Failed(failure) | Outcome::Unknown(failure) => Err(failure),
        Outcome::NotDone => Err(Failure::new(Class::Transient, "VSJ0301", "it gave no answer")),
    }
}
