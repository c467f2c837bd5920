//! The program `vsjob`: its command line, the master with its API, and the client that all other commands are.

mod args;
mod ask;
mod backup;
mod client;
mod commands;
mod complaint;
mod exit;
mod explain;
mod follow;
#[doc(hidden)]
pub mod fuzzing;
mod master;
mod message;
mod output;
mod place;
mod session;
mod words;

use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use args::CommandLine;
use complaint::{Complaint, Stop};
use exit::Exit;
use output::Output;

/// Runs the program: reads the command line, does what it says, and tells how it ended.
#[must_use]
pub fn run() -> ExitCode {
    std::panic::set_hook(Box::new(tell_of_panic));
    let exit = catch_unwind(AssertUnwindSafe(run_command_line)).unwrap_or(Exit::Internal);
    exit.into()
}

fn run_command_line() -> Exit {
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(e) => return tell_of_usage(&e),
    };
    let output = Output {
        json: line.global.json,
    };
    match commands::perform(&line, output) {
        Ok(exit) => exit,
        Err(Stop::PipeClosed) => Exit::Done,
        Err(Stop::Complaint(complaint)) => {
            output.talk(match output.json {
                true => complaint.for_programs().trim_end().to_owned(),
                false => complaint.for_people().trim_end().to_owned(),
            });
            complaint.exit
        }
    }
}

/// Help and version are data; everything else is a complaint about the command line.
fn tell_of_usage(error: &clap::Error) -> Exit {
    let text = error.render().to_string();
    let output = Output { json: false };
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return match output.raw(&text) {
            Ok(()) | Err(Stop::PipeClosed) => Exit::Done,
            Err(Stop::Complaint(complaint)) => complaint.exit,
        };
    }
    output.talk(match text.strip_prefix("error:") {
        Some(rest) => format!("error VSJ0510:{}", rest.trim_end()),
        None => text.trim_end().to_owned(),
    });
    Exit::Usage
}

/// No panic reaches a user as such. In the master it fails the step or the request that it happened in.
fn tell_of_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map_or_else(String::new, |place| {
        format!(" at {}:{}", place.file(), place.line())
    });
    let complaint = Complaint::new(
        "VSJ0511",
        Exit::Internal,
        format!("a fault in vsjob itself{place}"),
    )
    .hint("please report it with what you did; no job is harmed by it");
    let mut complaint = complaint;
    let payload = panic.payload();
    let said = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    complaint
        .causes
        .extend(said.or_else(|| payload.downcast_ref::<String>().cloned()));
    Output { json: false }.talk(complaint.for_people().trim_end());
}
