//! What masters, hosts and people do: claims, orders and their effects, the take-over, the scan and its acceptance.

use crate::state::{
    Disk, Epoch, HOSTS, Host, Job, Life, NEW, OLD, Order, PLAN, Run, Running, SOURCE, State, Step, Store,
    TARGET,
};

/// What a take-over relies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// A host looks whom it obeys before it does what it is told.
    Checked,
    /// A claim ends the channels of other masters.
    Ended,
    /// A claim is durable before it is answered.
    Durable,
    /// A take-over skips so many epochs that no master comes to be above it by being started again.
    Skipped,
    /// Nothing moves before the scan is accepted.
    Held,
    /// What a host does not say, or that it cannot be claimed, is a doubt.
    Silent,
    /// A run directory that the store does not know is a doubt.
    Ahead,
    /// A run directory that is not there any more is a doubt.
    Behind,
    /// What was interrupted leaves its run directory until the job is over.
    Traced,
    /// A doubtful job moves only once the hosts and the store tell the same, or is abandoned.
    Settled,
}

/// How many epochs a take-over skips.
const SKIPPED: u8 = 16;

/// The model; without a guard, to show that the danger would be found.
#[derive(Clone, Copy)]
pub(crate) struct TakeOver {
    pub(crate) without: Option<Guard>,
}

impl TakeOver {
    pub(crate) fn has(self, guard: Guard) -> bool {
        self.without != Some(guard)
    }

    /// Begins the new master over the backup; `silent` hosts do not say whom they obey.
    pub(crate) fn take_over(self, state: &State, silent: [bool; 2]) -> Option<State> {
        let mut next = state.clone();
        let told = HOSTS.into_iter().filter(|host| !silent[*host]);
        let highest = told.map(|host| state.hosts[host].seen.epoch.counter).max();
        // The backup's own epoch is 1 at least.
        let above = highest.unwrap_or(0).max(1);
        let counter = if self.has(Guard::Skipped) {
            above + SKIPPED
        } else {
            above + 1
        };
        let new = &mut next.masters[NEW];
        new.life = Life::Up;
        new.epoch = Epoch { counter, master: NEW };
        new.store = state.backup?;
        new.held = self.has(Guard::Held);
        next.backup = None;
        Some(next)
    }

    /// One master claims one host that answers.
    pub(crate) fn claim(self, state: &State, master: usize, number: usize) -> State {
        let mut next = state.clone();
        let ours = state.masters[master].epoch;
        let host = &mut next.hosts[number];
        let have = host.seen.epoch;
        if have.counter >= ours.counter && have != ours {
            return superseded(next, master);
        }
        host.seen.epoch = ours;
        if self.has(Guard::Durable) {
            host.kept.epoch = ours;
        }
        if self.has(Guard::Ended) {
            host.orders[1 - master] = None;
        }
        next.masters[master].claimed[number] = true;
        self.settle_old(&mut next);
        next
    }

    /// An old master that no host obeys any more can do nothing but find that out, when it asks next.
    fn settle_old(self, state: &mut State) {
        let is_powerless = match self.without {
            Some(Guard::Checked | Guard::Durable | Guard::Skipped) => false,
            _ => state.hosts.iter().all(|host| host.seen.epoch.master == NEW),
        };
        if is_powerless {
            let old = &mut state.masters[OLD];
            old.life = Life::Superseded;
            old.store = Store {
                job: Job::Unknown,
                owed: 0,
                adopted: None,
            };
            old.claimed = [false; 2];
        }
    }

    /// What a master has asked arrives, or is done.
    pub(crate) fn deliver(self, state: &State, master: usize, number: usize) -> Option<State> {
        let mut next = state.clone();
        let host = &mut next.hosts[number];
        let order = host.orders[master]?;
        if !order.admitted {
            if self.has(Guard::Checked) && host.seen.epoch != order.epoch {
                host.orders[master] = None;
                if next.masters[master].epoch == order.epoch {
                    return Some(superseded(next, master));
                }
                return Some(next);
            }
            host.orders[master] = Some(Order {
                admitted: true,
                ..order
            });
            return Some(next);
        }
        host.orders[master] = None;
        launch(host, order.step, order.undo);
        Some(next)
    }

