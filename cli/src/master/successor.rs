//! Jobs that other jobs leave work to, such as the purge after a move: submitted by the master itself, in the name of
//! the job that asks.

use std::sync::Weak;
use std::time::Duration;

use vsjob_engine::{Actor, Class, Failure, Priority, Request};
use vsjob_workers::{Submit, Submitting};

use super::house::{House, new_job};

/// Submits to the house, for as long as there is one.
pub(crate) struct Successors(pub Weak<House>);

impl Submit for Successors {
    fn submit(
        &self,
        operation: &str,
        args: Vec<(String, String)>,
        wait: Duration,
        key: String,
    ) -> Submitting {
        let house = self.0.upgrade();
        let operation = operation.to_owned();
        Box::pin(async move {
            let failed = |class, why: String| Failure::new(class, "VSJ0317", why);
            let Some(house) = house else {
                return Err(failed(Class::Transient, "the master is stopping".to_owned()));
            };
            let request = Request {
                operation: operation.clone(),
                args: args.clone(),
                actor: Actor {
                    user: "vsjob".to_owned(),
                    from: "another job".to_owned(),
                    reason: Some(key.clone()),
                },
                key: Some(key),
                priority: Priority::Low,
                not_before: Some(house.clock.now() + wait),
            };
            let refused = |why: &dyn std::fmt::Display| failed(Class::Permanent, why.to_string());
            let key = request.key.as_deref().unwrap_or_default();
            if let Some(known) = house.engine.by_key(key).await.map_err(|why| refused(&why))? {
                return Ok(known);
            }
            let site = house.site().await.map_err(|why| refused(&why))?;
            let parameters = args.into_iter().collect();
            let planned = vsjob_workflows::operation(&operation)
                .and_then(|operation| operation.plan(&parameters, &site))
                .map_err(|refusal| refused(&refusal))?;
            let submitted = house.engine.submit(new_job(request, planned)).await;
            submitted.map(|job| job.id).map_err(|why| refused(&why))
        })
    }
}
