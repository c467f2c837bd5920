//! A take-over as a small model, explored exhaustively: a master moves a guest, and at any moment another one, restored
//! from a backup of any earlier moment, takes over; the old one may be dead, frozen, cut off, or started again and again,
//! and what it has asked may be late. Beside that, power cuts that lose what was not synced, hosts that do not answer,
//! commands that are killed or fail, a cancel. To be read beside OPERATIONS.md, `docs/manual/lost-master.md`,
//! `workers/src/claim.sh` and `cli/src/master/held.rs`.
//!
//! A master that is dead, frozen or cut off needs no state of its own: it is one that does nothing for a while, or for
//! ever. A host that is away for one of them is one that is not asked, or not heard.

mod protocol;
mod state;

use protocol::{Guard, TakeOver};
use state::{
    Disk, Epoch, HOSTS, Host, Job, Life, Master, NEW, OLD, PLAN, Run, Running, SOURCE, State, Step, Store,
    TARGET,
};
use stateright::{Checker, Expectation, HasDiscoveries, Model, Property};
use vsjob_tests::figures;

/// How much may go wrong beside the take-over, of any kind and at any moment.
const TROUBLES: u8 = 1;

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Action {
    /// A master's next move.
    Go(usize),
    Claim(usize, usize),
    /// What a master has asked of a host is looked at, or done.
    Deliver(usize, usize),
    Work(usize, Step, bool),
    Pay(usize),
    Forget(usize, usize),
    Boot(usize),
    Backup,
    /// With the hosts that do not answer.
    TakeOver([bool; 2]),
    Accept([bool; 2]),
    // What people do about a job in doubt.
    Settle,
    Abandon,
    Start,
    // What may go wrong.
    Cancel(usize),
    Owe(usize),
    /// The old master is started again, so many times.
    Restart(u8),
    PowerCut(usize, Disk),
}

impl Action {
    /// What need not happen for things to come to rest.
    fn is_trouble(self) -> bool {
        matches!(
            self,
            Self::Cancel(_) | Self::Owe(_) | Self::Restart(_) | Self::PowerCut(..) | Self::Backup
        )
    }
}

/// How many of the hosts that are said to be silent could have answered: each is a trouble.
fn lost(state: &State, silent: [bool; 2]) -> u8 {
    let lost = HOSTS
        .into_iter()
        .filter(|host| silent[*host] && state.hosts[*host].on);
    lost.fold(0, |count, _| count + 1)
}

const SILENCES: [[bool; 2]; 4] = [[false, false], [true, false], [false, true], [true, true]];

impl TakeOver {
    fn of_hosts(state: &State, actions: &mut Vec<Action>) {
        for (number, host) in state.hosts.iter().enumerate() {
            if !host.on {
                actions.push(Action::Boot(number));
                continue;
            }
            for master in [OLD, NEW] {
                if host.orders[master].is_some() {
                    actions.push(Action::Deliver(master, number));
                }
                let asking = &state.masters[master];
                if asking.life == Life::Up && !asking.claimed[number] {
                    actions.push(Action::Claim(master, number));
                }
            }
            if state.troubles > 0 {
                let mut disks = vec![host.kept, host.seen];
                disks.dedup();
                actions.extend(disks.into_iter().map(|disk| Action::PowerCut(number, disk)));
            }
            for step in PLAN {
                let runs = host.runs[step as usize];
                let both = [false, true].into_iter();
                let running = both.filter(|undo| runs[usize::from(*undo)].runs());
                actions.extend(running.map(|undo| Action::Work(number, step, undo)));
            }
        }
    }

    fn of_masters(self, state: &State, actions: &mut Vec<Action>) {
        for (number, master) in state.masters.iter().enumerate() {
            if master.life != Life::Up {
                continue;
            }
            if self.go(state, number).is_some() {
                actions.push(Action::Go(number));
            }
            if Self::pay(state, number).is_some() {
                actions.push(Action::Pay(number));
            }
            for host in HOSTS {
                if Self::forget(state, number, host).is_some() {
                    actions.push(Action::Forget(number, host));
                }
            }
            if master.held || master.doubtful {
                continue;
            }
            if Self::owe(state, number).is_some() && (!state.hosts[TARGET].on || state.troubles > 0) {
                actions.push(Action::Owe(number));
            }
            if state.cancels > 0
                && matches!(master.store.job, Job::Forward { step, intended } if (step, intended) < (Step::Admit, true))
            {
                actions.push(Action::Cancel(number));
            }
        }
        if state.masters[OLD].life == Life::Up && state.troubles > 0 {
            actions.extend([1, 2].map(Action::Restart));
        }
    }

