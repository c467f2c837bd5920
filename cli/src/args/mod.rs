//! The command line. Its definitions are the one source of the parser, the help, the completions and the manual pages.

mod schedule;
mod submission;

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use vsjob_engine::HostName;
use vsjob_workflows::{GenerationName, GuestName, Keep, TemplateName};

pub(crate) use schedule::{OneSchedule, Schedule, ScheduleOptions};
pub(crate) use submission::Submission;

/// Moves, backs up and looks after OS containers on a pool of Debian hosts over plain SSH. Every operation is a durable
/// job: it ends as done or as before, whatever crashes in between.
#[derive(Debug, Parser)]
#[command(name = "vsjob", version, propagate_version = true, max_term_width = 110)]
pub(crate) struct CommandLine {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The settings; slaves.conf lies beside them [default: /etc/vsjob/vsjob.toml]
    #[arg(
        long,
        global = true,
        env = "VSJOB_CONFIG",
        value_name = "FILE",
        hide_env = true
    )]
    pub config: Option<PathBuf>,
    /// Where the master listens [default: as vsjob.toml says]
    #[arg(
        long,
        global = true,
        env = "VSJOB_SOCKET",
        value_name = "PATH",
        hide_env = true
    )]
    pub socket: Option<PathBuf>,
    /// The master's own folder [default: as vsjob.toml says]
    #[arg(
        long,
        global = true,
        env = "VSJOB_STATE",
        value_name = "FOLDER",
        hide_env = true
    )]
    pub state: Option<PathBuf>,
    /// Answer in JSON, for programs
    #[arg(long, global = true)]
    pub json: bool,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Submit a job: answers with its id as soon as it is durable
    Submit(Submission),
    /// Show jobs, or one job with its steps
    Status {
        /// A job: its id, or the end of it that `status` shows
        job: Option<String>,
        /// Stay, and show every change
        #[arg(long, short)]
        watch: bool,
        /// Jobs that are over too
        #[arg(long, short)]
        all: bool,
        /// At most this many
        #[arg(long, short = 'n', default_value_t = 50, value_name = "N")]
        limit: usize,
    },
    /// Let a job go on that is paused, waits for its next try, or is stuck; never reverses anything
    Resume(OneJob),
    /// Let a job stand still after the step that is under way
    Pause(OneJob),
    /// Take a job back; refused once it is past its point of no return
    Cancel(OneJob),
    /// Try the step again at which a job is stuck, or whose next try it waits for
    Retry(OneJob),
    /// Go on without the step at which a job gets nowhere: it counts as done, or as undone
    Skip {
        /// The job, and why
        #[command(flatten)]
        which: Vouched,
    },
    /// Give up a job that gets nowhere: it is over as it stands, and nothing more is done for it
    Abandon {
        /// The job, and why
        #[command(flatten)]
        which: Vouched,
        /// Do not leave it as it stands: take it back although it has come to its point of no return. What was entrusted
        /// to the new copy since then is lost
        #[arg(long, value_name = "WHERE", conflicts_with = "done_by_hand")]
        to: Option<Back>,
    },
    /// Answer what a job asks; `status JOB` shows the question
    Answer {
        /// The job, and why
        #[command(flatten)]
        which: OneJob,
        /// Whether it may
        answer: YesOrNo,
    },
    /// Show what has happened in a job
    Logs {
        /// A job
        job: String,
        /// Stay until the job is over
        #[arg(long, short)]
        follow: bool,
    },
    /// Show what is locked, by which job, since when, and who waits
    Locks,
    /// Show what jobs have left on hosts: objects in use, and undos that are owed to hosts that were away
    Gc,
    /// Check the journal
    #[command(subcommand)]
    Audit(Audit),
    /// Check the configuration
    #[command(subcommand)]
    Config(Config),
    /// Guests: list, start, stop, enable, disable, take in
    #[command(subcommand)]
    Guest(Guest),
    /// Hosts: list, show, keep new guests away, forget
    #[command(subcommand)]
    Host(Host),
    /// The master's clock: show it, accept a jump
    #[command(subcommand)]
    Clock(Clock),
    /// Look at every host and report where it differs from what the master knows; changes nothing
    Scan {
        /// After a take-over: let the jobs go on that the master holds, having read the scan with this seal
        #[arg(long, value_name = "SEAL")]
        accept: Option<String>,
        /// Why; goes into the audit log
        #[arg(long, value_name = "TEXT", requires = "accept")]
        reason: Option<String>,
    },
    /// The copies of guests that `submit backup` makes: list, show, verify, keep, delete
    #[command(subcommand)]
    Generation(Generation),
    /// What is submitted by itself: add, list, show, remove, enable, disable, run now, when next
    #[command(subcommand)]
    Schedule(Schedule),
    /// Single actions, by hand
    #[command(subcommand)]
    Step(Step),
    /// The templates that guests can be made from: list, remove
    #[command(subcommand)]
    Template(Template),
    /// The job `demo`, to try a crash on
    #[command(subcommand)]
    Demo(Demo),
    /// Tell more about an error code
    Explain {
        /// Such as VSJ0301; without it, every code there is
        code: Option<String>,
    },
    /// Run the master
    Master(Start),
    /// Write a backup of the master into a file: its store and its configuration; works while it runs, and after it died
    BackupMaster {
        /// A new file; a tar archive
        file: PathBuf,
    },
    /// Restore a master from its backup, on this machine or another; it then starts only with `master --take-over`
    RestoreMaster {
        /// What `backup-master` has written
        file: PathBuf,
    },
    /// Print completions for a shell
    Completions {
        /// Which
        shell: Shell,
    },
    /// Print the manual page, or write those of all commands into a folder
    Man {
        /// The folder
        folder: Option<PathBuf>,
    },
}

