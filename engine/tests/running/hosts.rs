//! What people and claims say about hosts, and where guests live, outlives the master, and a host that is gone for good is owed nothing.

use vsjob_engine::{
    Class, Command, EngineError, Event, Failure, HostEvent, HostName, Mode, Outcome, Placing, Sighting,
    Status, StepState, UndoKind,
};

use crate::bench::{Answer, Bench, actor, failed, job, open, step};

fn host(name: &str) -> HostName {
    name.parse().unwrap()
}

/// What the journal says about hosts.
fn said(bench: &Bench) -> Vec<HostEvent> {
    let frames = bench.engine.reader().frames_after(0);
    let entries = frames.map(|frame| vsjob_engine::Entry::decode(&frame.unwrap().payload).unwrap());
    entries
        .filter_map(|entry| match entry.event {
            Event::Host { event, .. } => Some(event),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn maintenance_and_machine_are_known_to_the_next_master() {
    let mut bench = Bench::new();
    let engine = &bench.engine;
    engine.maintain(host("vsh-01"), true, actor()).await.unwrap();
    engine.maintain(host("vsh-01"), true, actor()).await.unwrap();
    engine.meet(host("vsh-02"), "aa".to_owned()).await.unwrap();
    engine.meet(host("vsh-02"), "bb".to_owned()).await.unwrap();
    engine.meet(host("vsh-03"), String::new()).await.unwrap();
    assert_eq!(
        said(&bench).len(),
        2,
        "what is known already is not written again"
    );

    // From the index after a good end, from the journal after a bad one.
    for ends_well in [true, false] {
        if ends_well {
            bench.engine.clone().close().await.unwrap();
        }
        bench.engine = open(&bench.store, &bench.script, &bench.clock);
        let known = bench.engine.hosts().await.unwrap();
        assert_eq!(bench.script.expected("vsh-02").as_deref(), Some("aa"));
        let maintenance = known[&host("vsh-01")].maintenance.clone().unwrap();
        assert_eq!(maintenance.actor, actor());
        assert_eq!(known[&host("vsh-02")].machine.as_deref(), Some("aa"));
        assert!(!known.contains_key(&host("vsh-03")));
    }
    bench
        .engine
        .maintain(host("vsh-01"), false, actor())
        .await
        .unwrap();
    bench.engine.clone().close().await.unwrap();
    bench.engine = open(&bench.store, &bench.script, &bench.clock);
    assert!(!bench.engine.hosts().await.unwrap().contains_key(&host("vsh-01")));
}

#[tokio::test]
async fn what_is_owed_to_a_host_that_is_gone_is_struck_and_what_is_owed_to_others_is_not() {
    let mut bench = Bench::new();
    let on = |action: &str, name: &str| vsjob_engine::Step {
        hosts: vec![host(name)],
        undo: Some(UndoKind::Cleaning),
        ..step(action)
    };
    for action in ["gone", "away"] {
        for _ in 0..1000 {
            let failure = Failure::new(Class::Transient, "T3", "it does not answer");
            bench
                .script
                .put(action, Mode::Undo, Answer::Outcome(Outcome::Unknown(failure)));
        }
    }
    bench.script.put("fail", Mode::Do, failed(Class::Permanent));
    let steps = vec![on("gone", "vsh-01"), on("away", "vsh-02"), on("fail", "vsh-02")];
    let id = bench.submit(job(None, "guest/ldap", steps)).await;
    bench.end(id).await;
    bench.engine.meet(host("vsh-01"), "aa".to_owned()).await.unwrap();
    assert_eq!(bench.engine.debts().await.unwrap().len(), 2);

    let forgotten = bench
        .engine
        .forget_host(host("vsh-01"), false, actor())
        .await
        .unwrap();
    assert_eq!(forgotten.debts, 1);
    for _ in 0..2 {
        let owed = bench.engine.debts().await.unwrap();
        let to: Vec<&HostName> = owed.iter().flat_map(|debt| &debt.hosts).collect();
        assert_eq!(to, [&host("vsh-02")]);
        assert!(bench.engine.hosts().await.unwrap().is_empty());
        assert_eq!(bench.script.expected("vsh-01"), None);
        bench.engine = open(&bench.store, &bench.script, &bench.clock);
    }
    // The other host is back at last; nobody asks the one that is gone.
    let asked = bench
        .script
        .seen()
        .iter()
        .filter(|seen| seen.action == "gone")
        .count();
    bench.script.clear("away", Mode::Undo);
    let paid = bench.until(id, |job| job.debts().next().is_none()).await;
    assert!(paid.steps[..2].iter().all(|step| step.state == StepState::Undone));
    let later = bench
        .script
        .seen()
        .iter()
        .filter(|seen| seen.action == "gone")
        .count();
    assert_eq!(asked, later);
}

#[tokio::test]
async fn a_host_that_a_job_works_on_or_guests_live_on_is_not_forgotten() {
    let bench = Bench::new();
    let mut lives = step("lives");
    lives.places = vec![Placing::Place {
        guest: "ldap".to_owned(),
        host: host("vsh-01"),
    }];
    bench.script.put("waits", Mode::Do, Answer::Never);
    let id = bench
        .submit(job(None, "guest/ldap", vec![lives, step("waits")]))
        .await;
    bench
        .until(id, |job| matches!(job.steps[1].state, StepState::Started { .. }))
        .await;
    let forget = |lost| bench.engine.forget_host(host("vsh-01"), lost, actor());
    assert!(matches!(forget(true).await, Err(EngineError::HostInUse { job, .. }) if job == id));
    bench.order(id, vsjob_engine::Command::Cancel).await;
    assert_eq!(bench.end(id).await.status, Status::Cancelled);
    let refused = forget(false).await.unwrap_err();
    assert_eq!(refused.to_string(), "guests live on vsh-01: ldap");
    assert_eq!(bench.engine.placement().await.unwrap().len(), 1);

    assert_eq!(forget(true).await.unwrap().guests, ["ldap"]);
    let next = open(&bench.store, &bench.script, &bench.clock);
    for engine in [&bench.engine, &next] {
        assert!(engine.placement().await.unwrap().is_empty());
    }
}

fn seen_on(host: &str, placed: Option<&str>) -> Sighting {
    Sighting {
        guest: "ldap".to_owned(),
        host: host.parse().unwrap(),
        placed: placed.map(|host| host.parse().unwrap()),
        lock: "guest/ldap".to_owned(),
    }
}

#[tokio::test]
async fn a_guest_that_a_job_has_or_has_moved_since_it_was_seen_stays_where_it_is() {
    let bench = Bench::new();
    let place = |host, placed| bench.engine.place(seen_on(host, placed), actor());
    assert!(place("vsh-01", None).await.unwrap());
    assert!(!place("vsh-02", None).await.unwrap());
    assert!(!place("vsh-03", Some("vsh-02")).await.unwrap());
    assert_eq!(bench.engine.placement().await.unwrap()["ldap"].as_str(), "vsh-01");
    bench.script.put("a", Mode::Do, Answer::Never);
    let id = bench.submit(job(None, "guest/ldap", vec![step("a")])).await;
    assert!(!place("vsh-02", Some("vsh-01")).await.unwrap());
    bench.order(id, Command::Cancel).await;
    bench.end(id).await;
    assert!(place("vsh-02", Some("vsh-01")).await.unwrap());
}

#[tokio::test]
async fn where_an_administrator_placed_a_guest_is_known_after_a_restart() {
    let bench = Bench::new();
    assert!(
        bench
            .engine
            .place(seen_on("vsh-03", None), actor())
            .await
            .unwrap()
    );
    let engine = open(&bench.store, &bench.script, &bench.clock);
    assert_eq!(engine.placement().await.unwrap()["ldap"].as_str(), "vsh-03");
}
