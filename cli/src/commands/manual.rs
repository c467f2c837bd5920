//! Completions and manual pages, made of the definitions of the command line.

use std::io;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::Exit;
use crate::args::CommandLine;
use crate::complaint::{Complaint, Stop};
use crate::output::Output;

pub(crate) fn completions(output: Output, shell: Shell) -> Result<Exit, Stop> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut CommandLine::command(), "vsjob", &mut text);
    output.raw(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Done)
}

pub(crate) fn pages(output: Output, folder: Option<&Path>) -> Result<Exit, Stop> {
    let command = CommandLine::command();
    match folder {
        Some(folder) => clap_mangen::generate_to(command, folder).map_err(|e| unwritten(folder, &e))?,
        None => {
            let mut text = Vec::new();
            clap_mangen::Man::new(command)
                .render(&mut text)
                .map_err(|e| Stop::unwritten(&e))?;
            output.raw(&String::from_utf8_lossy(&text))?;
        }
    }
    Ok(Exit::Done)
}

fn unwritten(folder: &Path, error: &io::Error) -> Complaint {
    Complaint::new(
        "VSJ0508",
        Exit::Usage,
        format!("failed to write the pages into {}", folder.display()),
    )
    .because(error)
    .hint("name a folder that is there and that you may write into")
}
