//! Performs one step on a host: launches and follows its script, or finds what became of one launched before, and says
//! how it ended. What cannot be known now is `Unknown`, and nothing is guessed.

use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;
use vsjob_engine::{Clock, Epoch, Mode, Outcome, Outputs, Progress, Work};

use crate::host::{Host, Question};
use crate::launched::{self, Launched, State, Trouble};
use crate::relay::{self, Relay};
use crate::run_name::RunName;
use crate::{HostAction, HostError, Script, Side, answer};

/// The first and the longest wait between two looks at a running command.
const FIRST_LOOK: Duration = Duration::from_millis(10);
const LONGEST_LOOK: Duration = Duration::from_millis(200);
/// The longest that a probe may take.
const PROBE_LIMIT: Duration = Duration::from_secs(60);

/// The hosts that must obey this life of the master before anything is changed.
pub(crate) struct Claims {
    pub(crate) hosts: Vec<Arc<Host>>,
    pub(crate) epoch: Epoch,
}

impl Claims {
    /// Claims those that are not claimed yet, all at once.
    pub(crate) async fn make(&self) -> Result<(), HostError> {
        try_join_all(self.hosts.iter().map(|host| host.claim(self.epoch)))
            .await
            .map(drop)
    }
}

/// One action on one host.
pub(crate) struct Performer {
    pub(crate) host: Arc<Host>,
    /// The other host of the step, if it has one.
    pub(crate) other: Option<Arc<Host>>,
    pub(crate) claims: Claims,
    pub(crate) action: &'static HostAction,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) work: Work,
}

impl Performer {
    pub(crate) async fn perform(self) -> Outcome {
        let args = match self.args() {
            Ok(args) => args,
            Err(e) => return Outcome::Failed(e.failure()),
        };
        let result = match (self.action.read_only, self.work.mode) {
            (true, Mode::Undo) => Ok(Outcome::Done(Outputs::new())),
            (true, Mode::Do) => self
                .read(Side::Do, &args, self.action.limit)
                .await
                .map(Outcome::Done),
            (false, Mode::Do) => self.carry(Side::Do, &args).await,
            (false, Mode::Undo) => self.take_back(&args).await,
        };
        result.unwrap_or_else(|trouble| self.outcome_of(trouble))
    }

    /// The values in the order of the scripts' positions.
    fn args(&self) -> Result<Vec<String>, HostError> {
        let given: Vec<&str> = self.work.args.iter().map(|(name, _)| name.as_str()).collect();
        if given != self.action.args {
            return Err(HostError::BadArguments {
                action: self.action.name.to_owned(),
                why: format!(
                    "it takes ({}), not ({})",
                    self.action.args.join(", "),
                    given.join(", ")
                ),
            });
        }
        Ok(self.work.args.iter().map(|(_, value)| value.clone()).collect())
    }

    fn script(&self, side: Side) -> Result<Script, Trouble> {
        self.action.script(side, self.host.drivers()).ok_or_else(|| {
            Trouble::Host(HostError::UnknownAction {
                action: format!("{}.{side}", self.action.name),
            })
        })
    }

    /// Runs a script that changes nothing.
    async fn read(&self, side: Side, args: &[String], limit: Duration) -> Result<Outputs, Trouble> {
        let script = self.script(side)?;
        let what = script.name.clone();
        let answer = self
            .host
            .ask(Question::read(script, args.to_vec(), limit))
            .await?;
        answer::settle(self.host.name(), &what, &answer).map_err(Trouble::Failed)
    }

    async fn take_back(&self, args: &[String]) -> Result<Outcome, Trouble> {
        let Work { epoch, job, step, .. } = self.work;
        launched::stop_step(&self.host, epoch, job, step).await?;
        if self.action.undo.is_empty() {
            return Ok(Outcome::Done(Outputs::new()));
        }
        self.carry(Side::Undo, args).await
    }

    /// Launches the script, or finds the one launched before, and follows it to its end.
    async fn carry(&self, side: Side, args: &[String]) -> Result<Outcome, Trouble> {
        let launched = Launched {
            host: Arc::clone(&self.host),
            epoch: self.work.epoch,
            name: RunName::of(&self.work),
        };
        let script = self.script(side)?;
        let mut relay = None;
        let state = if self.work.resume {
            launched.follow().await?
        } else {
            self.claims.make().await?;
            let mut args = args.to_vec();
            if side == Side::Do {
                relay = self.relay(&mut args).await?;
            }
            launched.launch(&script, &args).await?
        };
        let state = self.follow(&launched, state, &script.name).await?;
        drop(relay);
        match state {
            State::Finished(answer) => Ok(match answer::settle(self.host.name(), &script.name, &answer) {
                Ok(outputs) => self.complete(side, outputs),
                Err(failure) => Outcome::Failed(failure),
            }),
            State::Absent if self.work.resume => {
                // Nothing could be launched before: to be asked again until it can.
                self.claims.make().await?;
                Ok(Outcome::NotDone)
            }
            State::Absent | State::Running(_) | State::Gone => {
                self.after_interruption(side, &launched, args).await
            }
        }
    }

