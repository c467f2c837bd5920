//! What is due is done once, or it is told why not, whatever the master, its clock, its disk and its operator do.

mod latest;

use std::time::Duration;

use uuid::Uuid;
use vsjob_engine::{
    CatchUp, Class, Core, Due, EngineError, Entry, Epoch, Failure, Firing, Job, JobId, Missed, Mode, NewJob,
    Options, Overlap, Priority, Schedule, ScheduleCommand, ScheduleName, ScheduleState, Status, Timestamp,
    World,
};

use crate::bench::{Answer, Bench, actor, job, open, open_as, step};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// 14 November 2023, 22:13:20: the benches' clock stands so.
const BEGIN: i64 = 1_700_000_000_000;

fn nightly() -> Schedule {
    Schedule {
        line: "30 2 * * *".to_owned(),
        zone: "UTC".to_owned(),
        operation: "backup".to_owned(),
        args: vec![("all".to_owned(), "true".to_owned())],
        priority: Priority::Low,
        not_after: None,
        catch_up: CatchUp::Once,
        overlap: Overlap::Skip,
        jitter: Duration::ZERO,
    }
}

fn until_six() -> Schedule {
    Schedule {
        not_after: Some("06:00".parse().unwrap()),
        ..nightly()
    }
}

fn name() -> ScheduleName {
    "nightly".parse().unwrap()
}

/// 02:30 so many days after the first of the benches' clock.
fn night(days: u32) -> Timestamp {
    let first: i64 = BEGIN - BEGIN % 86_400_000 + 86_400_000 + 9_000_000;
    Timestamp::from_millis(first) + DAY * days
}

async fn order(bench: &Bench, command: ScheduleCommand) {
    bench
        .engine
        .order_schedule(name(), command, actor())
        .await
        .unwrap();
}

async fn bench(schedule: Schedule) -> Bench {
    let bench = Bench::new();
    order(&bench, ScheduleCommand::Add(Box::new(schedule))).await;
    bench
}

async fn state(bench: &Bench) -> ScheduleState {
    bench.engine.schedules().await.unwrap().remove(&name()).unwrap()
}

async fn last(bench: &Bench) -> Firing {
    state(bench).await.scheduled.last.unwrap()
}

/// What is due now: whoever asks for the time later is answered later.
async fn due(bench: &Bench) -> Vec<Due> {
    tokio::select! {
        biased;
        due = bench.engine.due() => due.unwrap(),
        _ = bench.engine.time() => Vec::new(),
    }
}

/// What is due on the first night.
async fn first_due(bench: &Bench) -> Due {
    at(bench, night(0));
    bench.engine.time().await.unwrap();
    due(bench).await.remove(0)
}

fn planned(due: &Due) -> NewJob {
    let mut new = job(None, "guest/ldap", vec![step("a")]);
    new.request = due.request.clone();
    new
}

/// Lets time pass, and plans and submits whatever comes to be due; these jobs it makes.
async fn pass(bench: &Bench, time: Duration, looks: u32) -> Vec<JobId> {
    let mut jobs = Vec::new();
    for _ in 0..looks {
        bench.clock.advance(time / looks);
        bench.engine.time().await.unwrap();
        for due in due(bench).await {
            let new = planned(&due);
            jobs.extend(bench.engine.fire(due, Ok(new)).await.unwrap().map(|job| job.id));
        }
    }
    jobs
}

async fn known(bench: &Bench, id: JobId) -> Job {
    bench.engine.job(id).await.unwrap().unwrap().job
}

fn restart(bench: &mut Bench) {
    bench.clock = bench.clock.another();
    bench.engine = open(&bench.store, &bench.script, &bench.clock);
}

fn at(bench: &Bench, time: Timestamp) {
    use vsjob_engine::Clock as _;
    bench.clock.advance(time.since(bench.clock.now()));
}

