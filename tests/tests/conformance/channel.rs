//! Channels: exit codes are true, any bytes come through, arguments are inert, and what hangs is ended.

use std::time::Duration;

use anyhow::Context;
use vsjob_engine::{Actions, Class, Outcome, StepNo};
use vsjob_workers::HostError;

use crate::{APPEND, Bench, EXIT, MOMENT, done};

pub(crate) async fn exit_codes_are_true_on_a_channel_and_in_a_run_directory(
    bench: &Bench,
) -> anyhow::Result<()> {
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
            (75 | 143, Outcome::Failed(failure)) => assert_eq!(failure.class, Class::Transient),
            (76, Outcome::Failed(failure)) => assert_eq!(failure.class, Class::Partial),
            (77, Outcome::Failed(failure)) => assert_eq!(failure.class, Class::Vanished),
            (_, Outcome::Failed(failure)) => {
                assert_eq!(failure.class, Class::Permanent);
                assert!(
                    failure.message.contains(&format!("exit code {code}: last words")),
                    "{failure}"
                );
            }
            (code, outcome) => anyhow::bail!("{code}: {outcome:?}"),
        }
    }
    Ok(())
}

pub(crate) async fn a_channel_that_is_killed_while_it_waits_answers_nothing_that_is_asked_next(
    bench: &Bench,
) -> anyhow::Result<()> {
    for _ in 0..3 {
        let answer = bench.read("echo $$", &[], MOMENT).await??;
        let channel = String::from_utf8_lossy(answer.stdout.whole().unwrap_or_default())
            .trim()
            .to_owned();
        // As a host does that goes down: in any order, and not all at the same time.
        // It may be about to wait.
        bench.ground.run(&format!(
            "for try in $(seq 200); do kill -KILL $(grep -lsx \"PPid:[[:space:]]*{channel}\" /proc/[0-9]*/status |
                 sed 's,[^0-9]*\\([0-9]*\\).*,\\1,') 2>/dev/null && exit
                 sleep 0.05
             done
             exit 1"
        ))?;
        if let Ok(answer) = bench.read("echo next", &[], MOMENT).await? {
            assert_eq!((answer.code, answer.stdout.whole()), (0, Some(&b"next\n"[..])));
        }
    }
    Ok(())
}

pub(crate) async fn any_bytes_and_ten_megabytes_come_through(bench: &Bench) -> anyhow::Result<()> {
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

pub(crate) async fn metacharacters_in_arguments_are_inert(bench: &Bench) -> anyhow::Result<()> {
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
        "ü",
        "${R}",
        "!$&|<>",
    ];
    let print = r#"for a; do printf '%s\n' "$a"; done"#;
    let answer = bench.read(print, &nasty, MOMENT).await??;
    let text = String::from_utf8(answer.stdout.whole().context("all")?.to_vec())?;
    assert_eq!(text.lines().collect::<Vec<_>>(), nasty);
    for (n, arg) in (0..).zip(nasty) {
        let mut work = bench.work(&APPEND, &[&bench.file, arg, "0"]);
        work.step = StepNo(n);
        let outcome = bench.pool.perform(work).await;
        assert!(done(&outcome), "{outcome:?}");
    }
    assert_eq!(bench.wrote().lines().collect::<Vec<_>>(), nasty);
    let refused = bench.read(print, &["two\nlines"], MOMENT).await?;
    assert!(
        matches!(refused, Err(HostError::BadArguments { .. })),
        "{refused:?}"
    );
    Ok(())
}

pub(crate) async fn what_hangs_in_a_channel_is_ended_and_the_host_stays_usable(
    bench: &Bench,
) -> anyhow::Result<()> {
    let hang = r#"echo $$ >"$R/root/pid"; sleep 1000"#;
    let answer = bench.read(hang, &[], Duration::from_millis(300)).await?;
    assert!(
        matches!(answer, Err(HostError::LimitExceeded { .. })),
        "{answer:?}"
    );
    let pid = bench.ground.read("root/pid")?;
    let there = bench
        .read(r#"readlink "/proc/$1/exe""#, &[pid.trim()], MOMENT)
        .await??;
    assert_ne!(there.code, 0, "the channel is still there: {there:?}");
    assert_eq!(bench.read("exit 3", &[], MOMENT).await??.code, 3);
    Ok(())
}
