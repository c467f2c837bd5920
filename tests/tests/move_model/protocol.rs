//! What the master and its scripts do, by plan: forward, back, and about what was interrupted.

use crate::state::{Command, Host, Job, Name, Phase, Running, SOURCE, State, Step, Undo};

/// What the plan and the engine have against a danger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// An effect is durable before its command ends well.
    Durable,
    /// What a probe finds done is made durable before it counts.
    Settled,
    /// The source is disabled before it is stopped, and its fence looks whether it runs.
    Disabled,
    /// The copy is not reachable before it is admitted.
    Quarantined,
    /// What admits and enables makes sure that it runs.
    Running,
}

/// The model; without a guard, to show that the danger would be found.
#[derive(Clone, Copy)]
pub(crate) struct Move {
    pub(crate) without: Option<Guard>,
}

impl Move {
    pub(crate) fn has(self, guard: Guard) -> bool {
        self.without != Some(guard)
    }

    /// What a step does to its host; whether it succeeds.
    pub(crate) fn act(self, state: &mut State, step: Step) -> bool {
        let source = state.hosts[SOURCE];
        let host = &mut state.hosts[step.host()];
        match step {
            Step::Passes => {
                host.seen.root = Name::Partial;
                host.seen.content = source.seen.content;
            }
            Step::Define => host.seen.definition = Name::Own,
            Step::Disable => host.seen.enabled &= !self.has(Guard::Disabled),
            Step::Stop => host.running = Running::No,
            Step::LastPass => host.seen.content = source.seen.content,
            Step::Fence => {
                if self.has(Guard::Disabled) && (host.running != Running::No || host.seen.enabled) {
                    return false;
                }
                host.seen.root = Name::Moved;
                host.seen.definition = Name::Moved;
            }
            Step::Name => host.seen.root = Name::Own,
            Step::Quarantine if self.has(Guard::Quarantined) => host.running = Running::Quarantined,
            Step::Quarantine => host.running = Running::Open,
            Step::Health => return host.running != Running::No,
            Step::Admit => {
                if !host.seen.can_start() {
                    return false;
                }
                if self.has(Guard::Running) || host.running != Running::No {
                    host.running = Running::Open;
                }
            }
            Step::Enable => {
                host.seen.enabled = true;
                if self.has(Guard::Running) {
                    host.running = Running::Open;
                }
            }
        }
        true
    }

    /// Whether its probe takes it for done.
    pub(crate) fn is_done(self, state: &State, step: Step) -> bool {
        let host = &state.hosts[step.host()];
        match step {
            // A copy that was broken off looks like a whole one.
            Step::Passes | Step::LastPass | Step::Health => false,
            Step::Define => host.seen.definition == Name::Own,
            Step::Disable => !host.seen.enabled,
            Step::Stop => host.running == Running::No,
            Step::Fence => host.seen.root == Name::Moved && host.seen.definition == Name::Moved,
            Step::Name => host.seen.root == Name::Own,
            Step::Quarantine => host.running == Running::Quarantined,
            Step::Admit => host.running == Running::Open,
            Step::Enable => host.seen.enabled && host.running == Running::Open,
        }
    }

    /// What an undo does; it is right when the step never ran, or ran half.
    pub(crate) fn take_back(host: &mut Host, step: Step) {
        match step {
            Step::Passes => host.seen.root = Name::Absent,
            Step::Define => host.seen.definition = Name::Absent,
            // It is started too: its host may have been booted anew meanwhile.
            Step::Disable => {
                host.seen.enabled = true;
                host.running = Running::Open;
            }
            Step::Stop => host.running = Running::Open,
            Step::Fence => {
                host.seen.root = Name::Own;
                host.seen.definition = Name::Own;
            }
            Step::Name => {
                host.running = Running::No;
                host.seen.root = Name::Partial;
            }
            Step::Quarantine => host.running = Running::No,
            Step::LastPass | Step::Health | Step::Admit | Step::Enable => {}
        }
    }

