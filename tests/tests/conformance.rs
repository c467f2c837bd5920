//! What a host must do, whichever way it is reached: run on paper hosts, and on real ones where there is a lab.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::watch;
use uuid::Uuid;
use vsjob_engine::{
    ActionRef, Actions, Class, Clock, Epoch, JobId, Mode, Outcome, Progress, StepNo, SystemClock, Timestamp,
    Work,
};
use vsjob_tests::paper::{During, Fault, PaperHost, PaperPool};
use vsjob_workers::{Action, Answer, HostAction, HostError, Pool, Question, Registry, Script};

/// Appends a line, which shows how often it was done; and says how far it is.
static APPEND: HostAction = HostAction {
    name: "test-append",
    args: &["file", "text", "seconds"],
    outputs: &["wrote"],
    probe: r#"
        if [ -s "$R/root/$1" ]; then out state done; out wrote "$2"; else out state absent; fi"#,
    do_: r#"
        progress 1 2 "half of $2"
        sleep "$3"
        printf '%s\n' "$2" >>"$R/root/$1"
        durable "$R/root/$1"
        out wrote "$2""#,
    undo: r#"
        rm -f "$R/root/$1"
        durable "$R/root/$1""#,
    limit: Duration::from_secs(2),
    ..HostAction::EMPTY
};

static EXIT: HostAction = HostAction {
    name: "test-exit",
    args: &["code"],
    probe: "out state absent",
    do_: r#"echo "last words" >&2; exit "$1""#,
    ..HostAction::EMPTY
};

struct Bench {
    paper: PaperPool,
    pool: Pool,
    epoch: Epoch,
    job: JobId,
}

fn bench() -> anyhow::Result<Bench> {
    let paper = PaperPool::new(1)?;
    Ok(Bench {
        pool: pool_of(&paper)?,
        paper,
        epoch: epoch(1),
        job: JobId::new(Timestamp::from_millis(1)),
    })
}

fn pool_of(paper: &PaperPool) -> anyhow::Result<Pool> {
    let registry = Registry::new([Action::Host(&APPEND), Action::Host(&EXIT)]);
    paper.pool(registry, Arc::new(SystemClock))
}

fn epoch(counter: u64) -> Epoch {
    Epoch {
        counter,
        id: Uuid::new_v4(),
    }
}

impl Bench {
    fn work(&self, action: &HostAction, args: &[&str]) -> Work {
        Work {
            job: self.job,
            step: StepNo(0),
            action: ActionRef {
                name: action.name.to_owned(),
                version: action.version,
            },
            mode: Mode::Do,
            attempt: 1,
            resume: false,
            args: std::iter::zip(action.args, args)
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            hosts: vec![self.host().name.clone()],
            epoch: self.epoch,
            progress: watch::Sender::new(Progress::default()),
        }
    }

    fn host(&self) -> &PaperHost {
        self.paper.host(1)
    }

    /// Runs a script that changes nothing.
    async fn read(
        &self,
        text: &str,
        args: &[&str],
        limit: Duration,
    ) -> anyhow::Result<Result<Answer, HostError>> {
        let host = self.pool.host(&self.host().name)?;
        let args = args.iter().map(|&arg| arg.to_owned()).collect();
        Ok(host
            .ask(Question::read(Script::compose("test", &[], text), args, limit))
            .await)
    }
}

const MOMENT: Duration = Duration::from_secs(20);

/// Waits until something is so, and fails if it does not become so.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) -> anyhow::Result<()> {
    for _ in 0..4000 {
        if is_so() {
            return Ok(());
        }
        SystemClock.sleep(Duration::from_millis(5)).await;
    }
    anyhow::bail!("it never came to this: {what}")
}

fn again(work: &Work) -> Work {
    Work {
        resume: true,
        ..work.clone()
    }
}

fn undo(work: &Work) -> Work {
    Work {
        mode: Mode::Undo,
        resume: false,
        ..work.clone()
    }
}

