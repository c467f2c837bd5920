//! What is seen of a host when it is claimed: which machine it is, and run directories of jobs that are over. They go when a job ends, unless its host was away then or the master died in
//! that very moment; so what is found on a host when it is claimed is looked through. What the store does not know is
//! never touched: a store that was restored from a backup does not know what later jobs have done. Nor is what an abandoned
//! job has left: somebody may need it.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedReceiver;
use vsjob_engine::{Actions, EngineError, JobId, Status};
use vsjob_workers::Claim;

use super::house::House;

/// Writes down which machine each host is, and removes what is found of jobs that are over and owe nothing, for as long as hosts are claimed.
pub(crate) async fn tidy(house: Arc<House>, mut claims: UnboundedReceiver<Claim>) {
    while let Some(claim) = claims.recv().await {
        let (host, machine) = (claim.host.clone(), claim.machine.clone());
        if let Err(error) = house.engine.meet(host, machine).await {
            tracing::debug!(host = %claim.host, "met, and not written down: {error}");
        }
        for job in claim.jobs() {
            match is_settled(&house, job).await {
                // One host that goes away meanwhile keeps no other waiting.
                Ok(true) => drop(tokio::spawn(house.pool.forget(job, vec![claim.host.clone()]))),
                Ok(false) => {}
                Err(error) => tracing::warn!(%job, host = %claim.host, "run directories stay: {error}"),
            }
        }
    }
}

async fn is_settled(house: &House, job: JobId) -> Result<bool, EngineError> {
    let known = house.engine.job(job).await?;
    Ok(known.is_some_and(|known| {
        let job = known.job;
        job.status.is_over()
            && job.debts().next().is_none()
            && !matches!(job.status, Status::Abandoned { .. })
    }))
}
