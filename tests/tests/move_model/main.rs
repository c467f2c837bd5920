//! The plan of `move` as a small model, explored exhaustively: two hosts with a page cache each, power cuts that lose
//! any mix of what was not synced, reboots, unreachable hosts, scripts that are killed half-way, steps that fail, a
//! cancel, all at any moment. To be read beside OPERATIONS.md, 'Plans', and `workflows/src/move_.rs`: a step here is a
//! step there, and what the engine does with it (intent, probe, undo, debt) is `Move::master` in `protocol.rs`.
//!
//! That the master dies needs no action of its own: it remembers nothing that the journal, which is what it is here,
//! does not say.

mod protocol;
mod state;

use protocol::{Guard, Move, before};
use state::{Disk, Host, Job, Name, Phase, Running, SOURCE, State, Step, TARGET, interrupt};
use stateright::{Checker, Expectation, HasDiscoveries, Model, Property};
use vsjob_tests::figures;

const WRITES: u8 = 2;

/// How much may go wrong in one move: power cuts, lines, kills and failures, of any kind and at any moment.
const TROUBLES: u8 = 3;

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Action {
    /// The master's next move.
    Master,
    /// A command goes on.
    Work(usize),
    /// The guest writes, and is told that it is stored.
    Write(usize),
    Boot(usize),
    Heal(usize),
    // What may go wrong.
    PowerCut(usize, Disk),
    Unreachable(usize),
    Kill(usize),
    Fail(usize),
    Cancel,
}

