//! What has a latest time is begun by then, or not at all.

use super::*;

#[tokio::test]
async fn what_cannot_be_submitted_by_its_latest_time_is_not() {
    for (hours, is_done) in [(3, true), (4, false)] {
        let mut bench = bench(until_six()).await;
        bench.clock = bench.clock.another();
        bench
            .clock
            .advance(night(0).since(Timestamp::from_millis(BEGIN)) + HOUR * hours);
        restart(&mut bench);
        let jobs = pass(&bench, MINUTE, 4).await;
        assert_eq!(jobs.len(), usize::from(is_done), "{hours}");
        let came = last(&bench).await.came;
        assert_eq!(came.is_ok(), is_done, "{came:?}");
        if !is_done {
            assert_eq!(came, Err(Missed::TooLate));
        }
        assert_eq!(
            pass(&bench, DAY, 100).await.len(),
            1,
            "the next night is as always"
        );
    }
}

#[tokio::test]
async fn what_is_due_is_late_a_moment_after_its_latest_time_and_after_ten_minutes_if_it_is_not_caught_up() {
    let six = night(0) + HOUR * 3 + MINUTE * 30;
    let in_time = Schedule {
        catch_up: CatchUp::Skip,
        ..nightly()
    };
    for (schedule, last_moment, why) in [
        (until_six(), six, Missed::TooLate),
        (in_time, night(0) + MINUTE * 10, Missed::Late),
    ] {
        let mut bench = bench(schedule).await;
        bench.clock = bench.clock.another();
        at(&bench, last_moment);
        restart(&mut bench);
        bench.engine.time().await.unwrap();
        assert_eq!(due(&bench).await.len(), 1, "{why:?}");
        bench.clock.advance(Duration::from_millis(1));
        bench.engine.time().await.unwrap();
        assert_eq!(due(&bench).await, []);
        assert_eq!(last(&bench).await.came, Err(why));
    }
}

#[tokio::test]
async fn a_job_that_waits_may_begin_until_its_latest_time_is_over() {
    let bench = bench(until_six()).await;
    bench.script.put("waits", Mode::Do, Answer::Never);
    bench.submit(job(None, "guest/ldap", vec![step("waits")])).await;
    let id = pass(&bench, HOUR * 5, 300).await[0];
    at(&bench, night(0) + HOUR * 3 + MINUTE * 30);
    bench.engine.time().await.unwrap();
    assert_eq!(known(&bench, id).await.status, Status::Queued);
    bench.clock.advance(Duration::from_millis(1));
    bench.engine.time().await.unwrap();
    assert_eq!(known(&bench, id).await.status, Status::Cancelled);
}

#[tokio::test]
async fn what_comes_round_while_it_is_spread_is_due_one_after_the_other() {
    let bench = bench(Schedule {
        line: "* * * * *".to_owned(),
        jitter: HOUR,
        ..nightly()
    })
    .await;
    let known = state(&bench).await;
    let (first, delay) = (known.next.unwrap(), known.delay);
    assert!(delay > MINUTE * 3, "{delay:?}");
    for minutes in 0..3 {
        at(&bench, first + delay + MINUTE * minutes);
        bench.engine.time().await.unwrap();
        let due = due(&bench).await.remove(0);
        assert_eq!(due.due, first + MINUTE * minutes);
        let new = planned(&due);
        let fired = bench.engine.fire(due, Ok(new)).await.unwrap().unwrap();
        bench.engine.ended(fired.id).await.unwrap();
    }
}

#[tokio::test]
async fn a_job_that_has_not_begun_by_its_latest_time_is_taken_back_and_one_that_has_goes_on() {
    for begins in [false, true] {
        let mut bench = bench(until_six()).await;
        for _ in 0..2 {
            let kept = if begins { "a" } else { "waits" };
            bench.script.put(kept, Mode::Do, Answer::Never);
        }
        if !begins {
            let other = job(None, "guest/ldap", vec![step("waits")]);
            bench.submit(other).await;
        }
        let id = pass(&bench, HOUR * 5, 300).await[0];
        let status = known(&bench, id).await.status;
        assert_eq!(status == Status::Running, begins, "{status:?}");
        // By a later master, too.
        restart(&mut bench);
        pass(&bench, HOUR * 2, 120).await;
        assert!(!known(&bench, id).await.status.is_over());
        pass(&bench, HOUR, 60).await;
        let status = known(&bench, id).await.status;
        assert_eq!(status == Status::Cancelled, !begins, "{status:?}");
    }
}