#[tokio::test]
async fn a_schedule_makes_a_job_each_time_it_is_due() {
    let bench = bench(nightly()).await;
    assert_eq!(state(&bench).await.next, Some(night(0)));
    assert_eq!(pass(&bench, HOUR * 4, 4).await, []);
    let jobs = pass(&bench, DAY * 3, 300).await;
    assert_eq!(jobs.len(), 3);
    let first = bench.end(jobs[0]).await;
    assert_eq!(first.request.operation, "backup");
    assert_eq!(first.request.actor.from, "schedule nightly");
    let key = first.request.key.unwrap();
    assert_eq!(vsjob_engine::schedule_of(&key), Some("nightly"), "{key}");
    let firing = last(&bench).await;
    assert_eq!((firing.due, firing.came), (night(2), Ok(jobs[2])));
    assert_eq!(state(&bench).await.next, Some(night(3)));
}

#[tokio::test]
async fn what_spreads_it_is_always_the_same_and_less_than_it_may_be() {
    let jitter = HOUR;
    let bench = bench(Schedule { jitter, ..nightly() }).await;
    let delay = state(&bench).await.delay;
    assert!(delay > Duration::ZERO && delay < jitter, "{delay:?}");
    at(&bench, night(0) + delay);
    at(&bench, night(0));
    bench.engine.time().await.unwrap();
    assert_eq!(due(&bench).await.len(), 1);
    let other: ScheduleName = "nightly-2".parse().unwrap();
    assert_ne!(delay, Schedule { jitter, ..nightly() }.delay(&other));
}

/// Whatever the journal was cut at, what is due is done exactly once.
#[tokio::test]
async fn a_master_that_dies_at_any_record_neither_loses_nor_doubles_what_is_due() {
    let bench = bench(nightly()).await;
    let jobs = pass(&bench, DAY, 100).await;
    bench.end(jobs[0]).await;
    let frames = bench.engine.reader().frames_after(0);
    let entries: Vec<_> = frames
        .map(|frame| Entry::decode(&frame.unwrap().payload).unwrap())
        .collect();
    let set = entries
        .iter()
        .position(|entry| matches!(entry.event, vsjob_engine::Event::Schedule { .. }))
        .unwrap();
    for cut in set + 1..=entries.len() {
        let mut world = World::default();
        for entry in &entries[..cut] {
            world.apply(entry).unwrap();
        }
        let was_there = world.jobs.len();
        let epoch = Epoch {
            counter: 2,
            id: Uuid::from_u128(2),
        };
        let mut core = Core::open(world, epoch, Options::default(), night(0) + HOUR, 1);
        core.tick(night(0) + HOUR * 2);
        let mut made = was_there;
        for due in core.due() {
            let (_, new) = core
                .fire(&due, JobId::new(due.due), Ok(planned(&due)))
                .unwrap()
                .unwrap();
            made += usize::from(new);
        }
        assert_eq!(made, 1, "cut after {cut} of {}", entries.len());
        assert_eq!(core.due(), [], "cut after {cut}");
        let jobs = core.world().jobs.values();
        assert_eq!(jobs.filter(|job| job.request.key.is_some()).count(), 1);
    }
}

#[tokio::test]
async fn an_answer_to_what_was_due_before_a_restart_is_taken_once() {
    let mut bench = bench(nightly()).await;
    let known = first_due(&bench).await;
    // The master dies before it is planned: it is due as before.
    restart(&mut bench);
    bench.clock.advance(MINUTE);
    bench.engine.time().await.unwrap();
    assert_eq!(due(&bench).await, std::slice::from_ref(&known));
    let first = bench
        .engine
        .fire(known.clone(), Ok(planned(&known)))
        .await
        .unwrap();
    let again = bench
        .engine
        .fire(known.clone(), Ok(planned(&known)))
        .await
        .unwrap();
    assert!(first.is_some() && again.is_none());
    // And it dies when it is.
    restart(&mut bench);
    bench.clock.advance(MINUTE);
    bench.engine.time().await.unwrap();
    assert_eq!(due(&bench).await, []);
    assert_eq!(state(&bench).await.next, Some(night(1)));
}