    /// A command goes on.
    pub(crate) fn work(state: &State, number: usize, step: Step, undo: bool) -> State {
        let mut next = state.clone();
        let source = state.hosts[SOURCE].seen;
        let host = &mut next.hosts[number];
        let mut run = match *host.run(step, undo) {
            Run::Launched if undo => Run::of(take_back(host, step)),
            Run::Launched => Run::of(act(host, step, &source)),
            run => run,
        };
        // Nobody could tell the difference when nothing more goes wrong.
        if run == Run::Effective && (*host.run(step, undo) == run || state.troubles == 0) {
            let epoch = host.kept.epoch;
            host.kept = Disk { epoch, ..host.seen };
            run = Run::Ended { well: true };
        }
        *host.run(step, undo) = run;
        next
    }

    /// A master's next move, if it has one.
    pub(crate) fn go(self, state: &State, number: usize) -> Option<State> {
        let master = &state.masters[number];
        if master.life != Life::Up || master.held || master.doubtful {
            return None;
        }
        let mut next = state.clone();
        let job = &mut next.masters[number].store.job;
        // An intent that is not followed by its order at once is one whose order is lost.
        let ordered = match master.store.job {
            Job::Unknown if number == OLD => {
                *job = Job::FIRST;
                return Some(next);
            }
            Job::Forward { step, intended } => {
                *job = Job::Forward { step, intended: true };
                (self.drive(next.clone(), number, step), intended)
            }
            Job::Backward {
                turned,
                step,
                intended,
            } => {
                *job = Job::Backward {
                    turned,
                    step,
                    intended: true,
                };
                (self.drive_back(next.clone(), number, turned, step), intended)
            }
            _ => return None,
        };
        match ordered {
            (None, false) => Some(next),
            (ordered, _) => ordered,
        }
    }

    /// Launches a step, or finds what became of it: one that was launched before is followed before anything is claimed.
    fn drive(self, mut next: State, number: usize, step: Step) -> Option<State> {
        let claimed = next.masters[number].claimed;
        let host = &mut next.hosts[step.host()];
        if !host.on {
            return None;
        }
        let job = &mut next.masters[number].store.job;
        match *host.run(step, false) {
            Run::Launched | Run::Effective => return None,
            Run::Ended { well: true } => *job = Job::after(step),
            Run::Ended { well: false } if step < Step::Admit => *job = Job::back_from(step),
            _ => {
                let is_claimed = match step < Step::Admit {
                    true => claimed == [true; 2],
                    false => claimed[step.host()],
                };
                if !is_claimed {
                    return None;
                }
                return self.order(next, number, step, false);
            }
        }
        Some(next)
    }

    fn drive_back(self, mut next: State, number: usize, turned: Step, step: Step) -> Option<State> {
        let claimed = next.masters[number].claimed;
        let host = &mut next.hosts[step.host()];
        if !host.on || !claimed[step.host()] {
            return None;
        }
        match *host.run(step, true) {
            Run::Launched | Run::Effective => None,
            Run::Ended { well: true } => {
                next.masters[number].store.job = Job::before(turned, step);
                Some(next)
            }
            _ => self.order(next, number, step, true),
        }
    }

    /// Orders a step of a host that has nothing of it, or only what was interrupted or has failed.
    fn order(self, mut next: State, number: usize, step: Step, undo: bool) -> Option<State> {
        let epoch = next.masters[number].epoch;
        let host = &mut next.hosts[step.host()];
        let run = *host.run(step, undo);
        if run == Run::Interrupted {
            // What is done is made durable, what is not is made anew.
            let is_done = !undo && is_done(host, step);
            if host.seen.epoch != epoch {
                return Some(superseded(next, number));
            }
            if is_done {
                host.kept = host.seen;
                *host.run(step, undo) = Run::Ended { well: true };
                return Some(next);
            }
            if !self.has(Guard::Traced) {
                *host.run(step, undo) = Run::Absent;
                return Some(next);
            }
        }
        // Nobody comes between the later master's order and what it does.
        if number == NEW {
            if host.seen.epoch != epoch {
                return Some(superseded(next, number));
            }
            launch(host, step, undo);
            return Some(next);
        }
        if host.orders[number].is_some() {
            return None;
        }
        host.orders[number] = Some(Order {
            step,
            undo,
            epoch,
            admitted: false,
        });
        Some(next)
    }

    /// A cleaning undo whose host does not answer is owed, and the rest goes on.
    pub(crate) fn owe(state: &State, number: usize) -> Option<State> {
        let mut next = state.clone();
        let store = &mut next.masters[number].store;
        let Job::Backward {
            turned,
            step,
            intended: true,
        } = store.job
        else {
            return None;
        };
        if !step.is_cleaning() {
            return None;
        }
        store.owed |= 1 << step as u8;
        store.job = Job::before(turned, step);
        Some(next)
    }

