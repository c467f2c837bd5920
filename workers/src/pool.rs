//! The pool: every host of `slaves.conf`, and the actions that can be performed on them. What the engine acts with.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::{mpsc, watch};
use vsjob_engine::{ActionRef, Actions, Clock, Epoch, HostName, JobId, Outcome, Performing, Work};

use crate::claim::Claim;
use crate::host::{Host, HostParts};
use crate::line::{Line, PaperLine, SshLine};
use crate::perform::{Claims, Performer};
use crate::{Action, Consents, Context, Desk, HostError, Registry, Settings, Slave, Slaves, launched};

/// How long is waited until a host is asked again to remove what a job has left, at first and at most.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// All hosts, and what can be done on them.
pub struct Pool {
    registry: Registry,
    context: Context,
    hosts: BTreeMap<HostName, Arc<Host>>,
    superseded: watch::Sender<Option<HostError>>,
    claims: Mutex<Option<mpsc::UnboundedReceiver<Claim>>>,
}

impl Pool {
    /// A pool of these hosts. Nothing is connected yet.
    #[must_use]
    pub fn new(registry: Registry, hosts: Vec<HostParts>, clock: Arc<dyn Clock>) -> Self {
        let (superseded, _) = watch::channel(None);
        let (claimed, claims) = mpsc::unbounded_channel();
        let hosts = hosts
            .into_iter()
            .map(|parts| {
                let name = parts.name.clone();
                let host = Host::new(parts, Arc::clone(&clock), superseded.clone(), claimed.clone());
                (name, Arc::new(host))
            })
            .collect();
        Self {
            registry,
            context: Context::new(clock),
            hosts,
            superseded,
            claims: Mutex::new(Some(claims)),
        }
    }

    /// The pool that the configuration describes.
    #[must_use]
    pub fn configured(
        registry: Registry,
        slaves: &Slaves,
        settings: &Settings,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let parts = slaves.hosts.iter().map(|slave| HostParts {
            name: slave.name.clone(),
            drivers: slave.drivers,
            line: line_to(slave, settings),
            answer_limit: settings.ssh.connect_timeout,
        });
        Self::new(registry, parts.collect(), clock)
    }

    /// From now on actions leave work to jobs of their own at `desk`.
    pub fn open_desk(&self, desk: Arc<dyn Desk>) {
        self.context.open_desk(desk);
    }

    /// What jobs ask people for.
    #[must_use]
    pub fn consents(&self) -> &Consents {
        &self.context.consents
    }

    /// The actions.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The hosts, by name.
    pub fn hosts(&self) -> impl Iterator<Item = &Arc<Host>> {
        self.hosts.values()
    }

    /// One host.
    ///
    /// # Errors
    /// It is not in `slaves.conf`.
    pub fn host(&self, name: &HostName) -> Result<&Arc<Host>, HostError> {
        self.hosts.get(name).ok_or_else(|| HostError::UnknownHost {
            name: name.to_string(),
        })
    }

    /// Claims every host, all at once. A host that is away is claimed when it is first needed.
    pub async fn claim(&self, epoch: Epoch) -> Vec<(HostName, Result<(), HostError>)> {
        join_all(self.hosts().map(|host| async move {
            let claimed = host.claim(epoch).await;
            (host.name().clone(), claimed)
        }))
        .await
    }

    /// The highest counter of an epoch that a host obeys, and the hosts that do not say theirs. Changes nothing.
    pub async fn highest_epoch(&self) -> (u64, Vec<HostError>) {
        let asked = join_all(self.hosts().map(Host::obeys)).await;
        let (mut highest, mut silent) = (0, Vec::new());
        for answer in asked {
            match answer {
                Ok(counter) => highest = highest.max(counter),
                Err(error) => silent.push(error),
            }
        }
        (highest, silent)
    }

    /// What is found on each host when it is claimed, now or later. There is one such stream: `None` the second time.
    pub fn claims(&self) -> Option<mpsc::UnboundedReceiver<Claim>> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Becomes something as soon as one host obeys another master: this one is then over, and must stop.
    #[must_use]
    pub fn superseded(&self) -> watch::Receiver<Option<HostError>> {
        self.superseded.subscribe()
    }

    fn prepare(&self, work: Work) -> Result<Performing, HostError> {
        let action = self
            .registry
            .find(&work.action)
            .ok_or_else(|| HostError::UnknownAction {
                action: format!("{} {}", work.action.name, work.action.version),
            })?;
        let claims = Claims {
            hosts: self.all(&work.claims)?,
            epoch: work.epoch,
        };
        match action {
            Action::Master(action) => {
                let context = self.context.clone();
                Ok(Box::pin(async move {
                    match claims.make().await {
                        Ok(()) => (action.run)(context, work).await,
                        Err(error) if error.leaves_open() => Outcome::Unknown(error.failure()),
                        Err(error) => Outcome::Failed(error.failure()),
                    }
                }))
            }
            Action::Host(action) => {
                let mut hosts = self.all(&work.hosts)?.into_iter();
                let performer = Performer {
                    host: hosts.next().ok_or_else(|| HostError::BadArguments {
                        action: action.name.to_owned(),
                        why: "it needs a host".to_owned(),
                    })?,
                    other: hosts.next(),
                    claims,
                    action,
                    clock: Arc::clone(&self.context.clock),
                    work,
                };
                Ok(Box::pin(performer.perform()))
            }
        }
    }

    fn all(&self, names: &[HostName]) -> Result<Vec<Arc<Host>>, HostError> {
        names.iter().map(|name| self.host(name).cloned()).collect()
    }
}

fn line_to(slave: &Slave, settings: &Settings) -> Box<dyn Line> {
    let name = slave.name.as_str();
    if let Some(folder) = &settings.paper {
        return Box::new(PaperLine::new(&folder.join(name), &folder.join("bin")));
    }
    let address = slave.address.as_deref().unwrap_or(name);
    Box::new(SshLine::new(
        address,
        slave.user.as_deref(),
        slave.port,
        &settings.ssh,
    ))
}

/// Removes the run directories of a job that is over. A host that cannot be asked now is asked again: it may be back on the
/// connection that it had, and is looked through as a whole only when it is claimed.
async fn forget_on(host: &Arc<Host>, job: JobId, clock: &dyn Clock) {
    let mut wait = FIRST_WAIT;
    while let Some(epoch) = host.claimed().await {
        let Err(trouble) = launched::forget(host, epoch, job).await else {
            return;
        };
        tracing::debug!(%job, host = %host.name(), ?trouble, "run directories stay for now");
        clock.sleep(wait).await;
        wait = LONGEST_WAIT.min(wait * 2);
    }
}

impl Actions for Pool {
    fn knows(&self, action: &ActionRef) -> bool {
        self.registry.find(action).is_some()
    }

    fn perform(&self, work: Work) -> Performing {
        match self.prepare(work) {
            Ok(performing) => performing,
            Err(error) => Box::pin(async move { Outcome::Failed(error.failure()) }),
        }
    }

    fn forget(&self, job: JobId, hosts: Vec<HostName>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let hosts: Vec<_> = hosts
            .iter()
            .filter_map(|name| self.hosts.get(name).cloned())
            .collect();
        let clock = Arc::clone(&self.context.clock);
        Box::pin(async move {
            join_all(hosts.iter().map(|host| forget_on(host, job, &*clock))).await;
        })
    }

    fn expect(&self, host: &HostName, machine: Option<String>) {
        // What is known of a host that is in slaves.conf no more is no use to anybody.
        if let Some(host) = self.hosts.get(host) {
            host.expect(machine);
        }
    }
}
