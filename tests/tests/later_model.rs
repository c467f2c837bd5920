//! What comes after moves as a small model, explored exhaustively: undos that are owed are paid, and what was fenced is
//! purged, at any moment, while the guest goes on moving; targets go away before any step; the copy that lives is lost
//! with its disk; and a master that was restored from a backup of any earlier moment goes on with what that says is owed
//! and to be purged. To be read beside OPERATIONS.md, `workflows/src/purge.rs` and `workflows/src/actions`.
//!
//! A job is five steps here, and a host has no page cache: steps, crashes and power cuts are `move_model`'s, and that an
//! old master can do nothing any more is `take_over_model`'s. What is left to see is what jobs that are over do to later ones.

use stateright::{Checker, Expectation, HasDiscoveries, Model, Property};
use vsjob_tests::figures;

/// How often the guest is moved, to and fro.
const MOVES: usize = 3;

/// What the plans rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guard {
    /// A definition says which job has put it there: no other one's undo touches it, nor the copy that goes with it.
    Owned,
    /// A purge looks at the copy that placement names before it deletes.
    Looked,
    /// It looks where the guest is when it is due, not where it was when it was handed over.
    Due,
}

#[derive(Clone, Copy)]
struct Later {
    without: Option<Guard>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Step {
    Copy,
    Define,
    Fence,
    Name,
    Admit,
}

const PLAN: [Step; 5] = [Step::Copy, Step::Define, Step::Fence, Step::Name, Step::Admit];

/// Whose a definition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Owner {
    Job(usize),
    /// No job of ours: it was adopted, or is back at its source.
    Nobody,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Host {
    root: bool,
    definition: Option<Owner>,
    /// By job.
    partial: [bool; MOVES],
    moved: [bool; MOVES],
    serves: bool,
}

/// A job, as a store has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Job {
    NotYet,
    /// The step is intended; the target is where the guest goes.
    Open {
        step: Step,
        target: usize,
    },
    /// Taken back before its pivot; of these steps the undo is owed to the target.
    Owes {
        last: Step,
        target: usize,
    },
    /// Over; what the move has left at its source is to be purged.
    ToPurge {
        target: usize,
    },
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Store {
    jobs: [Job; MOVES],
    placement: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    hosts: [Host; 2],
    store: Store,
    backup: Option<Store>,
    /// The first job that nobody has begun, in any store.
    next: usize,
    took_over: bool,
    damaged: bool,
    /// A purge has deleted the last copy that there was.
    purged_all: bool,
    /// A job was in doubt: a person goes on from here.
    given_up: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Action {
    Submit,
    /// The step that is intended is done, and the next one intended.
    Done,
    /// Its target was away before it did anything, or right after: the job is taken back.
    Away {
        acted: bool,
    },
    /// The next undo that a job owes.
    Pay(usize),
    Purge(usize),
    Backup,
    TakeOver,
    /// After a take-over: what a scan shows elsewhere is taken in there.
    Adopt,
    /// The disk of the host where the guest lives is gone.
    Damage,
}

impl Later {
    fn has(self, guard: Guard) -> bool {
        self.without != Some(guard)
    }

    fn open(store: &Store) -> Option<(usize, Step, usize)> {
        store.jobs.iter().enumerate().find_map(|(no, job)| match *job {
            Job::Open { step, target } => Some((no, step, target)),
            _ => None,
        })
    }

    fn act(state: &mut State, no: usize, step: Step, target: usize) -> bool {
        let source = &mut state.hosts[1 - target];
        let (root, had) = (source.root, source.definition);
        match step {
            Step::Copy => {
                // Its checks come first.
                let free = !state.hosts[target].root && state.hosts[target].definition.is_none();
                if !root || had.is_none() || !free {
                    return false;
                }
                state.hosts[target].partial[no] = true;
            }
            Step::Define => state.hosts[target].definition = Some(Owner::Job(no)),
            Step::Fence => {
                if !root {
                    return false;
                }
                source.moved[no] = true;
                (source.root, source.definition, source.serves) = (false, None, false);
            }
            Step::Name => {
                let host = &mut state.hosts[target];
                if !host.partial[no] || host.root {
                    return false;
                }
                (host.partial[no], host.root) = (false, true);
            }
            Step::Admit => {
                let host = &mut state.hosts[target];
                if !host.root || host.definition.is_none() {
                    return false;
                }
                host.serves = true;
            }
        }
        true
    }

    fn take_back(self, host: &mut Host, no: usize, step: Step) {
        let is_ours = !self.has(Guard::Owned) || host.definition == Some(Owner::Job(no));
        match step {
            Step::Copy => host.partial[no] = false,
            Step::Define if is_ours => host.definition = None,
            Step::Name if is_ours && host.root => {
                (host.partial[no], host.root, host.serves) = (true, false, false);
            }
            _ => {}
        }
    }

    /// The job is taken back at its source, and owes the target what it had intended there.
    fn unwind(state: &mut State, no: usize, step: Step, target: usize) {
        let source = &mut state.hosts[1 - target];
        if source.moved[no] {
            source.moved[no] = false;
            (source.root, source.definition, source.serves) = (true, Some(Owner::Nobody), true);
        }
        state.store.jobs[no] = Job::Owes { last: step, target };
    }

    fn purge(self, state: &State, no: usize) -> Option<State> {
        let Job::ToPurge { target } = state.store.jobs[no] else {
            return None;
        };
        let place = if self.has(Guard::Due) {
            state.store.placement
        } else {
            target
        };
        let copy = &state.hosts[place];
        let is_whole = copy.root && copy.definition.is_some();
        if Self::open(&state.store).is_some() || (self.has(Guard::Looked) && !is_whole) {
            return None;
        }
        let mut next = state.clone();
        next.hosts[1 - target].moved[no] = false;
        next.store.jobs[no] = Job::Over;
        let mut hosts = next.hosts.iter();
        next.purged_all = !hosts.any(|host| host.root || host.moved.contains(&true));
        Some(next)
    }

    fn take_over(state: &State) -> Option<State> {
        let mut next = state.clone();
        next.store = state.backup?;
        next.took_over = true;
        // Of a job that was under way one of the two knows more than the other: a person goes on from here.
        let under_way = [&state.store, &next.store].into_iter().filter_map(Self::open);
        next.given_up = under_way
            .map(|(no, ..)| no)
            .any(|no| state.store.jobs[no] != next.store.jobs[no]);
        Some(next)
    }
}

impl Model for Later {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut hosts = [Host::default(); 2];
        hosts[0] = Host {
            root: true,
            definition: Some(Owner::Nobody),
            serves: true,
            ..Host::default()
        };
        vec![State {
            hosts,
            store: Store {
                jobs: [Job::NotYet; MOVES],
                placement: 0,
            },
            backup: None,
            next: 0,
            took_over: false,
            damaged: false,
            purged_all: false,
            given_up: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.given_up {
            return;
        }
        match Self::open(&state.store) {
            Some((_, step, _)) => {
                actions.push(Action::Done);
                if !matches!(step, Step::Fence | Step::Admit) {
                    actions.extend([true, false].map(|acted| Action::Away { acted }));
                }
            }
            None if state.next < MOVES => actions.push(Action::Submit),
            None => {}
        }
        for no in 0..MOVES {
            if matches!(state.store.jobs[no], Job::Owes { .. }) {
                actions.push(Action::Pay(no));
            }
            if self.purge(state, no).is_some() {
                actions.push(Action::Purge(no));
            }
        }
        if !state.took_over {
            actions.push(Action::Backup);
            if state.backup.is_some() {
                actions.push(Action::TakeOver);
            }
        }
        let there = state.store.placement;
        if state.took_over && !state.hosts[there].root && state.hosts[1 - there].root {
            actions.push(Action::Adopt);
        }
        if !state.damaged && state.hosts[there].serves && Self::open(&state.store).is_none() {
            actions.push(Action::Damage);
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        match action {
            Action::Submit => {
                next.store.jobs[state.next] = Job::Open {
                    step: Step::Copy,
                    target: 1 - state.store.placement,
                };
                next.next += 1;
            }
            Action::Done => {
                let (no, step, target) = Self::open(&state.store)?;
                if !Self::act(&mut next, no, step, target) {
                    // Past its pivot it is stuck: that must not be.
                    Self::unwind(&mut next, no, step, target);
                } else if let Some(step) = PLAN.into_iter().find(|other| *other > step) {
                    next.store.jobs[no] = Job::Open { step, target };
                } else {
                    next.store.jobs[no] = Job::ToPurge { target };
                    next.store.placement = target;
                }
            }
            Action::Away { acted } => {
                let (no, step, target) = Self::open(&state.store)?;
                if acted && !Self::act(&mut next, no, step, target) {
                    return None;
                }
                Self::unwind(&mut next, no, step, target);
            }
            Action::Pay(no) => {
                let Job::Owes { last, target } = state.store.jobs[no] else {
                    return None;
                };
                self.take_back(&mut next.hosts[target], no, last);
                let earlier = PLAN.into_iter().rev().find(|step| *step < last);
                next.store.jobs[no] = earlier.map_or(Job::Over, |last| Job::Owes { last, target });
            }
            Action::Purge(no) => return self.purge(state, no),
            Action::Backup => next.backup = Some(state.store),
            Action::TakeOver => return Self::take_over(state),
            Action::Adopt => next.store.placement = 1 - state.store.placement,
            Action::Damage => {
                next.damaged = true;
                let host = &mut next.hosts[state.store.placement];
                (host.root, host.definition, host.serves) = (false, None, false);
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("at most one copy serves", |_, state: &State| {
                !state.hosts.iter().all(|host| host.serves)
            }),
            Property::always(
                "what serves has its tree and its definition",
                |_, state: &State| {
                    let mut serving = state.hosts.iter().filter(|host| host.serves);
                    serving.all(|host| host.root && host.definition.is_some())
                },
            ),
            Property::always("a guest that nobody moves serves", |_, state: &State| {
                state.damaged
                    || state.given_up
                    || Self::open(&state.store).is_some()
                    || state.hosts.iter().any(|host| host.serves)
            }),
            Property::always("a purge never deletes the last copy", |_, state: &State| {
                !state.purged_all
            }),
            Property::always(
                "nothing is left behind for ever",
                |model: &Self, state: &State| {
                    let mut actions = Vec::new();
                    model.actions(state, &mut actions);
                    let rests = actions
                        .iter()
                        .all(|action| matches!(action, Action::Backup | Action::TakeOver | Action::Damage));
                    let left = |host: &Host| host.moved.contains(&true) || host.partial.contains(&true);
                    !rests || state.damaged || state.took_over || !state.hosts.iter().any(left)
                },
            ),
            Property::sometimes("all is over, and nothing is left of it", |_, state: &State| {
                state.next == MOVES && state.store.jobs == [Job::Over; MOVES]
            }),
            Property::sometimes("a new master purges what an old one left", |_, state: &State| {
                state.took_over && state.store.jobs.contains(&Job::Over)
            }),
        ]
    }
}

fn explored(model: Later, until: HasDiscoveries) -> impl Checker<Later> {
    model.checker().finish_when(until).spawn_bfs().join()
}

#[test]
fn what_comes_after_moves_touches_no_later_one_and_deletes_no_last_copy() {
    let model = Later { without: None };
    let checker = explored(model, HasDiscoveries::All);
    figures::tell(format_args!(
        "what comes after moves as a model: {} states, {MOVES} moves and a take-over",
        checker.unique_state_count()
    ));
    checker.assert_properties();
}

/// A model that finds nothing may be too weak.
#[test]
fn without_any_one_of_its_guards_what_comes_after_moves_does_harm() {
    for guard in [Guard::Owned, Guard::Looked, Guard::Due] {
        let model = Later { without: Some(guard) };
        let found = explored(model, HasDiscoveries::AnyFailures).discoveries();
        let broken = model
            .properties()
            .into_iter()
            .filter(|property| property.expectation == Expectation::Always)
            .find(|property| found.contains_key(property.name));
        assert!(broken.is_some(), "nothing goes wrong without {guard:?}");
    }
}
