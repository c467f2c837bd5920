//! Asks whether a guest may stand still for longer than it was to.

use std::time::Duration;

use vsjob_engine::{Class, Failure, Mode, Outcome, Outputs, Performing, Work};
use vsjob_workers::Context;

use super::argument;
use crate::planner::master_action;
use crate::{GuestName, Ref, Span};

master_action! {
    /// Waits for somebody's answer, if the guest would stand still for too long; fails if that is no.
    AskBudget { guest: GuestName, predicted: Ref<u64>, max_downtime: Span } -> BudgetAsked {
        /// Who said yes, or that nobody was asked.
        answer: String
    }
    "ask-budget" version 1, "ask whether {guest} may stand still for longer, if it would", ask
}

fn ask(context: Context, work: Work) -> Performing {
    Box::pin(async move {
        let amount = |name| argument(&work, name).parse().map(Duration::from_millis);
        let (Ok(predicted), Ok(allowed)) = (amount("predicted"), amount("max_downtime")) else {
            return Outcome::Failed(Failure::new(
                Class::Permanent,
                "VSJ0423",
                "a time is not a number of milliseconds",
            ));
        };
        let answered = |answer: String| Outcome::Done(Outputs::from([("answer".to_owned(), answer)]));
        if predicted <= allowed || work.mode == Mode::Undo {
            return answered("nobody was asked".to_owned());
        }
        let question = question(argument(&work, "guest"), predicted, allowed);
        let said = context.consents.ask(work.job, question.clone()).await;
        if said.yes {
            return answered(format!("yes, said {}", said.by));
        }
        let refused = format!("{question}, and {} said no", said.by);
        Outcome::Failed(Failure::new(Class::Permanent, "VSJ0480", refused))
    })
}

fn question(guest: &str, predicted: Duration, allowed: Duration) -> String {
    format!(
        "{guest} would stand still for about {:.1} s, and {:.1} s are allowed",
        predicted.as_secs_f64(),
        allowed.as_secs_f64()
    )
}