    fn of_people(self, state: &State, actions: &mut Vec<Action>) {
        let new = &state.masters[NEW];
        match new.life {
            Life::NotYet => {
                if state.backup.is_none() {
                    actions.push(Action::Backup);
                }
                let possible = |silent: [bool; 2]| {
                    let off = HOSTS
                        .into_iter()
                        .any(|host| !silent[host] && !state.hosts[host].on);
                    state.backup.is_some() && !off && lost(state, silent) <= state.troubles
                };
                let silences = SILENCES.into_iter().filter(|silent| possible(*silent));
                actions.extend(silences.map(Action::TakeOver));
            }
            Life::Up if new.held => {
                let possible = |silent: [bool; 2]| {
                    let mut hosts = HOSTS.into_iter();
                    hosts.all(|host| silent[host] != (new.claimed[host] && state.hosts[host].on))
                        && lost(state, silent) <= state.troubles
                };
                let silences = SILENCES.into_iter().filter(|silent| possible(*silent));
                actions.extend(silences.map(Action::Accept));
            }
            Life::Up if new.doubtful => {
                actions.push(Action::Abandon);
                if self.settle(state).is_some() {
                    actions.push(Action::Settle);
                }
            }
            _ => {}
        }
        if Self::start(state).is_some() {
            actions.push(Action::Start);
        }
    }

    fn after(self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        match action {
            Action::Go(master) => return self.go(state, master),
            Action::Claim(master, host) => return Some(self.claim(state, master, host)),
            Action::Deliver(master, host) => return self.deliver(state, master, host),
            Action::Work(host, step, undo) => return Some(Self::work(state, host, step, undo)),
            Action::Pay(master) => return Self::pay(state, master),
            Action::Forget(master, host) => return Self::forget(state, master, host),
            Action::Boot(host) => {
                let host = &mut next.hosts[host];
                host.on = true;
                if host.seen.starts_by_itself() {
                    host.running = Running::Open;
                }
            }
            Action::Backup => next.backup = Some(state.masters[OLD].store),
            Action::TakeOver(silent) => {
                next = self.take_over(state, silent)?;
                next.troubles -= lost(state, silent);
            }
            Action::Accept(silent) => {
                next = self.accept(state, silent);
                next.troubles -= lost(state, silent);
            }
            Action::Settle => return self.settle(state),
            Action::Abandon => {
                next.masters[NEW].store.job = Job::Abandoned;
                next.masters[NEW].doubtful = false;
            }
            Action::Start => return Self::start(state),
            Action::Cancel(master) => {
                next.cancels -= 1;
                let job = &mut next.masters[master].store.job;
                let Job::Forward { step, intended } = *job else {
                    return None;
                };
                *job = match intended {
                    true => Job::back_from(step),
                    false => Job::before(step, step),
                };
            }
            Action::Owe(master) => {
                next = Self::owe(state, master)?;
                next.troubles -= u8::from(state.hosts[TARGET].on);
            }
            Action::Restart(times) => {
                next.troubles -= 1;
                next.masters[OLD].epoch.counter += times;
                next.masters[OLD].claimed = [false; 2];
            }
            Action::PowerCut(host, disk) => {
                next.troubles -= 1;
                next.hosts[host].lose_power(disk);
            }
        }
        Some(next)
    }
}