    /// The way to the other host, if the step asks for one; its port takes the place of the word by which it does.
    async fn relay(&self, args: &mut [String]) -> Result<Option<Relay>, HostError> {
        let at = self.action.args.iter().position(|name| *name == relay::ARGUMENT);
        let Some(word) = at.and_then(|at| args.get_mut(at)).filter(|word| *word == "yes") else {
            return Ok(None);
        };
        let other = self.other.as_ref().ok_or_else(|| HostError::BadArguments {
            action: self.action.name.to_owned(),
            why: "it needs a second host".to_owned(),
        })?;
        let relay = Relay::open(&self.host, other).await?;
        *word = relay.port().to_string();
        Ok(Some(relay))
    }

    /// Follows a command until it no longer runs, or has run for too long. That is told by the steady clock: the wall clock
    /// may be set meanwhile.
    async fn follow(&self, launched: &Launched, mut state: State, what: &str) -> Result<State, Trouble> {
        let begin = self.clock.moment().steady;
        let (mut last_word, mut last_heard) = (String::new(), begin);
        let mut wait = FIRST_LOOK;
        while let State::Running(word) = state {
            let now = self.clock.moment().steady;
            if word != last_word {
                self.tell(&word);
                (last_word, last_heard) = (word, now);
            }
            let host = self.host.name().clone();
            let what = what.to_owned();
            if now.saturating_sub(begin) > self.action.limit {
                let limit = self.action.limit;
                return self
                    .stop(launched, HostError::LimitExceeded { host, what, limit })
                    .await;
            }
            if let Some(limit) = self.action.stall
                && now.saturating_sub(last_heard) > limit
            {
                return self
                    .stop(launched, HostError::Stalled { host, what, limit })
                    .await;
            }
            self.clock.sleep(wait).await;
            wait = (wait * 3 / 2).min(LONGEST_LOOK);
            state = launched.follow().await?;
        }
        Ok(state)
    }

    /// Stops a command that takes too long; what it ended with meanwhile counts all the same.
    async fn stop(&self, launched: &Launched, why: HostError) -> Result<State, Trouble> {
        launched.stop().await?;
        match launched.follow().await? {
            finished @ State::Finished(_) => Ok(finished),
            _ => Err(Trouble::Failed(why.failure())),
        }
    }

    /// The command is gone without a word: its effect says what became of it.
    async fn after_interruption(
        &self,
        side: Side,
        launched: &Launched,
        args: &[String],
    ) -> Result<Outcome, Trouble> {
        if side == Side::Do {
            let mut found = self.read(Side::Probe, args, PROBE_LIMIT).await?;
            if found.remove("state").as_deref() == Some("done") {
                launched.settle().await?;
                return Ok(self.complete(side, found));
            }
        }
        // Its run directory stays: it may have had an effect that is gone again, and another master has to see that.
        if self.work.resume {
            return Ok(Outcome::NotDone);
        }
        let interrupted = HostError::Interrupted {
            host: self.host.name().clone(),
            what: format!("{}.{side}", self.action.name),
        };
        Ok(Outcome::Failed(interrupted.failure()))
    }

    fn complete(&self, side: Side, outputs: Outputs) -> Outcome {
        let missing = self
            .action
            .outputs
            .iter()
            .find(|key| !outputs.contains_key(**key));
        match missing {
            Some(key) if side == Side::Do => Outcome::Failed(
                HostError::BadAnswer {
                    host: self.host.name().clone(),
                    what: self.action.name.to_owned(),
                    why: format!("the result `{key}` is missing"),
                }
                .failure(),
            ),
            _ => Outcome::Done(outputs),
        }
    }

    /// A word about progress: `BYTES TOTAL NOTE`.
    fn tell(&self, word: &str) {
        let mut parts = word.splitn(3, ' ');
        let Some(bytes) = parts.next().and_then(|bytes| bytes.parse().ok()) else {
            return;
        };
        self.work.progress.send_replace(Progress {
            bytes,
            total: parts.next().and_then(|total| total.parse().ok()),
            note: crate::frame::printable(parts.next().unwrap_or("")),
        });
    }

    fn outcome_of(&self, trouble: Trouble) -> Outcome {
        match trouble {
            Trouble::Failed(failure) => Outcome::Failed(failure),
            Trouble::Host(error) if self.leaves_open(&error) => Outcome::Unknown(error.failure()),
            Trouble::Host(error) => Outcome::Failed(error.failure()),
        }
    }

    /// Whether something may have happened, or be happening, that this error hides.
    fn leaves_open(&self, error: &HostError) -> bool {
        match error {
            HostError::LimitExceeded { .. } => !self.action.read_only,
            HostError::HostKeyChanged { .. }
            | HostError::HostKeyUnknown { .. }
            | HostError::AuthFailed { .. }
            | HostError::NotRoot { .. } => self.work.resume,
            other => other.leaves_open(),
        }
    }
}