/// How a master starts where it otherwise would not.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Start {
    /// Start although acknowledged records are missing, and forget them. Once, after reading `explain VSJ0109`
    #[arg(long)]
    pub accept_loss: bool,
    /// Take the hosts back from another master; every open job is held. Once, after reading `explain VSJ0304`
    #[arg(long)]
    pub take_over: bool,
}

/// A job, and why something is done to it.
#[derive(Debug, Args)]
pub(crate) struct OneJob {
    /// A job: its id, or the end of it that `status` shows
    pub job: String,
    /// Why; goes into the audit log
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// A job that gets nowhere, and what somebody vouches for.
#[derive(Debug, Args)]
pub(crate) struct Vouched {
    /// A job: its id, or the end of it that `status` shows
    pub job: String,
    /// The host of the step is off and stays off; refused if it answers
    #[arg(long, conflicts_with = "done_by_hand")]
    pub host_is_off: bool,
    /// You have done by hand what the step was to do, or to undo, and nothing that it started still runs
    #[arg(long)]
    pub done_by_hand: bool,
    /// Why you take responsibility; goes into the audit log
    #[arg(long, value_name = "TEXT", required = true)]
    pub reason: Option<String>,
}

/// Where to go back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Back {
    /// Where it came from
    Source,
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum YesOrNo {
    /// It may
    Yes,
    /// It may not, and is taken back
    No,
}

/// A switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnOrOff {
    /// From now on
    On,
    /// No longer
    Off,
}

/// Checks of the journal.
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Walk the whole journal and check every record and every link; works without a master too
    Verify,
}

/// Checks of the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Report every mistake of every file, each with its line and column
    Check,
}

