//! The API is served to nobody but by the master. A fuzzer has to reach it from outside: this is its door, hidden from the
//! documentation, and for nothing else.

use std::error::Error;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::connect_info::ConnectInfo;
use axum::http::Request;
use http_body_util::BodyExt;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use vsjob_engine::store::Memory;
use vsjob_engine::{
    ActionRef, Actions, Actor, Class, Clock, Engine, Failure, HostName, JobId, Moment, Options, Outcome,
    Performing, Sighting, Sleep, Timestamp, VirtualClock, Work,
};
use vsjob_workers::{Pool, Settings, Slaves};
use vsjob_workflows::{Generations, Site, registry, site_hosts};

use crate::master::{House, Peer, routes};

/// The API of a master with a guest, on a host that is away. Its steps fail, and no time passes.
pub struct Api {
    engine: Engine,
    routes: TowerToHyperService<Router>,
}

impl Api {
    /// That of a new one, with this folder.
    ///
    /// # Errors
    /// It cannot be set up.
    pub async fn new(state: &Path) -> Result<Self, Box<dyn Error>> {
        let slaves = Slaves::parse("slaves.conf", "vsh-01\nvsh-02:noselect\n")?;
        let mut settings = Settings::parse("vsjob.toml", "")?;
        settings.paper = Some(state.join("none"));
        let time = VirtualClock::at(Timestamp::from_millis(1_795_919_400_000));
        let pool = Pool::configured(registry(), &slaves, &settings, Arc::new(time.clone()));
        let store = Memory::new().open().boxed();
        let engine = Engine::open(
            store,
            Arc::new(Failing),
            Arc::new(time.clone()),
            Options::default(),
        )?;
        let here = Sighting {
            guest: "ldap".to_owned(),
            host: "vsh-01".parse()?,
            placed: None,
            lock: "guest/ldap".to_owned(),
        };
        let nobody = Actor {
            user: "nobody".to_owned(),
            from: "here".to_owned(),
            reason: None,
        };
        engine.place(here, nobody).await?;
        let house = House {
            engine: engine.clone(),
            pool: Arc::new(pool),
            configured: Site {
                state: state.to_owned(),
                zone: "UTC".to_owned(),
                hosts: site_hosts(&slaves, &settings),
                generations: Generations {
                    folder: state.join("generations"),
                    ..Generations::default()
                },
                ..Site::default()
            },
            slaves,
            clock: Arc::new(Impatient(time)),
        };
        let routes = TowerToHyperService::new(routes(Arc::new(house)));
        Ok(Self { engine, routes })
    }

    /// The status and the body that its owner is answered with; nothing, if no request can be like that.
    pub async fn ask(&self, method: &str, uri: &str, body: &str) -> Option<(u16, Vec<u8>)> {
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header("content-type", "application/json")
            .extension(ConnectInfo(Peer::of(rustix::process::geteuid().as_raw())))
            .body(Body::from(body.to_owned()))
            .ok()?;
        let answer = self.routes.call(request).await.ok()?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.ok()?;
        Some((status, body.to_bytes().to_vec()))
    }

    /// The number of the last durable change.
    #[must_use]
    pub fn change(&self) -> u64 {
        *self.engine.changes().borrow()
    }

    /// Ends it.
    ///
    /// # Errors
    /// Something was not kept.
    pub async fn close(self) -> Result<(), Box<dyn Error>> {
        drop(self.routes);
        Ok(self.engine.close().await?)
    }
}

/// No step has an effect, neither here nor anywhere.
struct Failing;

impl Actions for Failing {
    fn knows(&self, _: &ActionRef) -> bool {
        true
    }

    fn perform(&self, _: Work) -> Performing {
        Box::pin(async { Outcome::Failed(Failure::new(Class::Permanent, "VSJ0301", "nothing is done here")) })
    }

    fn forget(&self, _: JobId, _: Vec<HostName>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async {})
    }
}

/// Nobody waits.
struct Impatient(VirtualClock);

impl Clock for Impatient {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn moment(&self) -> Moment {
        self.0.moment()
    }

    fn sleep(&self, _: Duration) -> Sleep {
        Box::pin(async {})
    }
}
