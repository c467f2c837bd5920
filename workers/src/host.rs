//! A host as the master sees it: its line, its few channels, and whether it is claimed. Who asks it something gets an
//! answer or a [`HostError`]; a channel that broke or hangs is replaced, and what it was asked is ended before anything
//! else is asked.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use vsjob_engine::{Clock, Epoch, HostName};

use crate::channel::{Answer, Channel, ChannelError, Request};
use crate::claim::{self, Claim};
use crate::frame::printable;
use crate::line::{Line, LineError, Pending};
use crate::{Drivers, HostError, Script, answer, internal};

/// Channels a host: one for what takes a moment, one for what must not wait for it.
const CHANNELS: usize = 2;
/// The longest that claiming may take: older channels are ended meanwhile.
const CLAIM_LIMIT: Duration = Duration::from_secs(60);
/// The longest that ending a channel may take.
const END_LIMIT: Duration = Duration::from_secs(15);

/// What is asked of a host, and how long that may take.
#[derive(Clone, Debug)]
pub struct Question {
    /// What is run.
    pub request: Request,
    /// The longest that it may take.
    pub limit: Duration,
}

impl Question {
    /// Runs a script that changes nothing.
    #[must_use]
    pub fn read(script: Script, args: Vec<String>, limit: Duration) -> Self {
        let request = Request {
            script,
            data: Vec::new(),
            args,
            epoch: None,
        };
        Self { request, limit }
    }

    /// The same in the name of a master, so that it may change something.
    #[must_use]
    pub fn by(mut self, epoch: Epoch) -> Self {
        self.request.epoch = Some(epoch);
        self
    }

    /// The same with scripts that it handles as data.
    #[must_use]
    pub fn with(mut self, data: Vec<Script>) -> Self {
        self.request.data = data;
        self
    }
}

/// Who a host said it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Of /etc/machine-id.
    pub machine: String,
    /// Of this boot.
    pub boot: String,
    /// The epoch that it obeyed, `COUNTER ID`, or nothing.
    pub epoch: String,
}

/// A channel and what is at its other end.
struct OpenChannel {
    channel: Channel,
    /// Which machine that is.
    machine: String,
    end: ChannelEnd,
}

/// The process group at the other end of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ChannelEnd {
    /// Number, start time and group, as `end_channel.sh` takes them.
    process: Vec<String>,
    /// In which boot of the host.
    boot: String,
}

/// What a host is made of.
pub struct HostParts {
    /// Its name.
    pub name: HostName,
    /// Its drivers.
    pub drivers: Drivers,
    /// The way to it.
    pub line: Box<dyn Line>,
    /// How long it may take to answer the first question.
    pub answer_limit: Duration,
}

/// One host of the pool.
pub struct Host {
    parts: HostParts,
    clock: Arc<dyn Clock>,
    free: Semaphore,
    idle: Mutex<Vec<OpenChannel>>,
    /// What is at the end of lines that broke, or is asked for too long: it may still do what it was asked.
    lost: Mutex<Vec<ChannelEnd>>,
    facts: Mutex<Option<Facts>>,
    /// Which machine it has to be, if that is known.
    expected: Mutex<Option<String>>,
    claimed: tokio::sync::Mutex<Option<Epoch>>,
    superseded: watch::Sender<Option<HostError>>,
    claims: mpsc::UnboundedSender<Claim>,
}

