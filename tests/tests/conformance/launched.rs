//! Launched commands: what a step did is known, whatever becomes of the line, the host and the master.

use std::time::Duration;

use vsjob_engine::{Actions, Clock, Epoch, Outcome, StepNo, SystemClock, Work};

use crate::{APPEND, Bench, DIES, MOMENT, SILENT, SLOW, again, done, to_the_end, undo, until};

pub(crate) async fn a_step_is_done_and_undone(bench: &Bench) -> anyhow::Result<()> {
    let work = bench.work(&APPEND, &[&bench.file, "hello", "0"]);
    let outcome = bench.pool.perform(work.clone()).await;
    let Outcome::Done(outputs) = outcome else {
        anyhow::bail!("{outcome:?}");
    };
    assert_eq!(outputs.get("wrote").map(String::as_str), Some("hello"));
    assert_eq!(bench.wrote(), "hello\n");
    let outcome = bench.pool.perform(undo(&work)).await;
    assert!(done(&outcome), "{outcome:?}");
    assert_eq!(bench.wrote(), "");
    Ok(())
}

pub(crate) async fn a_step_whose_caller_has_gone_away_goes_on_and_is_found_again(
    bench: &Bench,
) -> anyhow::Result<()> {
    let work = bench.work(&SLOW, &[&bench.file, "once", "1"]);
    let (pool, first) = (&bench.pool, work.clone());
    let mut progress = work.progress.subscribe();
    tokio::select! {
        outcome = pool.perform(first) => anyhow::bail!("it ended: {outcome:?}"),
        word = progress.wait_for(|word| word.bytes == 1) => {
            assert_eq!((word?.total, work.progress.borrow().note.as_str()), (Some(2), "half of once"));
        }
    }
    // Another life of the master: nothing of the first one is left.
    let mut later = again(&work);
    later.epoch = Epoch {
        counter: bench.epoch.counter + 1,
        ..bench.epoch
    };
    let outcome = bench.another_pool()?.perform(later).await;
    assert!(done(&outcome), "{outcome:?}");
    assert_eq!(bench.wrote(), "once\n");
    Ok(())
}

pub(crate) async fn a_step_that_never_began_is_told_from_one_that_did(bench: &Bench) -> anyhow::Result<()> {
    let work = bench.work(&APPEND, &[&bench.file, "x", "0"]);
    assert_eq!(bench.pool.perform(again(&work)).await, Outcome::NotDone);
    assert!(done(&bench.pool.perform(work.clone()).await));
    assert!(done(&bench.pool.perform(again(&work)).await));
    // Even performed again by mistake, an attempt is performed once.
    assert!(done(&bench.pool.perform(work).await));
    assert_eq!(bench.wrote(), "x\n");
    Ok(())
}

pub(crate) async fn undo_stops_what_runs_and_what_is_only_about_to_run(bench: &Bench) -> anyhow::Result<()> {
    let work = bench.work(&SLOW, &[&bench.file, "never", "30"]);
    let first = tokio::spawn(bench.pool.perform(work.clone()));
    let pid = format!("var/lib/vsjob/run/{}-1-1/pid", bench.job);
    until("it runs", || {
        bench.ground.read(&pid).is_ok_and(|pid| !pid.is_empty())
    })
    .await?;
    let outcome = bench.pool.perform(undo(&work)).await;
    assert!(done(&outcome), "{outcome:?}");
    let interrupted = first.await?;
    assert!(!done(&interrupted), "{interrupted:?}");
    // A late attempt finds the mark.
    let late = Work { attempt: 2, ..work };
    let outcome = bench.pool.perform(late).await;
    assert!(
        matches!(&outcome, Outcome::Failed(failure) if failure.code == "VSJ0312"),
        "{outcome:?}"
    );
    assert_eq!(bench.wrote(), "");
    Ok(())
}

