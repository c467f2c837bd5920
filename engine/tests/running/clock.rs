//! A wall clock that is set hastens nothing and delays nothing; what waits for days counts the time that a master was up.

use std::time::Duration;

use vsjob_engine::store::{Put, Store as _};
use vsjob_engine::{
    Class, Clock as _, ClockEvent, EngineError, Event, Failure, Job, JobId, Mode, Outcome, Status, StepState,
};

use crate::bench::{Answer, Bench, actor, failed, job, open, step};

const MINUTE: i64 = 60_000;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A job whose time comes after so many days.
async fn due_in(bench: &Bench, days: u32) -> JobId {
    let mut new = job(None, "guest/ldap", vec![step("purge")]);
    let now = bench.engine.time().await.unwrap().now;
    new.request.not_before = Some(now + DAY * days);
    bench.submit(new).await
}

/// Lets time pass in small steps, as it does, with so many looks of the engine.
async fn pass(bench: &Bench, time: Duration, looks: u32) {
    for _ in 0..looks {
        bench.clock.advance(time / looks);
        // The owner has taken in the time when it answers.
        bench.engine.time().await.unwrap();
    }
}

async fn known(bench: &Bench, id: JobId) -> Job {
    bench.engine.job(id).await.unwrap().unwrap().job
}

fn restart(bench: &mut Bench) {
    bench.clock = bench.clock.another();
    bench.engine = open(&bench.store, &bench.script, &bench.clock);
}

/// A job whose only step has failed, and is tried again after a second.
async fn waits_for_a_retry(bench: &Bench) -> JobId {
    bench.script.put("a", Mode::Do, failed(Class::Transient));
    let id = bench.submit(job(None, "guest/ldap", vec![step("a")])).await;
    bench
        .until(id, |job| matches!(job.steps[0].state, StepState::Waiting { .. }))
        .await;
    id
}

#[tokio::test]
async fn a_retry_comes_in_time_although_the_wall_clock_is_set_back() {
    for minutes in [-5, -60, -5_000_000] {
        let bench = Bench::new();
        let id = waits_for_a_retry(&bench).await;
        bench.clock.set_by(minutes * MINUTE);
        // At half speed if the clock is followed: the wait was a second.
        pass(&bench, Duration::from_secs(4), 40).await;
        bench.until(id, |job| job.status == Status::Succeeded).await;
        let spent = bench.clock.moment().steady.as_secs() - 1_700_000_000;
        assert!(spent < 10, "{minutes}: it came after {spent} s");
    }
}

#[tokio::test]
async fn a_retry_comes_in_time_although_a_clock_set_back_was_accepted() {
    let bench = Bench::new();
    let id = waits_for_a_retry(&bench).await;
    bench.clock.set_by(-60 * MINUTE);
    pass(&bench, Duration::from_millis(10), 1).await;
    bench.engine.accept_clock(actor()).await.unwrap();
    pass(&bench, Duration::from_secs(4), 40).await;
    bench.until(id, |job| job.status == Status::Succeeded).await;
    assert!(bench.clock.moment().steady.as_secs() - 1_700_000_000 < 60);
}

#[tokio::test]
async fn a_host_that_did_not_answer_is_asked_again_in_time_although_a_clock_set_back_was_accepted() {
    let bench = Bench::new();
    let away = Failure::new(Class::Transient, "T3", "it does not answer");
    bench
        .script
        .put("a", Mode::Do, Answer::Outcome(Outcome::Unknown(away)));
    let id = bench.submit(job(None, "guest/ldap", vec![step("a")])).await;
    for _ in 0..1000 {
        if bench.engine.job(id).await.unwrap().unwrap().waits_for.is_some() {
            break;
        }
        tokio::task::yield_now().await;
    }
    bench.clock.set_by(-60 * MINUTE);
    pass(&bench, Duration::from_millis(10), 1).await;
    bench.engine.accept_clock(actor()).await.unwrap();
    pass(&bench, Duration::from_secs(4), 40).await;
    bench.until(id, |job| job.status == Status::Succeeded).await;
    assert!(bench.clock.moment().steady.as_secs() - 1_700_000_000 < 60);
}