/// What can be done with guests.
#[derive(Debug, Subcommand)]
pub(crate) enum Guest {
    /// Show the known guests and where they live
    List,
    /// Start a guest
    Start(Guests),
    /// Stop a guest
    Stop(Guests),
    /// Let a guest start when its host does
    Enable(Guests),
    /// Do not let a guest start when its host does
    Disable(Guests),
    /// Take guests that exist on hosts already into placement; changes nothing on the hosts
    Adopt {
        /// Only those of this host
        #[arg(long, value_name = "HOST")]
        host: Option<String>,
        /// Why; goes into the audit log
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

/// A guest, or many, and why something is done to them.
#[derive(Debug, Args)]
pub(crate) struct Guests {
    /// Its name
    #[arg(required_unless_present = "all")]
    pub name: Option<String>,
    /// Every guest, each as a job of its own
    #[arg(long, conflicts_with = "name")]
    pub all: bool,
    /// With --all: those that are there
    #[arg(long, value_name = "HOST", requires = "all")]
    pub host: Option<String>,
    /// Why; goes into the audit log
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// Hosts.
#[derive(Debug, Subcommand)]
pub(crate) enum Host {
    /// Show the hosts of slaves.conf, and whether they answer
    List,
    /// Show one host with its guests, its jobs and what is owed to it
    Show {
        /// Its name
        host: HostName,
    },
    /// Send nothing new to a host, or use it again; guests may be moved off it all the same
    Maintenance {
        /// Its name
        host: HostName,
        /// Whether it begins or ends
        switch: OnOrOff,
        /// Why; goes into the audit log
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Forget a host that is gone for good: what is owed to it is struck, and what has its name later is a new host
    Forget {
        /// Its name
        host: HostName,
        /// It is off and stays off; needed when nothing answers in its name
        #[arg(long)]
        host_is_off: bool,
        /// The guests that live there are lost with it
        #[arg(long)]
        guests_are_lost: bool,
        /// Why; goes into the audit log
        #[arg(long, value_name = "TEXT", required = true)]
        reason: Option<String>,
    },
}

/// Generations.
#[derive(Debug, Subcommand)]
pub(crate) enum Generation {
    /// Show the generations that there are
    List {
        /// Only those of this guest
        #[arg(long, value_name = "GUEST")]
        name: Option<GuestName>,
    },
    /// Show what a generation says of itself
    Show {
        /// The guest
        #[arg(long, value_name = "GUEST")]
        name: GuestName,
        /// As `generation list` shows it
        generation: GenerationName,
    },
    /// Read every byte of a generation, and compare it with its manifest
    Verify {
        /// The guest
        #[arg(long, value_name = "GUEST")]
        name: GuestName,
        /// As `generation list` shows it
        generation: GenerationName,
    },
    /// Keep a generation, whatever a rule says
    Pin {
        /// The guest
        #[arg(long, value_name = "GUEST")]
        name: GuestName,
        /// As `generation list` shows it
        generation: GenerationName,
        /// Why; goes into the audit log
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Keep a generation no longer than a rule says
    Unpin {
        /// The guest
        #[arg(long, value_name = "GUEST")]
        name: GuestName,
        /// As `generation list` shows it
        generation: GenerationName,
        /// Why; goes into the audit log
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Delete the generations of a guest that a rule does not keep; never the newest, nor a pinned one
    Prune {
        /// The guest
        #[arg(long, value_name = "GUEST")]
        name: GuestName,
        /// The newest of so many days, weeks, months and years: 7d4w6m
        #[arg(long, value_name = "RULE")]
        keep: Keep,
        /// Only show what would be deleted
        #[arg(long)]
        plan: bool,
        /// Why; goes into the audit log
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

/// The master's clock.
#[derive(Debug, Subcommand)]
pub(crate) enum Clock {
    /// Show how late it is, and whether the wall clock has jumped
    Show,
    /// The wall clock, which has jumped, is right: let what waits for a time of its own go on
    Accept {
        /// Why; goes into the audit log
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

/// Actions.
#[derive(Debug, Subcommand)]
pub(crate) enum Step {
    /// Show every action with its arguments
    List,
    /// Run one action as a job of one step, and wait for it
    Run {
        /// The action
        action: String,
        /// Its arguments, in order
        args: Vec<String>,
        /// On which host; needed unless the action is one of the master's
        #[arg(long, value_name = "HOST", action = ArgAction::Append)]
        host: Vec<String>,
        /// Why; goes into the audit log
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

/// Templates.
#[derive(Debug, Subcommand)]
pub(crate) enum Template {
    /// Show the templates
    List,
    /// Show one
    Show {
        /// As `template list` shows it
        template: TemplateName,
    },
    /// Delete one; not while a job that is not over names it
    Remove {
        /// As `template list` shows it
        template: TemplateName,
        /// Why; goes into the audit log
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

/// The job `demo`.
#[derive(Debug, Subcommand)]
pub(crate) enum Demo {
    /// Tell a waiting demo job to go on
    Go {
        /// A job: its id, or the end of it that `status` shows
        job: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn an_operation_takes_its_parameters_as_flags() {
        let line = [
            "vsjob",
            "submit",
            "demo",
            "--fail-at",
            "2",
            "--no-wait",
            "--wait",
            "--reason",
            "r",
        ];
        let Command::Submit(submission) = CommandLine::try_parse_from(line).unwrap().command else {
            panic!("not a submission");
        };
        assert_eq!(submission.operation, "demo");
        let given: Vec<_> = submission.parameters.into_iter().collect();
        assert_eq!(
            given,
            [
                ("fail-at".to_owned(), "2".to_owned()),
                ("no-wait".to_owned(), "true".to_owned())
            ]
        );
        assert!(submission.options.wait);
        assert_eq!(submission.options.reason.as_deref(), Some("r"));
    }

    #[test]
    fn an_unknown_flag_is_answered_with_the_likely_one() {
        let error = CommandLine::try_parse_from(["vsjob", "submit", "demo", "--no-wiat"]).unwrap_err();
        assert!(error.to_string().contains("--no-wait"), "{error}");
    }
}