pub(crate) async fn a_step_that_tells_nothing_for_too_long_is_stopped(bench: &Bench) -> anyhow::Result<()> {
    let work = bench.work(&SILENT, &[&bench.file, "never", "20"]);
    let outcome = bench.pool.perform(work).await;
    assert!(
        matches!(&outcome, Outcome::Failed(failure) if failure.code == "VSJ0309"),
        "{outcome:?}"
    );
    // Gone, or only waiting to be reaped.
    let is_gone = r#"
        read -r pid _ <"$R/var/lib/vsjob/run/$1/pid"
        case $(cat "/proc/$pid/stat" 2>/dev/null) in '' | *') Z '*) ;; *) exit 1 ;; esac"#;
    let answer = bench
        .read(is_gone, &[&format!("{}-1-1", bench.job)], MOMENT)
        .await??;
    assert_eq!(answer.code, 0, "it still runs");
    assert_eq!(bench.wrote(), "");
    Ok(())
}

/// Starts a step, and lets something happen as soon as it has told progress.
async fn in_the_middle(
    bench: &Bench,
    work: &Work,
    happens: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<Outcome> {
    let mut progress = work.progress.subscribe();
    let running = tokio::spawn(bench.pool.perform(work.clone()));
    progress.wait_for(|word| word.bytes == 1).await?;
    happens()?;
    Ok(running.await?)
}

pub(crate) async fn a_line_that_is_cut_in_the_middle_loses_no_work(bench: &Bench) -> anyhow::Result<()> {
    let work = bench.work(&SLOW, &[&bench.file, "once", "2"]);
    let outcome = in_the_middle(bench, &work, || bench.ground.cut()).await?;
    assert!(
        matches!(&outcome, Outcome::Unknown(failure) if failure.code == "VSJ0301"),
        "{outcome:?}"
    );
    bench.ground.heal()?;
    let outcome = to_the_end(bench, again(&work)).await?;
    assert!(done(&outcome), "{outcome:?}");
    assert_eq!(bench.wrote(), "once\n");
    Ok(())
}

/// On paper a cut ends what is at the other end too; a real host shows what it would do.
pub(crate) async fn what_a_lost_line_was_asked_does_not_begin_later(bench: &Bench) -> anyhow::Result<()> {
    // A channel is known to its host from its first change on.
    assert!(done(
        &bench
            .pool
            .perform(bench.work(&APPEND, &[&bench.file, "first", "0"]))
            .await
    ));
    let late = Work {
        step: StepNo(1),
        ..bench.work(&APPEND, &[&bench.file, "late", "0"])
    };
    let groups = bench.ground.run(
        r#"for channel in "$R"/run/vsjob/channels/*; do
            read -r _ _ _ _ group <"$channel"
            kill -STOP "-$group" 2>/dev/null && printf '%s ' "$group"
        done"#,
    )?;
    let asking = tokio::spawn(bench.pool.perform(late.clone()));
    SystemClock.sleep(Duration::from_millis(300)).await;
    bench.ground.cut()?;
    let outcome = asking.await?;
    assert!(matches!(outcome, Outcome::Unknown(_)), "{outcome:?}");
    bench.ground.heal()?;
    assert_eq!(bench.pool.perform(again(&late)).await, Outcome::NotDone);
    bench.ground.run(&format!(
        "for group in {groups}; do kill -CONT \"-$group\" 2>/dev/null || true; done; sleep 0.5"
    ))?;
    assert!(
        !bench.ground.has(&format!("var/lib/vsjob/run/{}-2-1", bench.job)),
        "it was launched"
    );
    assert_eq!(bench.wrote(), "first\n");
    Ok(())
}

pub(crate) async fn an_sshd_that_is_killed_in_the_middle_is_not_even_noticed(
    bench: &Bench,
) -> anyhow::Result<()> {
    let work = bench.work(&SLOW, &[&bench.file, "once", "2"]);
    let first = in_the_middle(bench, &work, || bench.ground.kill_sshd()).await?;
    let outcome = match first {
        Outcome::Unknown(_) => to_the_end(bench, again(&work)).await?,
        end => end,
    };
    assert!(done(&outcome), "{outcome:?}");
    assert_eq!(bench.wrote(), "once\n");
    Ok(())
}

pub(crate) async fn a_host_that_reboots_in_the_middle_does_it_anew_and_shows_that_it_had_begun(
    bench: &Bench,
) -> anyhow::Result<()> {
    let work = bench.work(&SLOW, &[&bench.file, "once", "3"]);
    let outcome = in_the_middle(bench, &work, || {
        bench.ground.power_cut()?;
        bench.ground.boot()
    })
    .await?;
    assert!(!done(&outcome), "{outcome:?}");
    let outcome = to_the_end(bench, again(&work)).await?;
    assert!(done(&outcome), "{outcome:?}");
    assert_eq!(bench.wrote(), "once\n");
    // What it did may be gone, but not without a trace: whoever takes over has to see that it may have happened.
    let look = r#"[ -d "$R/var/lib/vsjob/run/$1" ]"#;
    let first = format!("{}-1-1", bench.job);
    assert_eq!(bench.read(look, &[&first], MOMENT).await??.code, 0);
    Ok(())
}

pub(crate) async fn what_died_after_its_effect_is_durable_once_it_is_called_done(
    bench: &Bench,
) -> anyhow::Result<()> {
    let work = bench.work(&DIES, &[&bench.file, "kept", "0"]);
    let outcome = bench.pool.perform(work).await;
    assert!(done(&outcome), "{outcome:?}");
    bench.ground.power_cut()?;
    bench.ground.boot()?;
    assert_eq!(bench.wrote(), "kept\n");
    Ok(())
}

pub(crate) async fn a_run_directory_that_lost_its_files_holds_up_nobody(bench: &Bench) -> anyhow::Result<()> {
    // As a power cut leaves one that was being removed.
    let make = r#"mkdir -p "$R/var/lib/vsjob/run/$1""#;
    let answer = bench
        .read(make, &[&format!("{}-1-1", bench.job)], MOMENT)
        .await??;
    assert_eq!(answer.code, 0);
    let work = bench.work(&APPEND, &[&bench.file, "x", "0"]);
    assert_eq!(bench.pool.perform(again(&work)).await, Outcome::NotDone);
    assert!(done(&to_the_end(bench, work).await?));
    assert_eq!(bench.wrote(), "x\n");
    Ok(())
}

pub(crate) async fn a_host_that_is_away_is_waited_for(bench: &Bench) -> anyhow::Result<()> {
    let work = bench.work(&APPEND, &[&bench.file, "x", "0"]);
    bench.ground.power_cut()?;
    let outcome = bench.pool.perform(work.clone()).await;
    assert!(
        matches!(&outcome, Outcome::Unknown(failure) if failure.code == "VSJ0301"),
        "{outcome:?}"
    );
    bench.ground.boot()?;
    assert_eq!(bench.pool.perform(again(&work)).await, Outcome::NotDone);
    assert!(done(&bench.pool.perform(work).await));
    Ok(())
}

pub(crate) async fn when_a_job_is_over_nothing_of_it_stays(bench: &Bench) -> anyhow::Result<()> {
    let work = bench.work(&APPEND, &[&bench.file, "x", "0"]);
    assert!(done(&bench.pool.perform(work.clone()).await));
    assert!(done(&bench.pool.perform(undo(&work)).await));
    let run = format!("var/lib/vsjob/run/{}-1-1", bench.job);
    assert!(bench.ground.has(&run));
    bench.ground.run("sync")?;
    bench.pool.forget(bench.job, vec![bench.ground.host()]).await;
    assert!(!bench.ground.has(&run));
    bench.ground.power_cut()?;
    bench.ground.boot()?;
    assert!(!bench.ground.has(&run), "a power cut brought it back");
    Ok(())
}

/// How long it is seen that nobody gives up: longer than a cut line takes to be noticed.
const A_WHILE: Duration = Duration::from_secs(4);

pub(crate) async fn what_a_host_has_of_a_job_that_ended_while_it_was_away_goes_when_it_is_back(
    bench: &Bench,
) -> anyhow::Result<()> {
    let work = bench.work(&APPEND, &[&bench.file, "x", "0"]);
    assert!(done(&bench.pool.perform(work).await));
    let run = format!("var/lib/vsjob/run/{}-1-1", bench.job);
    assert!(bench.ground.has(&run));
    bench.ground.cut()?;
    let mut forgetting = tokio::spawn(bench.pool.forget(bench.job, vec![bench.ground.host()]));
    let given_up = tokio::time::timeout(A_WHILE, &mut forgetting).await;
    assert!(given_up.is_err(), "it is not tried again");
    bench.ground.heal()?;
    forgetting.await?;
    assert!(!bench.ground.has(&run));
    Ok(())
}
