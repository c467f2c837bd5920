//! Two hosts, a guest, and the job that moves it: what there is, and nothing of what happens.

/// The steps that change something, in the plan's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Step {
    Passes,
    Define,
    Disable,
    Stop,
    LastPass,
    Fence,
    Name,
    Quarantine,
    Health,
    Admit,
    Enable,
}

pub(crate) const PLAN: [Step; 11] = [
    Step::Passes,
    Step::Define,
    Step::Disable,
    Step::Stop,
    Step::LastPass,
    Step::Fence,
    Step::Name,
    Step::Quarantine,
    Step::Health,
    Step::Admit,
    Step::Enable,
];

/// How a step is taken back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Undo {
    Nothing,
    /// If its host is away it is owed, and the rest goes on.
    Cleaning,
    /// Nothing earlier is taken back before it.
    Gating,
}

impl Step {
    pub(crate) fn host(self) -> usize {
        match self {
            Self::Disable | Self::Stop | Self::Fence => SOURCE,
            _ => TARGET,
        }
    }

    pub(crate) fn undo(self) -> Undo {
        match self {
            Self::Disable | Self::Stop | Self::Fence => Undo::Gating,
            Self::Passes | Self::Define | Self::Name | Self::Quarantine => Undo::Cleaning,
            Self::LastPass | Self::Health | Self::Admit | Self::Enable => Undo::Nothing,
        }
    }

    pub(crate) fn after(self) -> Option<Self> {
        PLAN.into_iter().find(|step| *step > self)
    }

    pub(crate) fn before(self) -> Option<Self> {
        PLAN.into_iter().rev().find(|step| *step < self)
    }
}

pub(crate) const SOURCE: usize = 0;
pub(crate) const TARGET: usize = 1;

/// Under which name something is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Name {
    Absent,
    Partial,
    Own,
    Moved,
}

/// What a host's disk has of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Disk {
    pub(crate) root: Name,
    pub(crate) definition: Name,
    pub(crate) enabled: bool,
    /// How many of the guest's writes its files have.
    pub(crate) content: u8,
}

impl Disk {
    pub(crate) fn starts_by_itself(&self) -> bool {
        self.enabled && self.can_start()
    }

    pub(crate) fn can_start(&self) -> bool {
        self.root == Name::Own && self.definition == Name::Own
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Running {
    No,
    Quarantined,
    Open,
}

/// A command in its run directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Command {
    pub(crate) step: Step,
    pub(crate) undo: bool,
    pub(crate) phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    /// It has begun and has had no effect yet.
    Launched,
    /// Its effect is there, but not durable.
    Effective,
    /// It has ended: its effect is durable, or it has failed.
    Ended { well: bool },
    /// It is gone without a word.
    Interrupted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Host {
    pub(crate) on: bool,
    pub(crate) reachable: bool,
    /// The disk as programs see it.
    pub(crate) seen: Disk,
    /// The disk as a power cut leaves it.
    pub(crate) kept: Disk,
    pub(crate) running: Running,
    pub(crate) command: Option<Command>,
}

impl Host {
    pub(crate) fn answers(&self) -> bool {
        self.on && self.reachable
    }

    /// Every disk that a power cut right now may leave.
    pub(crate) fn after_a_power_cut(&self) -> Vec<Disk> {
        let mut disks = vec![self.kept];
        let (kept, seen) = (self.kept, self.seen);
        for change in [
            |disk: &mut Disk, seen: &Disk| disk.root = seen.root,
            |disk: &mut Disk, seen: &Disk| disk.definition = seen.definition,
            |disk: &mut Disk, seen: &Disk| disk.enabled = seen.enabled,
            |disk: &mut Disk, seen: &Disk| disk.content = seen.content,
        ] {
            let mut touched = kept;
            change(&mut touched, &seen);
            if touched != kept {
                let more: Vec<Disk> = disks
                    .iter()
                    .map(|disk| {
                        let mut disk = *disk;
                        change(&mut disk, &seen);
                        disk
                    })
                    .collect();
                disks.extend(more);
            }
        }
        disks
    }
}

/// The job, as the journal has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Job {
    Forward { step: Step, intended: bool },
    Backward { step: Step, intended: bool },
    Succeeded,
    RolledBack,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) hosts: [Host; 2],
    pub(crate) job: Job,
    /// Steps whose undo is owed to the target.
    pub(crate) owed: Vec<Step>,
    /// The guest's writes that were acknowledged.
    pub(crate) acknowledged: u8,
    /// What may still go wrong.
    pub(crate) troubles: u8,
    pub(crate) cancels: u8,
}

/// A command that has not ended is gone.
pub(crate) fn interrupt(host: &mut Host) {
    if let Some(command) = &mut host.command
        && !matches!(command.phase, Phase::Ended { .. })
    {
        command.phase = Phase::Interrupted;
    }
}
