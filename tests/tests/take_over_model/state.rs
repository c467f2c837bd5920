//! Two hosts, a guest, the job that moves it, and two masters that both have it in their stores: what there is, and
//! nothing of what happens.

/// The steps that change something, in the plan's order. Those of `move` that follow each other on one host, with nothing
/// between them that another master could tell, are one here: what power cuts make of them is explored in `move_model`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Step {
    Copy,
    Define,
    Stop,
    LastPass,
    Fence,
    Name,
    Admit,
    Enable,
}

pub(crate) const PLAN: [Step; 8] = [
    Step::Copy,
    Step::Define,
    Step::Stop,
    Step::LastPass,
    Step::Fence,
    Step::Name,
    Step::Admit,
    Step::Enable,
];

pub(crate) const SOURCE: usize = 0;
pub(crate) const TARGET: usize = 1;
pub(crate) const HOSTS: [usize; 2] = [SOURCE, TARGET];

impl Step {
    pub(crate) fn host(self) -> usize {
        match self {
            Self::Stop | Self::Fence => SOURCE,
            _ => TARGET,
        }
    }

    /// If its host is away its undo is owed, and the rest goes on.
    pub(crate) fn is_cleaning(self) -> bool {
        matches!(self, Self::Copy | Self::Define | Self::Name)
    }

    fn after(self) -> Option<Self> {
        PLAN.into_iter().find(|step| *step > self)
    }

    fn before(self) -> Option<Self> {
        PLAN.into_iter().rev().find(|step| *step < self)
    }
}

/// What a host's disk has of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Disk {
    /// The tree under the guest's name, and its definition.
    pub(crate) root: bool,
    pub(crate) definition: bool,
    pub(crate) enabled: bool,
    /// Both under the name that a fence gives them.
    pub(crate) fenced: bool,
    /// A copy that is not whole yet, or not named yet.
    pub(crate) partial: bool,
    /// How many of the guest's writes its files have.
    pub(crate) content: u8,
    /// Whom the host obeys.
    pub(crate) epoch: Epoch,
}

impl Disk {
    pub(crate) fn can_start(&self) -> bool {
        self.root && self.definition
    }

    pub(crate) fn starts_by_itself(&self) -> bool {
        self.enabled && self.can_start()
    }

    /// Something of the guest is here that a person can start, if not its master.
    pub(crate) fn is_whole(&self, acknowledged: u8) -> bool {
        (self.root || self.fenced || self.partial) && self.content == acknowledged
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Running {
    No,
    Quarantined,
    Open,
}

/// Counter, and which master has drawn its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Epoch {
    pub(crate) counter: u8,
    pub(crate) master: usize,
}

/// The run directory of a step, or of its undo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Run {
    Absent,
    /// It has begun and has had no effect yet.
    Launched,
    /// Its effect is there, but not durable.
    Effective,
    /// It has ended: its effect is durable, or it has failed.
    Ended {
        well: bool,
    },
    /// It is gone without a word.
    Interrupted,
}

impl Run {
    pub(crate) fn runs(self) -> bool {
        matches!(self, Self::Launched | Self::Effective)
    }
}

/// What a master has asked of a host, in a channel there. It may be late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Order {
    pub(crate) step: Step,
    pub(crate) undo: bool,
    pub(crate) epoch: Epoch,
    /// The host has found that it obeys this epoch; it has not acted yet.
    pub(crate) admitted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Host {
    pub(crate) on: bool,
    /// The disk as programs see it, and as a power cut leaves it.
    pub(crate) seen: Disk,
    pub(crate) kept: Disk,
    pub(crate) running: Running,
    /// By step: the step itself, its undo.
    pub(crate) runs: [[Run; 2]; PLAN.len()],
    /// By master.
    pub(crate) orders: [Option<Order>; 2],
}

impl Host {
    pub(crate) fn run(&mut self, step: Step, undo: bool) -> &mut Run {
        &mut self.runs[step as usize][usize::from(undo)]
    }

    /// A command that has not ended is gone.
    pub(crate) fn interrupt(&mut self, step: Step, undo: bool) {
        let run = self.run(step, undo);
        if run.runs() {
            *run = Run::Interrupted;
        }
    }

    /// What is asked in channels and what runs is gone; what was not synced is gone, or not.
    pub(crate) fn lose_power(&mut self, disk: Disk) {
        self.on = false;
        self.running = Running::No;
        (self.seen, self.kept) = (disk, disk);
        self.orders = [None; 2];
        for step in PLAN {
            self.interrupt(step, false);
            self.interrupt(step, true);
        }
    }
}

/// The job, as a journal has it. What is `turned` is the last step that was intended before it was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Job {
    Unknown,
    Forward {
        step: Step,
        intended: bool,
    },
    Backward {
        turned: Step,
        step: Step,
        intended: bool,
    },
    Succeeded,
    RolledBack,
    Abandoned,
}

impl Job {
    pub(crate) const FIRST: Self = Self::Forward {
        step: Step::Copy,
        intended: false,
    };

    pub(crate) fn after(step: Step) -> Self {
        step.after().map_or(Self::Succeeded, |step| Self::Forward {
            step,
            intended: false,
        })
    }

    pub(crate) fn back_from(turned: Step) -> Self {
        Self::Backward {
            turned,
            step: turned,
            intended: false,
        }
    }

    pub(crate) fn before(turned: Step, step: Step) -> Self {
        step.before().map_or(Self::RolledBack, |step| Self::Backward {
            turned,
            step,
            intended: false,
        })
    }

    pub(crate) fn is_over(self) -> bool {
        matches!(
            self,
            Self::Unknown | Self::Succeeded | Self::RolledBack | Self::Abandoned
        )
    }

    /// Whether this journal has the step, or its undo, as intended.
    pub(crate) fn has_intended(self, other: Step, undo: bool) -> bool {
        match self {
            Self::Forward { step, intended } => !undo && (other < step || (other == step && intended)),
            Self::Backward { turned, .. } if !undo => other <= turned,
            Self::Backward {
                turned,
                step,
                intended,
            } => other <= turned && (other > step || (other == step && intended)),
            _ => true,
        }
    }

    /// Whether this journal has the step as done.
    pub(crate) fn has_done(self, other: Step) -> bool {
        match self {
            Self::Forward { step, .. } => other < step,
            Self::Backward { turned, .. } => other < turned,
            _ => false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Life {
    /// The new master, before it takes over.
    NotYet,
    Up,
    /// A host has told it that it obeys another master: it is over for good.
    Superseded,
}

/// What is in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Store {
    pub(crate) job: Job,
    /// Steps whose undo is owed to the target, one bit each.
    pub(crate) owed: u8,
    /// Where a person has taken the guest in, if not where the job has left it.
    pub(crate) adopted: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Master {
    pub(crate) life: Life,
    pub(crate) epoch: Epoch,
    pub(crate) store: Store,
    /// What it believes to have claimed.
    pub(crate) claimed: [bool; 2],
    /// It has taken over, and nobody has accepted the scan yet.
    pub(crate) held: bool,
    /// The scan has shown that the hosts know something else of the job.
    pub(crate) doubtful: bool,
}

pub(crate) const OLD: usize = 0;
pub(crate) const NEW: usize = 1;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) hosts: [Host; 2],
    pub(crate) masters: [Master; 2],
    /// The old master's store, as somebody has put it by.
    pub(crate) backup: Option<Store>,
    /// The guest's writes that were acknowledged.
    pub(crate) acknowledged: u8,
    /// What may still go wrong.
    pub(crate) troubles: u8,
    /// How often somebody may still take the job back who has no need to.
    pub(crate) cancels: u8,
}