/// What an engine does with a step: asks again while nothing is known, and performs anew what had no effect.
async fn to_the_end(bench: &Bench, mut work: Work) -> anyhow::Result<Outcome> {
    let mut last = None;
    for _ in 0..50 {
        let outcome = bench.pool.perform(work.clone()).await;
        last = Some(outcome.clone());
        match outcome {
            Outcome::Unknown(_) => work.resume = true,
            Outcome::NotDone => work.resume = false,
            Outcome::Failed(failure) if failure.class == Class::Transient => {
                work.attempt += 1;
                work.resume = false;
            }
            end => return Ok(end),
        }
        SystemClock.sleep(Duration::from_millis(50)).await;
    }
    anyhow::bail!("no end but {last:?}")
}

fn done(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Done(_))
}

#[tokio::test]
async fn a_step_is_done_and_undone() -> anyhow::Result<()> {
    let bench = bench()?;
    let work = bench.work(&APPEND, &["a", "hello", "0"]);
    let outcome = bench.pool.perform(work.clone()).await;
    let Outcome::Done(outputs) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(outputs.get("wrote").map(String::as_str), Some("hello"));
    assert_eq!(bench.host().read("root/a")?, "hello\n");
    let outcome = bench.pool.perform(undo(&work)).await;
    assert!(done(&outcome), "{outcome:?}");
    assert!(!bench.host().has("root/a"));
    Ok(())
}

#[tokio::test]
async fn exit_codes_are_true_on_a_channel_and_in_a_run_directory() -> anyhow::Result<()> {
    let bench = bench()?;
    for code in 0..=255_u8 {
        let answer = bench
            .read(
                r#"echo out; echo err >&2; exit "$1""#,
                &[&code.to_string()],
                MOMENT,
            )
            .await??;
        assert_eq!(answer.code, code);
        assert_eq!(
            (answer.stdout.whole(), answer.stderr.whole()),
            (Some(&b"out\n"[..]), Some(&b"err\n"[..]))
        );
    }
    for (n, code) in (0_u16..).zip([0_u8, 1, 75, 76, 77, 78, 127, 143, 254, 255]) {
        let mut work = bench.work(&EXIT, &[&code.to_string()]);
        work.step = StepNo(n);
        match (code, bench.pool.perform(work).await) {
            (0, Outcome::Done(_)) => {}
            (75, Outcome::Failed(failure)) => assert_eq!(failure.class, Class::Transient),
            (76, Outcome::Failed(failure)) => assert_eq!(failure.class, Class::Partial),
            (77, Outcome::Failed(failure)) => assert_eq!(failure.class, Class::Vanished),
            (_, Outcome::Failed(failure)) => {
                assert_eq!(failure.class, Class::Permanent);
                assert!(
                    failure.message.contains(&format!("exit code {code}: last words")),
                    "{failure}"
                );
            }
            (code, outcome) => panic!("{code}: {outcome:?}"),
        }
    }
    Ok(())
}

#[tokio::test]
async fn any_bytes_and_ten_megabytes_come_through() -> anyhow::Result<()> {
    let bench = bench()?;
    let every_byte = r#"i=0; while [ $i -lt 256 ]; do printf "\\$(printf %o $i)"; i=$((i + 1)); done"#;
    let answer = bench.read(every_byte, &[], MOMENT).await??;
    assert_eq!(
        answer.stdout.whole(),
        Some((0..=255).collect::<Vec<u8>>().as_slice())
    );
    let flood = "head -c 10000000 /dev/zero; head -c 10000000 /dev/zero >&2; echo end";
    let answer = bench.read(flood, &[], MOMENT).await??;
    assert_eq!(
        (answer.stdout.total(), answer.stderr.total()),
        (10_000_004, 10_000_000)
    );
    assert!(answer.stdout.end(10).ends_with("end"));
    // And the channel is still good.
    assert_eq!(
        bench.read("echo ok", &[], MOMENT).await??.stdout.whole(),
        Some(&b"ok\n"[..])
    );
    Ok(())
}

