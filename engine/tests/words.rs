//! What states are called, in `vsjob status`, `vsjob logs` and the API. Others parse it: a word stays.

use uuid::Uuid;
use vsjob_engine::{
    Class, Direction, Epoch, Failure, JobId, Missed, Status, StepState, TimeOfDay, Timestamp, Why,
};

fn failure() -> Failure {
    Failure::new(Class::Permanent, "T1", "it did not work")
}

fn why() -> Why {
    Why::Failed {
        step: vsjob_engine::StepNo(0),
        failure: failure(),
    }
}

#[test]
fn each_state_of_a_job_has_its_word() {
    let states = [
        (Status::Queued, "queued"),
        (Status::Running, "running"),
        (Status::Unwinding(why()), "unwinding"),
        (Status::Paused(Direction::Forward), "paused"),
        (
            Status::Stuck {
                reason: "no".to_owned(),
                direction: Direction::Forward,
            },
            "stuck",
        ),
        (Status::Succeeded, "succeeded"),
        (Status::RolledBack(failure()), "rolled back"),
        (Status::Cancelled, "cancelled"),
        (
            Status::Abandoned {
                reason: "no".to_owned(),
            },
            "abandoned",
        ),
    ];
    for (state, word) in states {
        assert_eq!(state.word(), word);
    }
}

#[test]
fn each_state_of_a_step_has_its_word() {
    let (until, failure, attempt) = (Timestamp::from_millis(1), failure(), 1);
    let epoch = Epoch {
        counter: 1,
        id: Uuid::nil(),
    };
    let waiting = StepState::Waiting {
        attempt,
        failure: failure.clone(),
        until,
    };
    let undo_waiting = StepState::UndoWaiting {
        attempt,
        failure: failure.clone(),
        until,
    };
    let skipped = StepState::Skipped {
        reason: "no".to_owned(),
    };
    let states = [
        (StepState::Planned, "planned"),
        (StepState::Started { attempt, epoch }, "started"),
        (waiting, "waiting"),
        (StepState::Retrying, "retrying"),
        (StepState::Succeeded, "succeeded"),
        (StepState::Failed(failure.clone()), "failed"),
        (StepState::UndoStarted { attempt, epoch }, "undoing"),
        (undo_waiting, "waiting to undo"),
        (StepState::UndoRetrying, "retrying to undo"),
        (StepState::UndoFailed(failure.clone()), "undo failed"),
        (StepState::Undone, "undone"),
        (StepState::Owed(failure), "undo owed"),
        (skipped, "skipped"),
    ];
    for (state, word) in states {
        assert_eq!(state.word(), word);
    }
}

#[test]
fn why_something_was_not_done_is_told_in_words() {
    let job: JobId = "01a22701-bc3b-73f6-9e51-ff011f2e3d4c".parse().unwrap();
    for (why, words) in [
        (
            Missed::Late,
            "no master was there in time, and it is not caught up",
        ),
        (Missed::TooLate, "it could not be submitted in time"),
        (Missed::Overlap(job), "job 1f2e3d4c of it was not over"),
        (Missed::Refused(failure()), "it was refused: it did not work"),
        (Missed::TakenOver, "the master before may have done it"),
    ] {
        assert_eq!(why.to_string(), words);
    }
}

#[test]
fn a_time_of_the_day_is_written_as_it_is_read() {
    for text in ["00:00", "06:05", "23:59"] {
        assert_eq!(text.parse::<TimeOfDay>().unwrap().to_string(), text);
    }
    for bad in [
        "6:05", "006:05", "06:5", "+6:05", "06", "24:00", "06:60", "06:05:00", "",
    ] {
        assert!(bad.parse::<TimeOfDay>().is_err(), "{bad}");
    }
}
