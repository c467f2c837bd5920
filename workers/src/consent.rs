//! Consent that jobs ask people for. A step that asks waits for the answer, and its outcome says what that was; so a
//! question needs no memory but the journal: the next master performs the step anew, which asks again, and an answer that
//! was not durable yet was not acknowledged either.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use vsjob_engine::JobId;

/// What somebody said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Yes, or no.
    pub yes: bool,
    /// Who said so, from where, and why.
    pub by: String,
}

/// The questions that are open now.
#[derive(Debug, Default)]
pub struct Consents {
    open: Mutex<BTreeMap<JobId, Open>>,
}

#[derive(Debug)]
struct Open {
    text: String,
    reply: oneshot::Sender<Said>,
}

impl Consents {
    /// Asks, and waits for the answer, however long that takes. Who drops the future takes the question back.
    pub async fn ask(&self, job: JobId, text: String) -> Said {
        let (reply, answer) = oneshot::channel();
        self.open().insert(job, Open { text, reply });
        match answer.await {
            Ok(said) => said,
            // The same job asks anew, in this question's place.
            Err(_) => std::future::pending().await,
        }
    }

    /// What the job asks.
    #[must_use]
    pub fn asked(&self, job: JobId) -> Option<String> {
        self.open().get(&job).map(|question| question.text.clone())
    }

    /// Answers what the job asks; false if it asks nothing.
    pub fn answer(&self, job: JobId, said: Said) -> bool {
        let question = self.open().remove(&job);
        question.is_some_and(|question| question.reply.send(said).is_ok())
    }

    /// Those that somebody still waits for.
    fn open(&self) -> MutexGuard<'_, BTreeMap<JobId, Open>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, question| !question.reply.is_closed());
        open
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vsjob_engine::Timestamp;

    #[tokio::test]
    async fn a_question_is_open_until_it_is_answered_or_nobody_wants_to_know_any_more() {
        let consents = Consents::default();
        let job = JobId::new(Timestamp::from_millis(1));
        let said = Said {
            yes: true,
            by: "root".to_owned(),
        };
        assert!(!consents.answer(job, said.clone()));

        let mut asking = Box::pin(consents.ask(job, "may it?".to_owned()));
        assert!(futures::poll!(&mut asking).is_pending());
        assert_eq!(consents.asked(job).as_deref(), Some("may it?"));
        assert!(consents.answer(job, said.clone()));
        assert_eq!(asking.await, said);
        assert_eq!(consents.asked(job), None);

        let mut asking = Box::pin(consents.ask(job, "may it?".to_owned()));
        assert!(futures::poll!(&mut asking).is_pending());
        drop(asking);
        assert_eq!(consents.asked(job), None);
        assert!(!consents.answer(job, said));
    }
}
