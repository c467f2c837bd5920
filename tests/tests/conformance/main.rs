//! What a host must do, whichever way it is reached: run on paper hosts, and on real ones where there is a lab.

mod channel;
mod claims;
mod epochs;
mod faults;
mod launched;
mod storage;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use tokio::sync::watch;
use uuid::Uuid;
use vsjob_engine::{
    ActionRef, Actions, Class, Clock, Epoch, JobId, Mode, Outcome, Progress, StepNo, SystemClock, Timestamp,
    Work,
};
use vsjob_tests::ground::Ground;
use vsjob_workers::storage::{BTRFS, DIR, LVM, LVM_SHARED, LVM_THIN};
use vsjob_workers::{Action, Answer, Driver, HostAction, HostError, Pool, Question, Registry, Script};

/// Appends a line, which shows how often it was done; and says how far it is. That it was begun outlives a power cut, as
/// with what opens a guest.
static APPEND: HostAction = HostAction {
    name: "test-append",
    args: &["file", "text", "seconds"],
    outputs: &["wrote"],
    probe: r#"
        if [ -s "$R/root/$1" ]; then out state done; out wrote "$2"; else out state absent; fi"#,
    do_: r#"
        durable "$RUN"
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

/// The same with time enough for things to happen.
static SLOW: HostAction = HostAction {
    name: "test-slow",
    limit: Duration::from_secs(60),
    ..APPEND
};

/// Is taken for stalled when it tells nothing for a moment.
static SILENT: HostAction = HostAction {
    name: "test-silent",
    stall: Some(Duration::from_millis(500)),
    limit: Duration::from_secs(60),
    ..APPEND
};

/// Dies between its effect and its fsync.
static DIES: HostAction = HostAction {
    name: "test-dies",
    do_: r#"
        printf '%s\n' "$2" >>"$R/root/$1"
        kill -KILL 0"#,
    ..APPEND
};

static EXIT: HostAction = HostAction {
    name: "test-exit",
    args: &["code"],
    probe: "out state absent",
    do_: r#"echo "last words" >&2; exit "$1""#,
    ..HostAction::EMPTY
};

/// A host to try, and a master's pool with it.
struct Bench {
    ground: Ground,
    pool: Pool,
    epoch: Epoch,
    job: JobId,
    /// A file in /root of the host that no other test uses.
    file: String,
    /// The storages that its volumes are tried with.
    storages: Vec<&'static Driver>,
}

fn epoch(counter: u64) -> Epoch {
    Epoch {
        counter,
        id: Uuid::new_v4(),
    }
}

/// Each bench gets later epochs than those before it, since real hosts remember.
static BENCHES: AtomicU64 = AtomicU64::new(1);

fn bench(ground: &Ground) -> anyhow::Result<Bench> {
    let number = BENCHES.fetch_add(1, Ordering::Relaxed);
    let registry = Registry::new([&APPEND, &SLOW, &SILENT, &DIES, &EXIT].map(Action::Host));
    Ok(Bench {
        ground: ground.clone(),
        pool: ground.pool(registry)?,
        epoch: epoch(number * 10),
        job: JobId::new(Timestamp::from_millis(1)),
        file: format!("test-{number}"),
        storages: match ground {
            // Nothing is mounted in part on paper.
            Ground::Paper(_) => vec![&BTRFS, &DIR, &LVM, &LVM_THIN],
            // The kernel of a fast host has no device mapper.
            Ground::Lab(..) => vec![&BTRFS, &DIR],
        },
    })
}

impl Bench {
    /// Another life of the master.
    fn another_pool(&self) -> anyhow::Result<Pool> {
        self.ground.pool(self.pool.registry().clone())
    }

    fn wrote(&self) -> String {
        self.ground
            .read(&format!("root/{}", self.file))
            .unwrap_or_default()
    }

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
            hosts: vec![self.ground.host()],
            claims: vec![self.ground.host()],
            epoch: self.epoch,
            progress: watch::Sender::new(Progress::default()),
        }
    }

    /// Runs a script that changes nothing.
    async fn read(
        &self,
        text: &str,
        args: &[&str],
        limit: Duration,
    ) -> anyhow::Result<Result<Answer, HostError>> {
        let host = self.pool.host(&self.ground.host())?;
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
            Outcome::NotDone => {
                work.attempt += 1;
                work.resume = false;
            }
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

/// The storages on LVM, each with another file system, on a host whose kernel has LVM. A processor that is emulated takes seven
/// minutes for all, which `VSJOB_STORAGES=all` asks for.
#[tokio::test]
async fn on_a_virtual_machine_storages_on_lvm_do_what_all_do() -> anyhow::Result<()> {
    let Some(ground) = Ground::vm()? else {
        return Ok(());
    };
    let all = std::env::var("VSJOB_STORAGES").is_ok_and(|which| which == "all");
    let shared = "mkfs.xfs -q $(lvcreate -q -y -L 2g -n guests vsh >/dev/null; echo /dev/vsh/guests)
                  echo '/dev/vsh/guests /var/lib/machines xfs defaults' >>/etc/fstab
                  mount /var/lib/machines; sync";
    for (storage, prepare) in [
        (&LVM, ":"),
        (&LVM_THIN, "vgchange -q --addtag vsjob.xfs vsh"),
        (&LVM, "vgchange -q --deltag vsjob.xfs --addtag vsjob.btrfs vsh"),
        (&LVM_SHARED, shared),
    ] {
        ground.run(prepare)?;
        let mut bench = bench(&ground)?;
        bench.storages = vec![storage];
        let tried = if all {
            storage::all(&bench).await
        } else {
            storage::what_file_systems_differ_in(&bench).await
        };
        tried.with_context(|| format!("{}, after {prepare}", storage.name))?;
    }
    Ok(())
}

/// Each sentence is a test on paper hosts with either launcher, and all of them are one test on a real host.
macro_rules! on_each_ground {
    ($($module:ident::$sentence:ident,)*) => {
        mod on_paper {
            $(#[tokio::test]
            async fn $sentence() -> anyhow::Result<()> {
                super::$module::$sentence(&super::bench(&super::Ground::paper(1, false)?)?).await
            })*
        }

        mod on_paper_with_systemd {
            $(#[tokio::test]
            async fn $sentence() -> anyhow::Result<()> {
                super::$module::$sentence(&super::bench(&super::Ground::paper(1, true)?)?).await
            })*
        }

        #[tokio::test]
        async fn on_a_real_host() -> anyhow::Result<()> {
            let Some(ground) = Ground::lab(1)? else { return Ok(()) };
            $($module::$sentence(&bench(&ground)?).await.context(stringify!($sentence))?;)*
            Ok(())
        }
    };
}

on_each_ground! {
    channel::exit_codes_are_true_on_a_channel_and_in_a_run_directory,
    channel::a_channel_that_is_killed_while_it_waits_answers_nothing_that_is_asked_next,
    channel::any_bytes_and_ten_megabytes_come_through,
    channel::metacharacters_in_arguments_are_inert,
    channel::what_hangs_in_a_channel_is_ended_and_the_host_stays_usable,
    launched::a_step_is_done_and_undone,
    launched::a_step_whose_caller_has_gone_away_goes_on_and_is_found_again,
    launched::a_step_that_never_began_is_told_from_one_that_did,
    launched::undo_stops_what_runs_and_what_is_only_about_to_run,
    launched::a_step_that_tells_nothing_for_too_long_is_stopped,
    launched::a_line_that_is_cut_in_the_middle_loses_no_work,
    launched::what_a_lost_line_was_asked_does_not_begin_later,
    launched::an_sshd_that_is_killed_in_the_middle_is_not_even_noticed,
    launched::a_host_that_reboots_in_the_middle_does_it_anew_and_shows_that_it_had_begun,
    launched::what_died_after_its_effect_is_durable_once_it_is_called_done,
    launched::a_run_directory_that_lost_its_files_holds_up_nobody,
    launched::a_host_that_is_away_is_waited_for,
    launched::when_a_job_is_over_nothing_of_it_stays,
    launched::what_a_host_has_of_a_job_that_ended_while_it_was_away_goes_when_it_is_back,
    epochs::an_older_master_changes_nothing,
    storage::what_somebody_removes_while_it_is_made_durable_is_no_failure_and_anything_else_is,
    storage::a_volume_is_made_renamed_and_removed_from_any_half_way_point,
    storage::a_volume_is_removed_with_all_that_is_in_it,
    storage::what_leads_elsewhere_is_no_volume,
    storage::a_name_that_is_taken_is_not_taken_again,
    storage::a_snapshot_stands_still_where_there_can_be_one,
    storage::what_there_is_and_what_is_free_is_told_in_bytes,
    storage::what_a_storage_has_answered_outlives_a_power_cut,
    storage::a_volume_grows_to_its_limit,
}