#[tokio::test]
async fn what_was_missed_is_done_once_or_not_at_all() {
    for catch_up in [CatchUp::Once, CatchUp::Skip] {
        let mut bench = bench(Schedule {
            catch_up,
            ..nightly()
        })
        .await;
        bench.clock = bench.clock.another();
        bench.clock.advance(DAY * 5);
        restart(&mut bench);
        let jobs = pass(&bench, MINUTE, 4).await;
        let firing = last(&bench).await;
        assert_eq!(firing.due, night(4));
        match catch_up {
            CatchUp::Once => assert_eq!(firing.came, Ok(jobs[0])),
            CatchUp::Skip => assert_eq!(firing.came, Err(Missed::Late)),
        }
        assert_eq!(jobs.len(), usize::from(catch_up == CatchUp::Once));
        assert_eq!(state(&bench).await.next, Some(night(5)));
    }
}

#[tokio::test]
async fn a_time_at_which_its_job_is_not_over_is_left_out_or_waits_for_that() {
    for overlap in [Overlap::Skip, Overlap::Queue] {
        let bench = bench(Schedule { overlap, ..nightly() }).await;
        bench.script.put("a", Mode::Do, Answer::Never);
        let jobs = pass(&bench, DAY, 100).await;
        assert_eq!(jobs.len(), 1);
        assert_eq!(pass(&bench, DAY * 3, 300).await, [], "{overlap:?}");
        let waits = state(&bench).await;
        match overlap {
            Overlap::Skip => assert_eq!(last(&bench).await.came, Err(Missed::Overlap(jobs[0]))),
            Overlap::Queue => assert_eq!(waits.due, Some(night(3))),
        }
        bench.order(jobs[0], vsjob_engine::Command::Cancel).await;
        bench.end(jobs[0]).await;
        let after = pass(&bench, HOUR, 10).await;
        // Once, however often it was due meanwhile.
        assert_eq!(after.len(), usize::from(overlap == Overlap::Queue));
        assert_eq!(pass(&bench, DAY, 100).await.len(), 1);
    }
}

#[tokio::test]
async fn nothing_is_due_while_the_clock_is_in_doubt_and_once_when_it_is_accepted() {
    let bench = bench(nightly()).await;
    bench
        .clock
        .set_by(i64::try_from((DAY * 365).as_millis()).unwrap());
    assert_eq!(pass(&bench, DAY * 2, 200).await, []);
    bench.engine.accept_clock(actor()).await.unwrap();
    assert_eq!(pass(&bench, HOUR, 10).await.len(), 1);
    assert_eq!(
        last(&bench).await.due,
        night(366),
        "the last of a year and two days"
    );
}

/// The jobs of a day that is a month too early.
async fn a_month_ahead_and_back(bench: &Bench) -> Vec<JobId> {
    let month = i64::try_from((DAY * 30).as_millis()).unwrap();
    bench.clock.set_by(month);
    bench.engine.time().await.unwrap();
    bench.engine.accept_clock(actor()).await.unwrap();
    let ahead = pass(bench, DAY, 100).await;
    // What a month has passed over at once, and the night that followed.
    assert_eq!(ahead.len(), 2);
    bench.end(ahead[1]).await;
    bench.clock.set_by(-month);
    bench.engine.time().await.unwrap();
    bench.engine.accept_clock(actor()).await.unwrap();
    ahead
}

#[tokio::test]
async fn a_clock_that_was_ahead_doubles_nothing_when_it_is_set_back_and_keeps_nothing_waiting() {
    let bench = bench(nightly()).await;
    let ahead = a_month_ahead_and_back(&bench).await;
    let jobs = pass(&bench, DAY * 29, 2900).await;
    let new = jobs.iter().filter(|id| !ahead.contains(id)).count();
    assert_eq!(
        (jobs.len(), new),
        (29, 28),
        "one of these nights was done: {ahead:?}"
    );
}

#[tokio::test]
async fn a_time_that_another_schedule_of_the_name_has_had_is_not_taken_for_done() {
    let bench = bench(nightly()).await;
    let ahead = a_month_ahead_and_back(&bench).await;
    order(&bench, ScheduleCommand::Remove).await;
    let other = Schedule {
        operation: "prune".to_owned(),
        ..nightly()
    };
    order(&bench, ScheduleCommand::Add(Box::new(other))).await;
    let jobs = pass(&bench, DAY * 29, 2900).await;
    assert_eq!(jobs.len(), 28, "of one night the key is that of {ahead:?}");
    for id in jobs {
        assert_eq!(known(&bench, id).await.request.operation, "prune");
    }
}