#[tokio::test]
async fn metacharacters_in_arguments_are_inert() -> anyhow::Result<()> {
    let bench = bench()?;
    let nasty = [
        "$(touch /tmp/x)",
        "`id`",
        "'; exit 9; '",
        "\"",
        "\\",
        "a  b ",
        "*",
        "-n",
        "",
        "ü\u{7f}",
        "${R}",
        "!$&|<>",
    ];
    let print = r#"for a; do printf '%s\n' "$a"; done"#;
    let answer = bench.read(print, &nasty, MOMENT).await??;
    let text = String::from_utf8(answer.stdout.whole().context("all")?.to_vec())?;
    assert_eq!(text.lines().collect::<Vec<_>>(), nasty);
    for (n, arg) in (0..).zip(nasty) {
        let mut work = bench.work(&APPEND, &["nasty", arg, "0"]);
        work.step = StepNo(n);
        let outcome = bench.pool.perform(work).await;
        assert!(done(&outcome), "{outcome:?}");
    }
    assert_eq!(
        bench.host().read("root/nasty")?.lines().collect::<Vec<_>>(),
        nasty
    );
    let refused = bench.read(print, &["two\nlines"], MOMENT).await?;
    assert!(
        matches!(refused, Err(HostError::BadArguments { .. })),
        "{refused:?}"
    );
    Ok(())
}

#[tokio::test]
async fn what_hangs_in_a_channel_is_ended_and_the_host_stays_usable() -> anyhow::Result<()> {
    let bench = bench()?;
    let hang = r#"echo $$ >"$R/root/pid"; sleep 1000"#;
    let answer = bench.read(hang, &[], Duration::from_millis(300)).await?;
    assert!(
        matches!(answer, Err(HostError::LimitExceeded { .. })),
        "{answer:?}"
    );
    let pid = bench.host().read("root/pid")?;
    assert!(
        !std::path::Path::new("/proc").join(pid.trim()).join("fd").exists(),
        "the channel is still there"
    );
    assert_eq!(bench.read("exit 3", &[], MOMENT).await??.code, 3);
    Ok(())
}

#[tokio::test]
async fn a_step_whose_caller_has_gone_away_goes_on_and_is_found_again() -> anyhow::Result<()> {
    let bench = bench()?;
    let work = bench.work(&APPEND, &["a", "once", "0.7"]);
    let (pool, first) = (&bench.pool, work.clone());
    let mut progress = work.progress.subscribe();
    tokio::select! {
        outcome = pool.perform(first) => panic!("it ended: {outcome:?}"),
        word = progress.wait_for(|word| word.bytes == 1) => {
            assert_eq!((word?.total, work.progress.borrow().note.as_str()), (Some(2), "half of once"));
        }
    }
    // Another life of the master: nothing of the first one is left.
    let mut later = again(&work);
    later.epoch = Epoch {
        counter: 2,
        ..bench.epoch
    };
    let outcome = pool_of(&bench.paper)?.perform(later).await;
    assert!(done(&outcome), "{outcome:?}");
    assert_eq!(bench.host().read("root/a")?, "once\n");
    Ok(())
}

#[tokio::test]
async fn a_step_that_never_began_is_told_from_one_that_did() -> anyhow::Result<()> {
    let bench = bench()?;
    let work = bench.work(&APPEND, &["a", "x", "0"]);
    assert_eq!(bench.pool.perform(again(&work)).await, Outcome::NotDone);
    assert!(done(&bench.pool.perform(work.clone()).await));
    assert!(done(&bench.pool.perform(again(&work)).await));
    // Even performed again by mistake, an attempt is performed once.
    assert!(done(&bench.pool.perform(work).await));
    assert_eq!(bench.host().read("root/a")?, "x\n");
    Ok(())
}