#[tokio::test]
async fn a_wall_clock_that_jumps_makes_nothing_due_neither_before_it_is_accepted_nor_then() {
    let bench = Bench::new();
    let id = due_in(&bench, 7).await;
    bench.clock.set_by(525_600 * MINUTE);
    pass(&bench, DAY, 200).await;
    assert_eq!(known(&bench, id).await.status, Status::Queued);
    let time = bench.engine.time().await.unwrap();
    assert_eq!(
        time.jump.unwrap().to.since(time.jump.unwrap().from).as_secs() / 60,
        525_600
    );

    bench.engine.accept_clock(actor()).await.unwrap();
    let time = bench.engine.time().await.unwrap();
    assert_eq!((time.now, time.jump), (time.wall, None));
    pass(&bench, DAY * 5, 1000).await;
    assert_eq!(known(&bench, id).await.status, Status::Queued);
    pass(&bench, DAY * 2, 400).await;
    bench.end(id).await;
    let refused = bench.engine.accept_clock(actor()).await;
    assert!(matches!(refused, Err(EngineError::ClockInOrder)));
}

#[tokio::test]
async fn what_is_due_while_the_clock_is_in_doubt_is_held_until_it_is_accepted_by_a_later_master_too() {
    let mut bench = Bench::new();
    let id = due_in(&bench, 1).await;
    bench.clock.set_by(-11 * MINUTE);
    pass(&bench, DAY * 2, 400).await;
    restart(&mut bench);
    pass(&bench, DAY, 200).await;
    assert_eq!(known(&bench, id).await.status, Status::Queued);
    let waits_for = bench.engine.job(id).await.unwrap().unwrap().waits_for.unwrap();
    assert!(waits_for.contains("vsjob clock"), "{waits_for}");
    // What has no time of its own is no concern of the clock.
    let other = bench.submit(job(None, "guest/web", vec![step("a")])).await;
    bench.end(other).await;
    bench.engine.accept_clock(actor()).await.unwrap();
    bench.end(id).await;
}

#[tokio::test]
async fn what_only_waits_for_a_lock_is_not_held_by_a_clock_in_doubt_by_a_later_master_either() {
    let mut bench = Bench::new();
    bench.script.put("slow", Mode::Do, Answer::Never);
    let slow = bench.submit(job(None, "guest/ldap", vec![step("slow")])).await;
    let id = bench.submit(job(None, "guest/ldap", vec![step("a")])).await;
    bench.until(slow, |_| bench.script.seen().len() == 1).await;
    bench.engine.clone().close().await.unwrap();
    bench.clock.set_by(-60 * MINUTE);
    restart(&mut bench);
    assert!(bench.engine.time().await.unwrap().jump.is_some());
    bench.end(slow).await;
    assert_eq!(bench.end(id).await.status, Status::Succeeded);
}

#[tokio::test]
async fn a_correction_of_some_minutes_is_followed_and_needs_nobody() {
    let bench = Bench::new();
    bench.clock.set_by(9 * MINUTE);
    pass(&bench, Duration::from_secs(1), 10).await;
    let ahead = bench.engine.time().await.unwrap();
    bench.clock.set_by(-9 * MINUTE);
    pass(&bench, Duration::from_secs(20 * 60), 1200).await;
    let later = bench.engine.time().await.unwrap();
    for time in [ahead, later] {
        assert_eq!((time.now, time.jump), (time.wall, None));
    }
}

#[tokio::test]
async fn the_time_that_no_master_was_up_does_not_count() {
    for killed in [false, true] {
        let mut bench = Bench::new();
        let id = due_in(&bench, 7).await;
        pass(&bench, DAY * 6, 1200).await;
        if !killed {
            bench.engine.clone().close().await.unwrap();
        }
        bench.clock = bench.clock.another();
        bench.clock.advance(DAY * 30);
        restart(&mut bench);
        assert_eq!(bench.engine.time().await.unwrap().jump, None, "it was only off");
        pass(&bench, DAY - Duration::from_secs(3600), 200).await;
        assert_eq!(known(&bench, id).await.status, Status::Queued, "{killed}");
        // A master that is killed forgets a little of its time: never too early.
        pass(&bench, Duration::from_secs(2 * 3600), 100).await;
        bench.end(id).await;
    }
}

