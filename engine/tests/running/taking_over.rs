//! A master that takes over holds every job until somebody has seen how the hosts are.

use vsjob_engine::{Command, Engine, EngineError, Epoch, JobId, Options, Sighting, Status};

use crate::bench::{Answer, Bench, actor, job, open, open_as, step};
use vsjob_engine::Mode;

/// A master that took over from the one on the bench, which died while `waits` was under way.
async fn taken_over(bench: &Bench) -> (Engine, JobId) {
    bench.script.put("waits", Mode::Do, Answer::Never);
    let id = bench
        .submit(job(None, "guest/ldap", vec![step("waits"), step("next")]))
        .await;
    bench.until(id, |_| bench.script.seen().len() == 1).await;
    let options = Options {
        take_over: Some(7),
        ..Options::default()
    };
    (open_as(&bench.store, &bench.script, &bench.clock, options), id)
}

#[tokio::test]
async fn nothing_moves_until_the_take_over_is_accepted_and_then_everything_does() {
    let mut bench = Bench::new();
    let (taker, id) = taken_over(&bench).await;
    // However often the other one is started again, it is not above this one.
    assert_eq!(taker.epoch().counter, 7 + Epoch::SKIPPED);
    bench.engine = taker;
    for _ in 0..2 {
        assert!(bench.engine.is_held().await.unwrap());
        let known = bench.engine.job(id).await.unwrap().unwrap();
        assert!(known.waits_for.unwrap().contains("vsjob scan"));
        for command in [Command::Cancel, Command::Resume] {
            let refused = bench.engine.command(id, command, actor()).await;
            assert!(matches!(refused, Err(EngineError::Held)), "{refused:?}");
        }
        let refused = bench
            .engine
            .submit(job(None, "guest/web", vec![step("new")]))
            .await;
        assert!(matches!(refused, Err(EngineError::Held)), "{refused:?}");
        assert_eq!(bench.script.seen().len(), 1);
        // Killed and started again as usual it still holds them.
        bench.engine = open(&bench.store, &bench.script, &bench.clock);
    }
    bench.engine.accept(Vec::new(), actor()).await.unwrap();
    assert!(!bench.engine.is_held().await.unwrap());
    assert_eq!(bench.end(id).await.status, Status::Succeeded);
    let refused = bench.engine.accept(Vec::new(), actor()).await;
    assert!(matches!(refused, Err(EngineError::NotHeld)), "{refused:?}");
}

#[tokio::test]
async fn a_job_of_which_the_hosts_know_more_is_stuck_until_it_is_resumed() {
    let mut bench = Bench::new();
    let (taker, id) = taken_over(&bench).await;
    bench.engine = taker;
    let doubt = vec![(id, "vsh-01 has seen more of it".to_owned())];
    bench.engine.accept(doubt, actor()).await.unwrap();
    let stuck = bench
        .until(id, |job| matches!(job.status, Status::Stuck { .. }))
        .await;
    assert!(matches!(stuck.status, Status::Stuck { reason, .. } if reason.contains("seen more")));
    bench.order(id, Command::Resume).await;
    assert_eq!(bench.end(id).await.status, Status::Succeeded);
}

#[tokio::test]
async fn a_guest_that_a_held_job_has_is_placed_where_it_was_seen_and_not_any_more_once_the_job_goes_on() {
    let mut bench = Bench::new();
    let (taker, id) = taken_over(&bench).await;
    bench.engine = taker;
    let seen = |host: &str, placed: Option<&str>| Sighting {
        guest: "ldap".to_owned(),
        host: host.parse().unwrap(),
        placed: placed.map(|host| host.parse().unwrap()),
        lock: "guest/ldap".to_owned(),
    };
    assert!(bench.engine.place(seen("vsh-02", None), actor()).await.unwrap());
    bench.script.put("waits", Mode::Do, Answer::Never);
    bench.engine.accept(Vec::new(), actor()).await.unwrap();
    let seen = seen("vsh-01", Some("vsh-02"));
    assert!(!bench.engine.place(seen, actor()).await.unwrap());
    assert_eq!(bench.engine.placement().await.unwrap()["ldap"].as_str(), "vsh-02");
    assert!(bench.engine.job(id).await.unwrap().is_some());
}