#[tokio::test]
async fn after_a_take_over_nothing_is_due_and_what_was_is_not_done_when_it_is_accepted() {
    let mut bench = bench(nightly()).await;
    let options = Options {
        take_over: Some(7),
        ..Options::default()
    };
    bench.clock = bench.clock.another();
    bench.engine = open_as(&bench.store, &bench.script, &bench.clock, options);
    assert_eq!(pass(&bench, DAY * 2, 200).await, []);
    restart(&mut bench);
    assert_eq!(pass(&bench, DAY, 100).await, []);
    bench.engine.accept(Vec::new(), actor()).await.unwrap();
    assert_eq!(due(&bench).await, []);
    assert_eq!(last(&bench).await.came, Err(Missed::TakenOver));
    assert_eq!(pass(&bench, DAY, 100).await.len(), 1);
}

#[tokio::test]
async fn what_is_due_on_a_full_disk_waits_and_writes_nothing() {
    let bench = bench(until_six()).await;
    bench.store.fill();
    let due = first_due(&bench).await;
    let head = bench.engine.reader().verify().unwrap().head;
    for _ in 0..3 {
        let refused = bench.engine.fire(due.clone(), Ok(planned(&due))).await;
        assert!(matches!(refused, Err(EngineError::Store(_))), "{refused:?}");
    }
    let too_late = Failure::new(Class::Permanent, "T", "gone");
    let refused = bench.engine.fire(due.clone(), Err(too_late)).await;
    assert!(matches!(refused, Err(EngineError::Store(_))), "{refused:?}");
    // Nor is it written down then that it will not be done.
    bench.clock.advance(HOUR * 4);
    bench.engine.time().await.unwrap();
    assert_eq!(bench.engine.reader().verify().unwrap().head, head);
    bench.store.make_room();
    assert_eq!(pass(&bench, MINUTE, 2).await, []);
    assert_eq!(last(&bench).await.came, Err(Missed::TooLate));
    assert_eq!(pass(&bench, DAY, 100).await.len(), 1);
}

#[tokio::test]
async fn what_is_refused_is_told_and_the_next_time_is_as_always() {
    let bench = bench(nightly()).await;
    let due = first_due(&bench).await;
    let why = Failure::new(Class::Permanent, "VSJ0405", "there is no guest `ldap`");
    assert_eq!(bench.engine.fire(due, Err(why.clone())).await.unwrap(), None);
    assert_eq!(last(&bench).await.came, Err(Missed::Refused(why)));
    assert_eq!(pass(&bench, DAY, 100).await.len(), 1);
}

#[tokio::test]
async fn what_was_submitted_before_a_master_died_is_what_came_though_it_is_refused_by_now() {
    let bench = bench(nightly()).await;
    let due = first_due(&bench).await;
    let job = bench.submit(planned(&due)).await;
    let why = Failure::new(Class::Permanent, "VSJ0405", "there is no guest `ldap`");
    let came = bench.engine.fire(due, Err(why)).await.unwrap();
    assert_eq!(came.map(|came| (came.id, came.new)), Some((job, false)));
    assert_eq!(last(&bench).await.came, Ok(job));
}

#[tokio::test]
async fn a_schedule_that_is_disabled_does_nothing_and_catches_up_nothing() {
    let mut bench = bench(nightly()).await;
    order(&bench, ScheduleCommand::Disable).await;
    restart(&mut bench);
    assert_eq!(pass(&bench, DAY * 2, 200).await, []);
    assert_eq!(state(&bench).await.next, None);
    order(&bench, ScheduleCommand::Enable).await;
    assert_eq!(due(&bench).await, []);
    assert_eq!(pass(&bench, DAY, 100).await.len(), 1);
}