    /// The master's next move, if it has one.
    pub(crate) fn master(self, state: &State) -> Option<State> {
        let mut next = state.clone();
        match state.job {
            Job::Forward {
                step,
                intended: false,
            } => next.job = Job::Forward { step, intended: true },
            Job::Backward {
                step,
                intended: false,
            } if step.undo() == Undo::Nothing => {
                // It has nothing to take back, but must not run on.
                if !stop(&mut next, step) {
                    return None;
                }
                next.job = before(step);
            }
            Job::Backward {
                step,
                intended: false,
            } => next.job = Job::Backward { step, intended: true },
            Job::Forward { step, intended: true } => return self.drive(next, step),
            Job::Backward { step, intended: true } => return Self::drive_back(next, step),
            Job::Succeeded => return None,
            Job::RolledBack => return Self::pay(next),
        }
        Some(next)
    }

    /// Launches a step, or finds what became of it.
    pub(crate) fn drive(self, mut next: State, step: Step) -> Option<State> {
        let host = &mut next.hosts[step.host()];
        // Copies need both hosts.
        let needs_source = matches!(step, Step::Passes | Step::LastPass);
        if !host.answers() || (needs_source && !next.hosts[SOURCE].answers()) {
            return None;
        }
        let host = &mut next.hosts[step.host()];
        match host.command.map(|command| command.phase) {
            None => {
                host.command = Some(Command {
                    step,
                    undo: false,
                    phase: Phase::Launched,
                });
            }
            Some(Phase::Ended { well }) => {
                host.command = None;
                if well {
                    next.job = after(step);
                } else if step < Step::Admit {
                    next.job = Job::Backward {
                        step,
                        intended: false,
                    };
                }
            }
            Some(Phase::Interrupted) => {
                host.command = None;
                if self.is_done(&next, step) {
                    let host = &mut next.hosts[step.host()];
                    if self.has(Guard::Settled) {
                        host.kept = host.seen;
                    }
                    next.job = after(step);
                }
            }
            Some(Phase::Launched | Phase::Effective) => return None,
        }
        Some(next)
    }

    /// The same for an undo. What still runs of its step is ended first.
    pub(crate) fn drive_back(mut next: State, step: Step) -> Option<State> {
        let host = &mut next.hosts[step.host()];
        if !host.answers() {
            if step.undo() == Undo::Gating {
                return None;
            }
            next.owed.push(step);
            next.job = before(step);
            return Some(next);
        }
        match host.command {
            Some(Command {
                undo: true, phase, ..
            }) => match phase {
                Phase::Ended { well: true } => {
                    host.command = None;
                    next.job = before(step);
                }
                Phase::Ended { well: false } | Phase::Interrupted => host.command = None,
                Phase::Launched | Phase::Effective => return None,
            },
            _ => {
                host.command = Some(Command {
                    step,
                    undo: true,
                    phase: Phase::Launched,
                });
            }
        }
        Some(next)
    }

    /// Pays what is owed, once the target is back; in the order in which it would have been taken back.
    pub(crate) fn pay(mut next: State) -> Option<State> {
        let step = *next.owed.first()?;
        let host = &mut next.hosts[step.host()];
        if !host.answers() {
            return None;
        }
        Self::take_back(host, step);
        host.kept = host.seen;
        host.command = None;
        next.owed.remove(0);
        Some(next)
    }
}

pub(crate) fn after(step: Step) -> Job {
    step.after().map_or(Job::Succeeded, |step| Job::Forward {
        step,
        intended: false,
    })
}

pub(crate) fn before(step: Step) -> Job {
    step.before().map_or(Job::RolledBack, |step| Job::Backward {
        step,
        intended: false,
    })
}

/// Ends what runs of a step without an undo; fails if its host does not answer.
pub(crate) fn stop(state: &mut State, step: Step) -> bool {
    let host = &mut state.hosts[step.host()];
    if host.command.is_some_and(|command| command.step == step) {
        if !host.answers() {
            return false;
        }
        host.command = None;
    }
    true
}