#[tokio::test]
async fn a_clock_behind_the_journal_is_in_doubt_from_the_start() {
    let mut bench = Bench::new();
    let id = due_in(&bench, 0).await;
    bench.end(id).await;
    bench.engine.clone().close().await.unwrap();
    bench.clock.set_by(-60 * MINUTE);
    restart(&mut bench);
    let time = bench.engine.time().await.unwrap();
    assert!(time.jump.is_some() && time.now > time.wall);
    let events = bench.engine.reader().frames_after(0);
    let entries: Vec<_> = events
        .map(|frame| vsjob_engine::Entry::decode(&frame.unwrap().payload).unwrap())
        .collect();
    assert!(entries.windows(2).all(|pair| pair[0].at <= pair[1].at));
    let jumped = |event: &Event| matches!(event, Event::Clock(ClockEvent::Jumped { .. }));
    assert_eq!(entries.iter().filter(|entry| jumped(&entry.event)).count(), 1);
}

#[tokio::test]
async fn a_job_of_a_store_that_did_not_count_waits_for_as_long_again() {
    let mut bench = Bench::new();
    let id = due_in(&bench, 7).await;
    pass(&bench, DAY * 6, 1200).await;
    bench.engine.clone().close().await.unwrap();
    let mut opened = bench.store.open();
    let key = [b"due/", &id.as_bytes()[..]].concat();
    opened.store.index(opened.indexed, vec![Put { key, value: None }]);
    drop(opened);
    restart(&mut bench);
    pass(&bench, DAY * 6, 1200).await;
    assert_eq!(known(&bench, id).await.status, Status::Queued);
    pass(&bench, DAY * 2, 400).await;
    bench.end(id).await;
}

#[tokio::test]
async fn the_time_of_masters_that_stop_in_good_order_counts_however_short_their_lives_are() {
    let mut bench = Bench::new();
    let id = due_in(&bench, 1).await;
    // By itself a master writes down its time each ten minutes.
    let life = Duration::from_secs(9 * 60);
    for _ in 0..DAY.as_secs() / life.as_secs() {
        pass(&bench, life, 3).await;
        bench.engine.clone().close().await.unwrap();
        restart(&mut bench);
    }
    bench.end(id).await;
}

/// How often it was written down how long a master has been up.
fn noted(bench: &Bench) -> usize {
    let frames = bench.engine.reader().frames_after(0);
    let entries = frames.map(|frame| vsjob_engine::Entry::decode(&frame.unwrap().payload).unwrap());
    let up = |entry: &vsjob_engine::Entry| matches!(entry.event, Event::Clock(ClockEvent::Up { .. }));
    entries.filter(up).count()
}

#[tokio::test]
async fn how_long_a_master_was_up_is_written_down_seldom_and_oftener_when_something_is_due_soon() {
    let bench = Bench::new();
    pass(&bench, DAY, 1440).await;
    assert_eq!(noted(&bench), 0, "nothing waits for it");
    due_in(&bench, 7).await;
    assert_eq!(noted(&bench), 1);
    pass(&bench, DAY, 1440).await;
    assert_eq!(noted(&bench), 1 + 24 * 6);
    let mut soon = job(None, "guest/www", vec![step("a")]);
    soon.request.not_before = Some(bench.engine.time().await.unwrap().now + Duration::from_secs(200));
    bench.submit(soon).await;
    let before = noted(&bench);
    pass(&bench, Duration::from_secs(190), 380).await;
    // After an eighth of the wait, but after ten seconds at least.
    let times = noted(&bench) - before;
    assert!((13..=16).contains(&times), "{times}");
}