impl Host {
    /// A host. Nothing is connected yet. That it obeys another master will be told to `superseded`, and what is found
    /// when it is claimed to `claims`.
    #[must_use]
    pub fn new(
        parts: HostParts,
        clock: Arc<dyn Clock>,
        superseded: watch::Sender<Option<HostError>>,
        claims: mpsc::UnboundedSender<Claim>,
    ) -> Self {
        Self {
            parts,
            clock,
            free: Semaphore::new(CHANNELS),
            idle: Mutex::default(),
            lost: Mutex::default(),
            facts: Mutex::default(),
            expected: Mutex::default(),
            claimed: tokio::sync::Mutex::default(),
            superseded,
            claims,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &HostName {
        &self.parts.name
    }

    /// Its drivers.
    #[must_use]
    pub fn drivers(&self) -> &Drivers {
        &self.parts.drivers
    }

    /// Who it is, as it said when it was connected to last.
    #[must_use]
    pub fn facts(&self) -> Option<Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on it is this machine, or any. Channels to another one are not used again.
    pub fn expect(&self, machine: Option<String>) {
        let mut idle = self.idle_channels();
        if let Some(facts) = self.facts()
            && machine.as_ref().is_some_and(|machine| *machine != facts.machine)
        {
            idle.clear();
        }
        *self.expected.lock().unwrap_or_else(PoisonError::into_inner) = machine;
    }

    /// Asks, and waits for the answer. Who drops the future loses only the answer, unless nothing was sent yet. A
    /// question that changes something must be right when asked twice: after a line broke it may be.
    ///
    /// # Errors
    /// The host does not answer, or obeys another master.
    pub async fn ask(self: &Arc<Self>, question: Question) -> Result<Answer, HostError> {
        let host = Arc::clone(self);
        let what = question.request.script.name.clone();
        let wanted = Arc::new(());
        let still_wanted = Arc::downgrade(&wanted);
        let asking = tokio::spawn(async move {
            let Some(epoch) = question.request.epoch else {
                return host
                    .exchange(&question, || still_wanted.strong_count() > 0)
                    .await?
                    .map_err(|e| host.translate(&question, e));
            };
            // A second time if the host turns out to have forgotten that it was claimed.
            for claimed_before in [true, false] {
                host.claim(epoch).await?;
                match host
                    .exchange(&question, || still_wanted.strong_count() > 0)
                    .await?
                {
                    Err(ChannelError::Unclaimed) if claimed_before => *host.claimed.lock().await = None,
                    other => return other.map_err(|e| host.translate(&question, e)),
                }
            }
            Err(host.translate(&question, ChannelError::Unclaimed))
        });
        let answer = asking.await;
        drop(wanted);
        answer.unwrap_or_else(|e| Err(self.lost(&what, &e.to_string())))
    }

    /// Claims the host for `epoch`, unless it is claimed already: then nothing is asked.
    ///
    /// # Errors
    /// The host does not answer, or obeys another master.
    pub async fn claim(&self, epoch: Epoch) -> Result<(), HostError> {
        if let Some(refused) = &*self.superseded.borrow() {
            return Err(refused.clone());
        }
        let mut claimed = self.claimed.lock().await;
        if *claimed == Some(epoch) {
            return Ok(());
        }
        let args = vec![epoch.counter.to_string(), epoch.id.simple().to_string()];
        let question = Question::read(internal::CLAIM.clone(), args, CLAIM_LIMIT);
        let answer = self
            .exchange(&question, || true)
            .await?
            .map_err(|e| self.translate(&question, e))?;
        let claim = claim::parse(self.name(), epoch, &answer).inspect_err(|e| self.watch_for_refusal(e))?;
        let machine = self.facts().unwrap_or_default().machine;
        let claim = Claim { machine, ..claim };
        *claimed = Some(epoch);
        // Fails only when nobody wants to know.
        let _ = self.claims.send(claim);
        Ok(())
    }

    /// The counter of the epoch that it obeys; 0 if it was never claimed.
    ///
    /// # Errors
    /// The host does not answer, or not with an epoch.
    pub async fn obeys(self: &Arc<Self>) -> Result<u64, HostError> {
        let hello = internal::HELLO.clone();
        let what = hello.name.clone();
        let answer = self
            .ask(Question::read(hello, Vec::new(), self.parts.answer_limit))
            .await?;
        let said = answer::parse_outputs(self.name(), &what, &answer)?;
        let epoch = said.get("epoch").map_or("", String::as_str);
        let counter = epoch.split(' ').next().filter(|counter| !counter.is_empty());
        counter.map_or(Ok(0), |counter| {
            counter.parse().map_err(|_| HostError::BadAnswer {
                host: self.name().clone(),
                what,
                why: format!("`{}` is no epoch", printable(epoch)),
            })
        })
    }

    /// The way to it.
    pub(crate) fn line(&self) -> &dyn Line {
        self.parts.line.as_ref()
    }

    /// What `act` does over its connection, which is made anew if that fails: it may have died unnoticed.
    pub(crate) async fn on_line<'a, T>(
        &self,
        limit: Duration,
        act: impl Fn() -> Pending<'a, Result<T, LineError>>,
    ) -> Result<T, HostError> {
        let mut why = LineError::Unreachable(String::new());
        for _ in 0..2 {
            let acted = tokio::select! {
                acted = act() => acted,
                () = self.clock.sleep(limit) => Err(LineError::Unreachable("no answer".to_owned())),
            };
            match acted {
                Ok(done) => return Ok(done),
                Err(error) => why = error,
            }
            self.parts.line.reset().await;
        }
        Err(HostError::NoRelay {
            host: self.name().clone(),
            why: why.to_string(),
        })
    }

    /// The epoch that it is claimed for.
    pub async fn claimed(&self) -> Option<Epoch> {
        *self.claimed.lock().await
    }

    /// One question on whatever channel is free; again on a fresh one if a channel that was idle turns out broken.
    async fn exchange(
        &self,
        question: &Question,
        wanted: impl Fn() -> bool,
    ) -> Result<Result<Answer, ChannelError>, HostError> {
        let what = &question.request.script.name;
        let _slot = self
            .free
            .acquire()
            .await
            .map_err(|e| self.lost(what, &e.to_string()))?;
        if !wanted() {
            return Err(self.lost(what, "nobody waits for it any more"));
        }
        let idle = self.idle_channels().pop();
        if let Some(channel) = idle {
            match self.run_on(channel, question).await? {
                Err(ChannelError::Lost(_)) => self.parts.line.reset().await,
                answer => return Ok(answer),
            }
        }
        let channel = self.connect().await?;
        self.run_on(channel, question).await
    }

    async fn run_on(
        &self,
        mut open: OpenChannel,
        question: &Question,
    ) -> Result<Result<Answer, ChannelError>, HostError> {
        // It may have been opened before anybody knew which machine it has to be.
        self.is_expected(&open.machine)?;
        let asking = async {
            self.end_lost(&mut open).await?;
            open.channel.run(&question.request).await
        };
        let answer = tokio::select! {
            answer = asking => answer,
            () = self.clock.sleep(question.limit) => {
                self.end(open).await;
                return Err(HostError::LimitExceeded {
                    host: self.name().clone(),
                    what: question.request.script.name.clone(),
                    limit: question.limit,
                });
            }
        };
        match answer {
            Err(ChannelError::Lost(_)) => self.lost_channels().push(open.end),
            _ => self.idle_channels().push(open),
        }
        Ok(answer)
    }

    /// Ends what hangs in a channel. If that fails too, it is done before the next question.
    async fn end(&self, hung: OpenChannel) {
        self.lost_channels().push(hung.end);
        drop(hung.channel);
        let Ok(mut open) = self.connect().await else {
            return;
        };
        let ended = tokio::select! {
            ended = self.end_lost(&mut open) => ended.is_ok(),
            () = self.clock.sleep(END_LIMIT) => false,
        };
        if ended {
            self.idle_channels().push(open);
        }
    }

    /// What a lost channel was asked may only be about to begin. Ends those that are lost, over one that is not.
    async fn end_lost(&self, open: &mut OpenChannel) -> Result<(), ChannelError> {
        let lost = self.lost_channels().clone();
        let mut stays = false;
        for end in lost {
            // A later boot has nothing of it.
            if end.boot == open.end.boot {
                let question = Question::read(internal::END_CHANNEL.clone(), end.process.clone(), END_LIMIT);
                if open.channel.run(&question.request).await?.code != 0 {
                    stays = true;
                    continue;
                }
            }
            self.lost_channels().retain(|other| *other != end);
        }
        if stays {
            return Err(ChannelError::Lost(
                "a channel before this one does not end".to_owned(),
            ));
        }
        Ok(())
    }

    /// A fresh channel to a host that has answered. Twice if need be: the connection may have died unnoticed.
    async fn connect(&self) -> Result<OpenChannel, HostError> {
        let mut why = String::new();
        for _ in 0..2 {
            let wire = self.parts.line.open().await.map_err(|e| self.no_line(e))?;
            let greeting = async {
                let mut channel = Channel::open(wire).await?;
                let question = Question::read(internal::HELLO.clone(), Vec::new(), self.parts.answer_limit);
                let answer = channel.run(&question.request).await?;
                Ok::<_, ChannelError>((channel, answer))
            };
            let greeted = tokio::select! {
                greeted = greeting => greeted,
                () = self.clock.sleep(self.parts.answer_limit) => Err(ChannelError::Lost("it says nothing".to_owned())),
            };
            match greeted {
                Ok((channel, answer)) => return self.acquaint(channel, &answer),
                Err(e) => why = e.to_string(),
            }
            self.parts.line.reset().await;
        }
        Err(HostError::Unreachable {
            host: self.name().clone(),
            why,
        })
    }

    fn acquaint(&self, channel: Channel, answer: &Answer) -> Result<OpenChannel, HostError> {
        let mut said = answer::parse_outputs(self.name(), "hello.sh", answer)?;
        let mut take = |key: &str| said.remove(key).unwrap_or_default();
        if take("user") != "0" {
            return Err(HostError::NotRoot {
                host: self.name().clone(),
            });
        }
        let facts = Facts {
            machine: take("machine"),
            boot: take("boot"),
            epoch: take("epoch"),
        };
        self.is_expected(&facts.machine)?;
        let end = ChannelEnd {
            process: vec![take("pid"), take("start"), take("group")],
            boot: facts.boot.clone(),
        };
        let machine = facts.machine.clone();
        *self.facts.lock().unwrap_or_else(PoisonError::into_inner) = Some(facts);
        Ok(OpenChannel {
            channel,
            machine,
            end,
        })
    }

    /// Another machine that answers in its name is not asked for anything.
    fn is_expected(&self, machine: &str) -> Result<(), HostError> {
        let expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
        match expected.as_deref() {
            Some(known) if known != machine => Err(HostError::OtherMachine {
                host: self.name().clone(),
                known: known.to_owned(),
                found: printable(machine),
            }),
            _ => Ok(()),
        }
    }

    fn idle_channels(&self) -> std::sync::MutexGuard<'_, Vec<OpenChannel>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lost_channels(&self) -> std::sync::MutexGuard<'_, Vec<ChannelEnd>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn no_line(&self, error: LineError) -> HostError {
        let host = self.name().clone();
        match error {
            LineError::Unreachable(why) => HostError::Unreachable { host, why },
            LineError::HostKeyChanged => HostError::HostKeyChanged { host },
            LineError::HostKeyUnknown => HostError::HostKeyUnknown { host },
            LineError::AuthFailed(why) => HostError::AuthFailed { host, why },
        }
    }

    fn lost(&self, what: &str, why: &str) -> HostError {
        HostError::LineLost {
            host: self.name().clone(),
            what: what.to_owned(),
            why: why.to_owned(),
        }
    }

    fn translate(&self, question: &Question, error: ChannelError) -> HostError {
        let host = self.name().clone();
        let what = question.request.script.name.clone();
        let error = match (error, question.request.epoch) {
            (ChannelError::Refused(have), Some(ours)) => HostError::EpochRefused { host, have, ours },
            (ChannelError::BadArgument, _) => HostError::BadArguments {
                action: what,
                why: ChannelError::BadArgument.to_string(),
            },
            (other, _) => self.lost(&what, &other.to_string()),
        };
        self.watch_for_refusal(&error);
        error
    }

    /// One host that obeys another master is enough: this one is over.
    fn watch_for_refusal(&self, error: &HostError) {
        if matches!(error, HostError::EpochRefused { .. }) {
            self.superseded.send_if_modified(|known| {
                let first = known.is_none();
                if first {
                    *known = Some(error.clone());
                }
                first
            });
        }
    }
}