    /// Pays what is owed, once the target is back, as it would have been taken back.
    pub(crate) fn pay(state: &State, number: usize) -> Option<State> {
        let master = &state.masters[number];
        let step = PLAN
            .into_iter()
            .rev()
            .find(|step| master.store.owed & (1 << *step as u8) != 0)?;
        if master.life != Life::Up || master.held || master.store.job != Job::RolledBack {
            return None;
        }
        let mut next = state.clone();
        let host = &mut next.hosts[TARGET];
        if !host.on || !master.claimed[TARGET] {
            return None;
        }
        if host.seen.epoch != master.epoch {
            return Some(superseded(next, number));
        }
        host.interrupt(step, false);
        host.interrupt(step, true);
        host.orders[number] = None;
        take_back(host, step);
        host.kept = host.seen;
        next.masters[number].store.owed &= !(1 << step as u8);
        Some(next)
    }

    /// When a job is over and owes nothing, its run directories go.
    pub(crate) fn forget(state: &State, number: usize, host: usize) -> Option<State> {
        let master = &state.masters[number];
        let is_over = matches!(master.store.job, Job::Succeeded | Job::RolledBack);
        let mut next = state.clone();
        let there = &mut next.hosts[host];
        let runs = there.runs.as_flattened();
        if master.life != Life::Up
            || master.held
            || !is_over
            || master.store.owed != 0
            || !there.on
            || there.seen.epoch != master.epoch
            || runs.iter().any(|run| run.runs())
            || runs.iter().all(|run| *run == Run::Absent)
        {
            return None;
        }
        there.runs = [[Run::Absent; 2]; PLAN.len()];
        Some(next)
    }

    /// Whether the hosts know something else of the job than the new master's store; `silent` ones do not say.
    pub(crate) fn doubt(self, state: &State, silent: [bool; 2]) -> bool {
        let job = state.masters[NEW].store.job;
        if job.is_over() {
            return false;
        }
        HOSTS.into_iter().any(|number| {
            let host = &state.hosts[number];
            let there = |step: Step, undo: bool| host.runs[step as usize][usize::from(undo)] != Run::Absent;
            let mut steps = PLAN.into_iter().filter(|step| step.host() == number);
            if silent[number] {
                return self.has(Guard::Silent);
            }
            steps.any(|step| {
                let ahead = [false, true]
                    .into_iter()
                    .any(|undo| there(step, undo) && !job.has_intended(step, undo));
                let behind = job.has_done(step) && !there(step, false);
                (ahead && self.has(Guard::Ahead)) || (behind && self.has(Guard::Behind))
            })
        })
    }

    /// Somebody has read the scan, and accepts it. Each host was claimed before it was looked at, or is silent.
    pub(crate) fn accept(self, state: &State, silent: [bool; 2]) -> State {
        let doubtful = self.doubt(state, silent);
        let mut next = state.clone();
        next.masters[NEW].held = false;
        next.masters[NEW].doubtful = doubtful;
        next
    }

    /// Somebody lets a doubtful job go on, if that is still possible.
    pub(crate) fn settle(self, state: &State) -> Option<State> {
        let new = &state.masters[NEW];
        let on = state.hosts.iter().all(|host| host.on);
        let is_settled = new.claimed == [true; 2] && on && !self.doubt(state, [false; 2]);
        if self.has(Guard::Settled) && !is_settled {
            return None;
        }
        let mut next = state.clone();
        next.masters[NEW].doubtful = false;
        Some(next)
    }

    /// Somebody starts the guest where it is, as far as the new master knows: where it was, or alone is.
    pub(crate) fn start(state: &State) -> Option<State> {
        let new = &state.masters[NEW];
        if new.life != Life::Up || new.held || !new.store.job.is_over() {
            return None;
        }
        let is_there = |host: usize| state.hosts[host].seen.root;
        let known = match (new.store.adopted, new.store.job) {
            (Some(adopted), _) => adopted,
            (None, Job::Succeeded) => TARGET,
            _ => SOURCE,
        };
        let all_said = HOSTS
            .into_iter()
            .all(|host| new.claimed[host] && state.hosts[host].on);
        let place = match (is_there(known), is_there(1 - known)) {
            (false, true) if all_said => 1 - known,
            _ => known,
        };
        let mut next = state.clone();
        next.masters[NEW].store.adopted = Some(place);
        let host = &mut next.hosts[place];
        if !host.on || !new.claimed[place] || host.running != Running::No || !host.seen.can_start() {
            return None;
        }
        if host.seen.epoch != new.epoch {
            return Some(superseded(next, NEW));
        }
        host.running = Running::Open;
        Some(next)
    }
}