#[tokio::test]
async fn a_schedule_is_removed_by_hand_unless_it_stands_in_the_file() {
    let bench = bench(nightly()).await;
    let add = |schedule| ScheduleCommand::Add(Box::new(schedule));
    // The same once more is no other one.
    order(&bench, add(nightly())).await;
    let refused = bench
        .engine
        .order_schedule(name(), add(until_six()), actor())
        .await;
    assert!(
        matches!(refused, Err(EngineError::ScheduleExists(_))),
        "{refused:?}"
    );

    let file = |schedule| [(name(), schedule)].into();
    bench.engine.declare(file(until_six()), actor()).await.unwrap();
    for command in [ScheduleCommand::Remove, add(nightly())] {
        let refused = bench.engine.order_schedule(name(), command, actor()).await;
        assert!(matches!(refused, Err(EngineError::Declared(_))), "{refused:?}");
    }
    order(&bench, ScheduleCommand::Disable).await;
    bench.engine.declare(file(nightly()), actor()).await.unwrap();
    let known = state(&bench).await.scheduled;
    assert_eq!((known.schedule, known.enabled), (nightly(), false));
    bench.engine.declare([].into(), actor()).await.unwrap();
    assert!(bench.engine.schedules().await.unwrap().is_empty());
    for command in [ScheduleCommand::Remove, ScheduleCommand::Enable] {
        let refused = bench.engine.order_schedule(name(), command, actor()).await;
        assert!(
            matches!(refused, Err(EngineError::UnknownSchedule(_))),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn what_the_file_says_too_stands_in_the_file_from_then_on_and_what_it_does_not_say_stays() {
    let bench = bench(nightly()).await;
    let other: ScheduleName = "weekly".parse().unwrap();
    bench
        .engine
        .declare([(other.clone(), nightly())].into(), actor())
        .await
        .unwrap();
    assert!(!state(&bench).await.scheduled.declared);
    let file = [(name(), nightly()), (other, nightly())];
    bench.engine.declare(file.into(), actor()).await.unwrap();
    for command in [ScheduleCommand::Remove, ScheduleCommand::Add(Box::new(nightly()))] {
        let refused = bench.engine.order_schedule(name(), command, actor()).await;
        assert!(matches!(refused, Err(EngineError::Declared(_))), "{refused:?}");
    }
}

#[test]
fn the_engine_is_looked_at_again_when_something_may_have_come_and_not_before() {
    let epoch = Epoch {
        counter: 1,
        id: Uuid::from_u128(1),
    };
    let begin = Timestamp::from_millis(BEGIN);
    let mut core = Core::open(World::default(), epoch, Options::default(), begin, 1);
    core.set_schedule(name(), until_six(), false, actor()).unwrap();
    let six = night(0) + HOUR * 3 + MINUTE * 30;
    let moment = Duration::from_millis(1);
    for (now, next) in [
        (begin, night(0)),
        (night(0), six + moment),
        (six, six + moment),
        (six + moment, night(1)),
    ] {
        core.tick(now);
        core.settle();
        assert_eq!(core.next_alarm(), Some(next));
    }
}

#[tokio::test]
async fn one_that_somebody_has_fire_now_fires_when_it_is_due_all_the_same() {
    let bench = bench(nightly()).await;
    bench.script.put("a", Mode::Do, Answer::Never);
    let now = bench.engine.by_hand(name()).await.unwrap();
    let fired = bench
        .engine
        .fire_by_hand(now.clone(), planned(&now), actor())
        .await
        .unwrap();
    let refused = bench.engine.by_hand(name()).await;
    assert!(
        matches!(refused, Err(EngineError::ScheduleBusy { .. })),
        "{refused:?}"
    );
    let refused = bench
        .engine
        .fire_by_hand(now.clone(), planned(&now), actor())
        .await;
    assert!(
        matches!(refused, Err(EngineError::ScheduleBusy { .. })),
        "{refused:?}"
    );
    bench.order(fired.id, vsjob_engine::Command::Cancel).await;
    bench.end(fired.id).await;
    assert_eq!(state(&bench).await.next, Some(night(0)));
    assert_eq!(pass(&bench, DAY, 100).await.len(), 1);
}
