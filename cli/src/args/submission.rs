//! `submit OPERATION --PARAMETER VALUE …`: one subcommand an operation, its flags taken from the operation's own
//! parameters, so that a new operation needs nothing here. `schedule add NAME OPERATION …` takes the same.

use std::ffi::OsString;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, ValueEnum};
use vsjob_workflows::{Operation, Parameter, Parameters, operations};

use crate::message::Priority;

/// An operation with its parameters, as given.
#[derive(Clone, Debug)]
pub(crate) struct Submission<O = SubmitOptions> {
    /// The operation.
    pub operation: String,
    /// Its parameters.
    pub parameters: Parameters,
    /// How it is submitted.
    pub options: O,
}

/// How a job is submitted, whatever it does.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "How it is submitted")]
pub(crate) struct SubmitOptions {
    /// Show the plan and run nothing
    #[arg(long, conflicts_with = "wait")]
    pub plan: bool,
    /// With --plan: the text of every script too
    #[arg(long, short, requires = "plan")]
    pub verbose: bool,
    /// Stay until the job has ended, and end as it does
    #[arg(long)]
    pub wait: bool,
    /// Why; goes into the audit log
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// The same key with the same request is the same job, however often it is sent
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
    /// Its class: jobs of a higher one get their turn first
    #[arg(long, value_enum, default_value_t, value_name = "CLASS")]
    pub priority: Priority,
}

impl<O: Args> Args for Submission<O> {
    fn augment_args(command: Command) -> Command {
        let command = command.subcommand_required(true).arg_required_else_help(true);
        let command = command
            .subcommand_value_name("OPERATION")
            .subcommand_help_heading("Operations");
        operations().iter().fold(command, |command, operation| {
            command.subcommand(of::<O>(operation))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn of<O: Args>(operation: &'static Operation) -> Command {
    let command = Command::new(operation.name).args(operation.parameters.iter().map(flag));
    // Last: augmenting takes the options' own words for what the command is about.
    O::augment_args(command).about(operation.summary)
}

fn flag(parameter: &'static Parameter) -> Arg {
    let flag = Arg::new(parameter.name).long(parameter.name).help(parameter.help);
    if parameter.value.is_empty() {
        return flag.action(ArgAction::SetTrue);
    }
    // Text that is not UTF-8 is passed on as what it is not, so that the operation refuses it with its own words.
    flag.value_name(parameter.value)
        .required(parameter.required)
        .value_parser(clap::builder::OsStringValueParser::new())
        .allow_hyphen_values(true)
}

impl<O: Args> FromArgMatches for Submission<O> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let missing = || clap::Error::new(clap::error::ErrorKind::MissingSubcommand);
        let (name, matches) = matches.subcommand().ok_or_else(missing)?;
        let operation = operations()
            .iter()
            .find(|operation| operation.name == name)
            .ok_or_else(missing)?;
        let parameters = operation
            .parameters
            .iter()
            .filter_map(|parameter| Some((parameter.name.to_owned(), given(parameter, matches)?)))
            .collect();
        Ok(Self {
            operation: name.to_owned(),
            parameters,
            options: O::from_arg_matches(matches)?,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn given(parameter: &Parameter, matches: &ArgMatches) -> Option<String> {
    if parameter.value.is_empty() {
        return matches.get_flag(parameter.name).then(|| "true".to_owned());
    }
    matches
        .get_one::<OsString>(parameter.name)
        .map(|value| value.to_string_lossy().into_owned())
}

impl ValueEnum for Priority {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::High, Self::Normal, Self::Low]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.word()))
    }
}

impl std::fmt::Display for Priority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.word())
    }
}