impl Model for TakeOver {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let first = Epoch {
            counter: 1,
            master: OLD,
        };
        let disk = |there: bool| Disk {
            root: there,
            definition: there,
            enabled: there,
            fenced: false,
            partial: false,
            content: 0,
            epoch: first,
        };
        let host = |there: bool| Host {
            on: true,
            seen: disk(there),
            kept: disk(there),
            running: if there { Running::Open } else { Running::No },
            runs: [[Run::Absent; 2]; PLAN.len()],
            orders: [None; 2],
        };
        let master = |life| Master {
            life,
            epoch: first,
            store: Store {
                job: Job::Unknown,
                owed: 0,
                adopted: None,
            },
            claimed: [life == Life::Up; 2],
            held: false,
            doubtful: false,
        };
        vec![State {
            hosts: [host(true), host(false)],
            masters: [master(Life::Up), master(Life::NotYet)],
            backup: None,
            acknowledged: 0,
            troubles: TROUBLES,
            cancels: 1,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        Self::of_hosts(state, actions);
        self.of_masters(state, actions);
        self.of_people(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = self.after(state, action)?;
        protocol::write(&mut next);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("at most one copy serves", |_, state: &State| {
                let serving = state.hosts.iter().filter(|host| host.running == Running::Open);
                serving.count() <= 1
            }),
            Property::always(
                "what serves has every acknowledged write, and its name",
                |_, state: &State| {
                    let mut serving = state.hosts.iter().filter(|host| host.running == Running::Open);
                    serving.all(|host| host.seen.content == state.acknowledged && host.seen.can_start())
                },
            ),
            Property::always(
                "whatever power cuts leave, at most one copy starts by itself, and it is whole",
                |_, state: &State| {
                    let starting = |host: &Host| {
                        [host.seen, host.kept]
                            .into_iter()
                            .filter(Disk::starts_by_itself)
                            .collect::<Vec<_>>()
                    };
                    let [source, target] = state.hosts.each_ref().map(starting);
                    (source.is_empty() || target.is_empty())
                        && source
                            .iter()
                            .chain(&target)
                            .all(|disk| disk.content == state.acknowledged)
                },
            ),
            Property::always(
                "whatever power cuts leave, one copy is whole",
                |_, state: &State| {
                    state.hosts.iter().any(|host| {
                        host.seen.is_whole(state.acknowledged) && host.kept.is_whole(state.acknowledged)
                    })
                },
            ),
            Property::always("what comes to rest is well", |model: &Self, state: &State| {
                let mut actions = Vec::new();
                model.actions(state, &mut actions);
                !actions.iter().all(|action| action.is_trouble()) || is_well(state)
            }),
            Property::sometimes("a new master ends what the old one began", |_, state: &State| {
                state.masters[NEW].store.job == Job::Succeeded && state.hosts[TARGET].seen.epoch.master == NEW
            }),
            Property::sometimes(
                "a new master takes back what the old one began",
                |_, state: &State| {
                    state.masters[NEW].store.job == Job::RolledBack
                        && state.hosts[SOURCE].running == Running::Open
                },
            ),
            Property::sometimes("an old master is told", |_, state: &State| {
                state.masters[OLD].life == Life::Superseded
            }),
        ]
    }
}

/// Whoever has the hosts has no open job, and the guest is where it says; or it was abandoned, and a person has it.
fn is_well(state: &State) -> bool {
    let ruling = match state.masters[NEW].life {
        Life::NotYet => OLD,
        _ => NEW,
    };
    let place = match state.masters[ruling].store.job {
        Job::Succeeded => TARGET,
        Job::RolledBack => SOURCE,
        job => return job.is_over(),
    };
    let serves = |host: usize| state.hosts[host].running == Running::Open;
    // An old backup may have it elsewhere: whoever reads the scan adopts it where it is.
    serves(place) || (ruling == NEW && serves(1 - place))
}

fn explored(model: TakeOver, until: HasDiscoveries) -> impl Checker<TakeOver> {
    let processors = std::thread::available_parallelism().map_or(2, usize::from);
    let checker = model.checker().threads(processors).finish_when(until);
    checker.spawn_bfs().join()
}

#[test]
fn a_take_over_splits_nothing_and_loses_nothing_whatever_the_old_master_does() {
    let checker = explored(TakeOver { without: None }, HasDiscoveries::All);
    figures::tell(format_args!(
        "take-over as a model: {} states, {TROUBLES} trouble at any moment",
        checker.unique_state_count()
    ));
    checker.assert_properties();
}

/// A model that finds nothing may be too weak.
#[test]
fn without_any_one_of_its_guards_a_take_over_goes_wrong() {
    for guard in [
        Guard::Checked,
        Guard::Ended,
        Guard::Durable,
        Guard::Skipped,
        Guard::Held,
        Guard::Silent,
        Guard::Ahead,
        Guard::Behind,
        Guard::Traced,
        Guard::Settled,
    ] {
        let model = TakeOver { without: Some(guard) };
        let found = explored(model, HasDiscoveries::AnyFailures).discoveries();
        let broken = model
            .properties()
            .into_iter()
            .filter(|property| property.expectation == Expectation::Always)
            .find(|property| found.contains_key(property.name));
        assert!(broken.is_some(), "nothing goes wrong without {guard:?}");
    }
}