/// What the guest's files have when it was stopped at its source, and once it serves at its target: whoever serves is
/// told at once that something is stored. That it is not told yet makes nothing worse.
const STOPPED: u8 = 1;
const SERVED: u8 = 2;

/// What serves has stored something meanwhile.
pub(crate) fn write(state: &mut State) {
    let target = &mut state.hosts[TARGET];
    if target.running == Running::Open && target.seen.content == STOPPED {
        (target.seen.content, target.kept.content) = (SERVED, SERVED);
    }
    let contents = state.hosts.iter().map(|host| host.seen.content);
    state.acknowledged = contents.max().unwrap_or(0).max(state.acknowledged);
}

impl Run {
    fn of(well: bool) -> Self {
        if well {
            Self::Effective
        } else {
            Self::Ended { well: false }
        }
    }
}

fn superseded(mut state: State, master: usize) -> State {
    state.masters[master].life = Life::Superseded;
    state
}

fn launch(host: &mut Host, step: Step, undo: bool) {
    if undo {
        // What still runs of the step is ended first.
        host.interrupt(step, false);
    }
    let run = host.run(step, undo);
    // A command that is there already is found, not launched again.
    if matches!(*run, Run::Absent | Run::Interrupted | Run::Ended { well: false }) {
        *run = Run::Launched;
    }
}

/// What a step does to its host; whether it succeeds.
fn act(host: &mut Host, step: Step, source: &Disk) -> bool {
    let disk = &mut host.seen;
    match step {
        Step::Copy | Step::LastPass => {
            // Under its own name, and nobody else's: what lives here already is not touched.
            if !source.root || disk.root {
                return false;
            }
            disk.partial = true;
            disk.content = source.content;
        }
        Step::Define => {
            if disk.definition {
                return false;
            }
            disk.definition = true;
        }
        Step::Stop => {
            // It has written until now.
            if host.running == Running::Open {
                (disk.content, host.kept.content) = (STOPPED, STOPPED);
            }
            disk.enabled = false;
            host.running = Running::No;
        }
        Step::Fence => {
            if host.running != Running::No || disk.enabled {
                return false;
            }
            disk.fenced |= disk.root;
            (disk.root, disk.definition) = (false, false);
        }
        Step::Name => {
            if !disk.partial {
                return false;
            }
            (disk.partial, disk.root) = (false, true);
            host.running = Running::Quarantined;
        }
        Step::Admit => {
            if !disk.can_start() {
                return false;
            }
            host.running = Running::Open;
        }
        Step::Enable => {
            disk.enabled = true;
            host.running = Running::Open;
        }
    }
    true
}

/// Whether its probe takes it for done.
fn is_done(host: &Host, step: Step) -> bool {
    let disk = &host.seen;
    match step {
        // A copy that was broken off looks like a whole one.
        Step::Copy | Step::LastPass => false,
        Step::Define => disk.definition,
        Step::Stop => !disk.enabled && host.running == Running::No,
        Step::Fence => disk.fenced && !disk.root,
        Step::Name => disk.root && host.running != Running::No,
        Step::Admit => host.running == Running::Open,
        Step::Enable => disk.enabled && host.running == Running::Open,
    }
}

/// What an undo does; it is right when the step never ran, or ran half. Whether it succeeds.
fn take_back(host: &mut Host, step: Step) -> bool {
    let disk = &mut host.seen;
    match step {
        Step::Copy => disk.partial = false,
        Step::Define => disk.definition = false,
        Step::Stop => {
            if !disk.can_start() {
                return false;
            }
            disk.enabled = true;
            host.running = Running::Open;
        }
        Step::Fence => {
            disk.root |= disk.fenced;
            disk.definition |= disk.fenced;
            disk.fenced = false;
        }
        Step::Name => {
            disk.partial |= disk.root;
            disk.root = false;
            host.running = Running::No;
        }
        Step::LastPass | Step::Admit | Step::Enable => {}
    }
    true
}