#[tokio::test]
async fn whatever_happens_to_a_step_its_effect_is_there_once_or_not_at_all() -> anyhow::Result<()> {
    for systemd in [false, true] {
        for fault in Fault::ALL {
            let bench = bench()?;
            if systemd {
                bench.host().with_systemd()?;
            }
            bench.host().order(fault, During::Do(StepNo(0)))?;
            let work = bench.work(&APPEND, &["a", "once", "0"]);
            let outcome = to_the_end(&bench, work.clone()).await?;
            let what = format!("{fault:?}, systemd: {systemd}: {outcome:?}");
            assert!(
                bench.host().faults_done().contains("step-1"),
                "it never happened: {what}"
            );
            if fault == Fault::Fail {
                assert!(matches!(outcome, Outcome::Failed(_)), "{what}");
                assert!(!bench.host().has("root/a"), "{what}");
            } else {
                assert!(done(&outcome), "{what}");
                assert_eq!(bench.host().read("root/a")?, "once\n", "{what}");
            }
            bench.host().order(fault, During::Undo(StepNo(0)))?;
            let outcome = to_the_end(&bench, undo(&work)).await?;
            let what = format!("undo: {fault:?}, systemd: {systemd}: {outcome:?}");
            assert!(
                bench.host().faults_done().contains("step-u1"),
                "it never happened: {what}"
            );
            assert_eq!(done(&outcome), fault != Fault::Fail, "{what}");
            if fault != Fault::Fail {
                assert!(!bench.host().has("root/a"), "{what}");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn undo_stops_what_runs_and_what_is_only_about_to_run() -> anyhow::Result<()> {
    for systemd in [false, true] {
        let bench = bench()?;
        if systemd {
            bench.host().with_systemd()?;
        }
        let work = bench.work(&APPEND, &["a", "never", "1.5"]);
        let first = tokio::spawn(bench.pool.perform(work.clone()));
        let run = format!("var/lib/vsjob/run/{}-1-1", bench.job);
        until("it runs", || {
            bench
                .host()
                .read(&format!("{run}/pid"))
                .is_ok_and(|pid| !pid.is_empty())
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
        assert!(!bench.host().has("root/a"));
    }
    Ok(())
}

#[tokio::test]
async fn an_older_master_changes_nothing() -> anyhow::Result<()> {
    let bench = bench()?;
    assert!(done(
        &bench.pool.perform(bench.work(&APPEND, &["a", "old", "0"])).await
    ));
    let newer = pool_of(&bench.paper)?;
    let claims = newer.claim(epoch(2)).await;
    let claim = claims[0].1.clone()?.context("claimed")?;
    assert_eq!(claim.runs.len(), 1, "{claim:?}");

    let mut late = bench.work(&APPEND, &["a", "late", "0"]);
    late.step = StepNo(1);
    let outcome = bench.pool.perform(late).await;
    assert!(
        matches!(&outcome, Outcome::Unknown(failure) if failure.code == "VSJ0304"),
        "{outcome:?}"
    );
    assert!(bench.pool.superseded().borrow().is_some());
    assert_eq!(bench.host().read("root/a")?, "old\n");

    // Nor does another master that drew the same counter.
    let twin = pool_of(&bench.paper)?;
    let claims = twin.claim(epoch(2)).await;
    assert!(
        matches!(claims[0].1, Err(HostError::EpochRefused { .. })),
        "{claims:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_host_that_is_away_is_waited_for() -> anyhow::Result<()> {
    let bench = bench()?;
    let work = bench.work(&APPEND, &["a", "x", "0"]);
    bench.host().power_off()?;
    let outcome = bench.pool.perform(work.clone()).await;
    assert!(
        matches!(&outcome, Outcome::Unknown(failure) if failure.code == "VSJ0301"),
        "{outcome:?}"
    );
    bench.host().reboot()?;
    assert_eq!(bench.pool.perform(again(&work)).await, Outcome::NotDone);
    assert!(done(&bench.pool.perform(work).await));
    Ok(())
}

#[tokio::test]
async fn when_a_job_is_over_nothing_of_it_stays() -> anyhow::Result<()> {
    let bench = bench()?;
    let work = bench.work(&APPEND, &["a", "x", "0"]);
    assert!(done(&bench.pool.perform(work.clone()).await));
    assert!(done(&bench.pool.perform(undo(&work)).await));
    bench
        .pool
        .forget(bench.job, vec![bench.host().name.clone()])
        .await;
    assert_eq!(
        std::fs::read_dir(bench.host().path("var/lib/vsjob/run"))?.count(),
        0
    );
    Ok(())
}