impl Model for Move {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let disk = |there: bool| Disk {
            root: if there { Name::Own } else { Name::Absent },
            definition: if there { Name::Own } else { Name::Absent },
            enabled: there,
            content: 0,
        };
        let host = |there: bool| Host {
            on: true,
            reachable: true,
            seen: disk(there),
            kept: disk(there),
            running: if there { Running::Open } else { Running::No },
            command: None,
        };
        vec![State {
            hosts: [host(true), host(false)],
            job: Job::Forward {
                step: Step::Passes,
                intended: false,
            },
            owed: Vec::new(),
            acknowledged: 0,
            troubles: TROUBLES,
            cancels: 1,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if self.master(state).is_some() {
            actions.push(Action::Master);
        }
        for (number, host) in state.hosts.iter().enumerate() {
            let works = host
                .command
                .is_some_and(|command| matches!(command.phase, Phase::Launched | Phase::Effective));
            if !host.on {
                actions.push(Action::Boot(number));
            }
            if !host.reachable {
                actions.push(Action::Heal(number));
            }
            if host.on && works {
                actions.push(Action::Work(number));
            }
            if host.running == Running::Open && state.acknowledged < WRITES {
                actions.push(Action::Write(number));
            }
            if state.troubles > 0 && host.on {
                actions.extend(
                    host.after_a_power_cut()
                        .into_iter()
                        .map(|disk| Action::PowerCut(number, disk)),
                );
                if host.reachable {
                    actions.push(Action::Unreachable(number));
                }
                if works {
                    actions.push(Action::Kill(number));
                }
                if host
                    .command
                    .is_some_and(|command| command.phase == Phase::Launched)
                {
                    actions.push(Action::Fail(number));
                }
            }
        }
        if state.cancels > 0
            && matches!(state.job, Job::Forward { step, intended } if (step, intended) < (Step::Admit, true))
        {
            actions.push(Action::Cancel);
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        match action {
            Action::Master => return self.master(state),
            Action::Work(number) => {
                let mut command = state.hosts[number].command?;
                command.phase = match (command.phase, command.undo) {
                    (Phase::Launched, false) if self.act(&mut next, command.step) => Phase::Effective,
                    (Phase::Launched, false) => Phase::Ended { well: false },
                    (Phase::Launched, true) => {
                        Self::take_back(&mut next.hosts[number], command.step);
                        Phase::Effective
                    }
                    _ => {
                        if self.has(Guard::Durable) {
                            next.hosts[number].kept = next.hosts[number].seen;
                        }
                        Phase::Ended { well: true }
                    }
                };
                next.hosts[number].command = Some(command);
            }
            Action::Write(number) => {
                next.acknowledged += 1;
                let host = &mut next.hosts[number];
                host.seen.content += 1;
                host.kept.content = host.seen.content;
            }
            Action::Boot(number) => {
                let host = &mut next.hosts[number];
                host.on = true;
                if host.seen.starts_by_itself() {
                    host.running = Running::Open;
                }
            }
            Action::Heal(number) => next.hosts[number].reachable = true,
            Action::PowerCut(number, disk) => {
                next.troubles -= 1;
                let host = &mut next.hosts[number];
                host.on = false;
                host.running = Running::No;
                host.seen = disk;
                host.kept = disk;
                interrupt(host);
            }
            Action::Unreachable(number) => {
                next.troubles -= 1;
                next.hosts[number].reachable = false;
            }
            Action::Kill(number) => {
                next.troubles -= 1;
                interrupt(&mut next.hosts[number]);
            }
            Action::Fail(number) => {
                next.troubles -= 1;
                next.hosts[number].command.as_mut()?.phase = Phase::Ended { well: false };
            }
            Action::Cancel => {
                next.cancels -= 1;
                let Job::Forward { step, intended } = state.job else {
                    return None;
                };
                next.job = if intended {
                    Job::Backward {
                        step,
                        intended: false,
                    }
                } else {
                    before(step)
                };
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("at most one copy serves", |_, state: &State| {
                let serving = state.hosts.iter().filter(|host| host.running == Running::Open);
                serving.count() <= 1
            }),
            Property::always("what serves has every acknowledged write", |_, state: &State| {
                let mut serving = state.hosts.iter().filter(|host| host.running == Running::Open);
                serving.all(|host| host.seen.content == state.acknowledged)
            }),
            Property::always(
                "whatever power cuts leave, at most one copy starts by itself, and it is whole",
                |_, state: &State| {
                    let [source, target] = &state.hosts;
                    let starting = |host: &Host| -> Vec<bool> {
                        let disks = host.after_a_power_cut().into_iter();
                        disks
                            .filter(Disk::starts_by_itself)
                            .map(|disk| disk.content == state.acknowledged)
                            .collect()
                    };
                    let (source, target) = (starting(source), starting(target));
                    (source.is_empty() || target.is_empty())
                        && source.iter().chain(&target).all(|whole| *whole)
                },
            ),
            Property::always(
                "whatever power cuts leave, one copy is whole",
                |_, state: &State| {
                    state.hosts.iter().any(|host| {
                        host.after_a_power_cut()
                            .iter()
                            .all(|disk| disk.root != Name::Absent && disk.content == state.acknowledged)
                    })
                },
            ),
            Property::always(
                "what comes to rest is done, or as before",
                |model: &Self, state: &State| {
                    let mut actions = Vec::new();
                    model.actions(state, &mut actions);
                    let troubles = |action: &Action| {
                        matches!(
                            action,
                            Action::PowerCut(..)
                                | Action::Unreachable(_)
                                | Action::Kill(_)
                                | Action::Fail(_)
                                | Action::Cancel
                                | Action::Write(_)
                        )
                    };
                    if !actions.iter().all(troubles) {
                        return true;
                    }
                    let (lives, gone) = match state.job {
                        Job::Succeeded => (TARGET, SOURCE),
                        Job::RolledBack => (SOURCE, TARGET),
                        _ => return false,
                    };
                    let (lives, gone) = (&state.hosts[lives], &state.hosts[gone]);
                    lives.running == Running::Open
                        && lives.kept.starts_by_itself()
                        && gone.running == Running::No
                        && !gone.kept.can_start()
                        && state.owed.is_empty()
                },
            ),
            Property::sometimes("a move succeeds", |_, state: &State| state.job == Job::Succeeded),
            Property::sometimes("a move is taken back with a debt", |_, state: &State| {
                state.job == Job::RolledBack && !state.owed.is_empty()
            }),
        ]
    }
}

fn explored(model: Move, until: HasDiscoveries) -> impl Checker<Move> {
    let processors = std::thread::available_parallelism().map_or(2, usize::from);
    let checker = model.checker().threads(processors).finish_when(until);
    checker.spawn_bfs().join()
}

#[test]
fn a_move_loses_nothing_and_splits_nothing_whatever_happens() {
    let checker = explored(Move { without: None }, HasDiscoveries::All);
    figures::tell(format_args!(
        "move as a model: {} states, {TROUBLES} troubles at any moment",
        checker.unique_state_count()
    ));
    checker.assert_properties();
}

/// A model that finds nothing may be too weak.
#[test]
fn without_any_one_of_its_guards_a_move_goes_wrong() {
    for guard in [
        Guard::Durable,
        Guard::Settled,
        Guard::Disabled,
        Guard::Quarantined,
        Guard::Running,
    ] {
        let model = Move { without: Some(guard) };
        let found = explored(model, HasDiscoveries::AnyFailures).discoveries();
        let broken = model
            .properties()
            .into_iter()
            .filter(|property| property.expectation == Expectation::Always)
            .find(|property| found.contains_key(property.name));
        assert!(broken.is_some(), "nothing goes wrong without {guard:?}");
    }
}
