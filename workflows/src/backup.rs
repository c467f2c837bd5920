//! `backup`: the incremental copy of a guest onto the master, its consolidation. Hot, from a snapshot of the guest as it
//! runs, or cold, from one taken while it is stopped for just that; where the storage takes no snapshots, in two passes
//! through its own tree, of which it stands still for the second, if at all. It is received into a place of its own, begun as
//! the last generation is; sealed by one rename, it is the next generation. Whatever fails before, the last one is as it
//! was. OPERATIONS.md, 'Plans'.

use std::time::Duration;

use vsjob_engine::UndoKind::{Cleaning, Gating};
use vsjob_engine::{HostName, Retry, StepNo};
use vsjob_workers::Capability;

use crate::actions::begin_generation::{BeginGeneration, GenerationBegun};
use crate::actions::check_source::CheckSource;
use crate::actions::choose_names::{ChooseNames, Names};
use crate::actions::complete_generation::CompleteGeneration;
use crate::actions::drop_snapshot::DropSnapshot;
use crate::actions::go_on::GoOn;
use crate::actions::list_changes::ListChanges;
use crate::actions::prune_generations::PruneGenerations;
use crate::actions::read_facts::{Facts, ReadFacts};
use crate::actions::read_living::{LivingRead, ReadLiving};
use crate::actions::receive_generation::{GenerationReceived, ReceiveGeneration};
use crate::actions::seal_generation::SealGeneration;
use crate::actions::stop_guest::StopGuest;
use crate::actions::take_snapshot::TakeSnapshot;
use crate::batch::Many;
use crate::{
    GuestName, Held, Keep, Line, Operation, Parameter, Placed, Planned, Planner, Reading, Ref, Refusal, Site,
    SiteHost, SnapshotMode, TreeKind, YesNo,
};

pub(crate) const OPERATION: Operation = Operation {
    name: "backup",
    summary: "copy what is new in a guest onto the master, as its next generation",
    parameters: &[
        Parameter::GUEST_OR_ALL,
        Parameter::switch("all", "every guest of backup.conf, each as a job of its own"),
        Parameter::optional("host", "HOST", "where it is; with --all: those that are there"),
        Parameter::switch("hot", "while it runs (the usual)"),
        Parameter::switch("cold", "stop it for the moment of its snapshot"),
        Parameter::optional("pre", "COMMAND", "run in the guest before a hot snapshot"),
        Parameter::optional("post", "COMMAND", "run in the guest after a hot snapshot"),
        Parameter::optional(
            "keep",
            "RULE",
            "then delete what 7d4w6m, or another rule, does not keep",
        ),
        Parameter::optional("exclude", "PATTERN", "leave out what fits this pattern of rsync"),
        Parameter::ANY_HOUR,
    ],
    all: Some(Many::configured("host")),
    plan: |reading, site| plan(&Backup::read(reading, site)?, site),
};

/// Its host may be booted anew, however slowly: the snapshot is still there then.
const PATIENT: Retry = Retry {
    attempts: 40,
    first_wait: Duration::from_secs(1),
    longest_wait: Duration::from_secs(30),
};

struct Backup {
    guest: GuestName,
    host: HostName,
    mode: SnapshotMode,
    pre: Line,
    post: Line,
    excludes: Vec<String>,
    keep: Option<Keep>,
}

impl Backup {
    fn read(request: &Reading<'_>, site: &Site) -> Result<Self, Refusal> {
        let guest: GuestName = request.required("name")?;
        let host = site.place_of(&guest)?.clone();
        if let Some(said) = request.optional::<HostName>("host")?.filter(|said| *said != host) {
            return Err(Refusal::NotThere { guest, host, said });
        }
        let said = site.backup_conf.of(&guest);
        let mode = match (request.switch("hot")?, request.switch("cold")?) {
            (true, true) => return Err(Refusal::bad("cold", &"it is one or the other: --hot or --cold")),
            (true, _) => SnapshotMode::Hot,
            (_, true) => SnapshotMode::Cold,
            _ => said.mode,
        };
        let (pre, post): (Option<Line>, Option<Line>) = (request.optional("pre")?, request.optional("post")?);
        let (pre, post) = match mode {
            SnapshotMode::Hot => (pre.unwrap_or(said.pre), post.unwrap_or(said.post)),
            SnapshotMode::Cold if pre.is_none() && post.is_none() => (Line::default(), Line::default()),
            SnapshotMode::Cold => {
                let why = "a guest that is stopped for its snapshot runs nothing then";
                return Err(Refusal::bad("pre", &why));
            }
        };
        let exclude: Option<Line> = request.optional("exclude")?;
        Ok(Self {
            keep: request.optional("keep")?.or(said.keep),
            excludes: exclude.map_or(said.excludes, |exclude| vec![exclude.to_string()]),
            guest,
            host,
            mode,
            pre,
            post,
        })
    }
}

/// One more generation of a guest: what a `backup` is, what a `remove` ends with, and, up to its seal, what a template is
/// packed from.
pub(crate) struct Consolidation<'a> {
    guest: &'a GuestName,
    host: &'a HostName,
    place: &'a SiteHost,
    folder: Line,
    tree: TreeKind,
    /// What the generation says of itself.
    mode: SnapshotMode,
    /// What its files take, as far as the last generation tells; 0 where it is to be counted.
    expected: u64,
}

/// What the steps before the first reading have answered.
#[derive(Clone, Copy)]
pub(crate) struct Begun {
    pub names: Names,
    pub generation: GenerationBegun,
    /// What its files take.
    pub bytes: Ref<u64>,
    /// It ran.
    pub running: Ref<YesNo>,
}

/// What becomes of a guest while it is read.
pub(crate) enum Standing {
    /// It goes on, with these run in it before and after.
    Runs { pre: Line, post: Line },
    /// It is stopped, for as short a time as its storage allows.
    Stops,
    /// It was stopped before.
    Stands,
}

impl<'a> Consolidation<'a> {
    /// Refused where neither a snapshot can be taken, nor be known what is written meanwhile.
    pub(crate) fn of(
        guest: &'a GuestName,
        host: &'a HostName,
        mode: SnapshotMode,
        site: &'a Site,
    ) -> Result<Self, Refusal> {
        let place = site.known(host)?;
        let folder =
            Line::of(&site.generations.folder.display()).map_err(|why| Refusal::bad("name", &why))?;
        let able = place.drivers.can(Capability::Snapshot) || place.drivers.can(Capability::Processes);
        if !able {
            return Err(Refusal::Unable {
                host: host.clone(),
                what: "a snapshot of a volume, or a list of the processes that write to it",
            });
        }
        let last = site.generations.newest(guest).map(|(_, last)| last.size);
        // A volume is made for what it is to hold: no guess will do.
        let expected = last.filter(|_| !site.generations.kind.has_a_size()).unwrap_or(0);
        Ok(Self {
            guest,
            host,
            place,
            folder,
            tree: site.generations.kind,
            mode,
            expected,
        })
    }

    /// Looks at the guest where it is, and makes a place for its generation.
    pub(crate) fn prepare(&self, p: &mut Planner, excludes: &[String]) -> Result<Begun, Refusal> {
        let guest = self.guest;
        let bytes = self.check(p);
        let was = p.on(self.host, ReadFacts { guest: guest.clone() }).answers();
        let names = p.here(ChooseNames { guest: guest.clone() }).answers();
        Ok(Begun {
            names,
            generation: self.begin(p, was, bytes, excludes)?,
            bytes,
            running: was.running,
        })
    }

    /// The guest is whole; what its files take.
    pub(crate) fn check(&self, p: &mut Planner) -> Ref<u64> {
        let source = CheckSource {
            guest: self.guest.clone(),
            leaves: YesNo::No,
            expected: self.expected,
        };
        p.on(self.host, source).answers().bytes
    }

    /// A place for it on the master.
    pub(crate) fn begin(
        &self,
        p: &mut Planner,
        was: Facts,
        bytes: Ref<u64>,
        excludes: &[String],
    ) -> Result<GenerationBegun, Refusal> {
        let bad = |why: &dyn std::fmt::Display| Refusal::bad("exclude", &why);
        let excludes = serde_json::to_string(excludes).map_err(|why| bad(&why))?;
        let begun = p.here(BeginGeneration {
            folder: self.folder.clone(),
            tree: self.tree,
            guest: self.guest.clone(),
            host: self.host.clone(),
            mode: self.mode,
            excludes: Line::of(&excludes).map_err(|why| bad(&why))?,
            running: was.running,
            enabled: was.enabled,
            address: was.address,
            device: was.device,
            rss: was.rss,
            tmpfs: was.tmpfs,
            proc: was.proc,
            cpu: was.cpu,
            disk: was.disk,
            bytes,
        });
        Ok(begun.undo(Cleaning).answers())
    }

    /// From the guest to a generation that is sealed by the last step; and which step begins to read it.
    pub(crate) fn make<'p>(
        &self,
        p: &'p mut Planner,
        begun: Begun,
        standing: Standing,
    ) -> (StepNo, Placed<'p, SealGeneration>) {
        let read = self.receive(p, begun, standing);
        let sealed = p.here(SealGeneration {
            folder: self.folder.clone(),
            tree: self.tree,
            guest: self.guest.clone(),
            name: begun.generation.name,
        });
        (read, sealed)
    }

    /// All of it but the seal; and which step begins to read it.
    pub(crate) fn receive(&self, p: &mut Planner, begun: Begun, standing: Standing) -> StepNo {
        let still = !matches!(standing, Standing::Runs { .. });
        let (read, since, received) = if self.place.drivers.can(Capability::Snapshot) {
            self.receive_picture(p, begun, standing)
        } else {
            self.receive_living(p, begun, standing)
        };
        p.here(CompleteGeneration {
            folder: self.folder.clone(),
            tree: self.tree,
            guest: self.guest.clone(),
            since,
            files: received.files,
            size: received.size,
            received: received.received,
            still: (still || self.place.drivers.can(Capability::Snapshot)).into(),
        });
        read
    }

    /// From a snapshot.
    fn receive_picture(
        &self,
        p: &mut Planner,
        begun: Begun,
        standing: Standing,
    ) -> (StepNo, Ref<Line>, GenerationReceived) {
        let Begun {
            names,
            generation,
            bytes,
            running,
        } = begun;
        // A guest that was stopped for it is started again before anything else. One that had been stopped before is not.
        let (mode, undo, running, (pre, post)) = match standing {
            Standing::Runs { pre, post } => (SnapshotMode::Hot, Cleaning, running.into(), (pre, post)),
            Standing::Stops => (SnapshotMode::Cold, Gating, running.into(), Default::default()),
            Standing::Stands => (SnapshotMode::Hot, Cleaning, YesNo::No.into(), Default::default()),
        };
        let taking = TakeSnapshot {
            guest: self.guest.clone(),
            snapshot: names.snapshot,
            job: names.job,
            mode,
            running,
            pre,
            post,
        };
        let taken = p
            .on(self.host, taking)
            .undo(undo)
            .creates("snapshot", ".vsjob-{job}-1")
            .creates("folder", "{job}");
        let (snapshot, taken) = (taken.no(), taken.answers());
        p.on(
            self.host,
            ListChanges {
                snapshot: names.snapshot,
                job: names.job,
                since: generation.since,
            },
        );
        let read = LivingRead {
            tree: taken.tree,
            lists: taken.lists,
            since: taken.since,
        };
        let received = self.pull(p, read, bytes, Pass::Picture).retry(PATIENT).answers();
        (snapshot, taken.since, received)
    }

    /// In two passes through its own tree, the second of which is short; in one, if it stands.
    fn receive_living(
        &self,
        p: &mut Planner,
        begun: Begun,
        standing: Standing,
    ) -> (StepNo, Ref<Line>, GenerationReceived) {
        let Begun {
            names,
            generation,
            bytes,
            running,
        } = begun;
        let (pre, post) = match &standing {
            Standing::Runs { pre, post } => (pre.clone(), post.clone()),
            _ => Default::default(),
        };
        let reading = |pass, still: bool, since| ReadLiving {
            guest: self.guest.clone(),
            job: names.job,
            pass,
            still: still.into(),
            since,
            running: running.into(),
            pre: pre.clone(),
            post: post.clone(),
        };
        let first = p
            .on(
                self.host,
                reading(1, matches!(standing, Standing::Stands), generation.since),
            )
            .undo(Cleaning)
            .creates("folder", "{job}");
        let (begin, read) = (first.no(), first.answers());
        if matches!(standing, Standing::Stands) {
            let received = self.pull(p, read, bytes, Pass::Only).retry(PATIENT).answers();
            return (begin, read.since, received);
        }
        let before = self.pull(p, read, bytes, Pass::First).retry(PATIENT).answers();
        let stops = matches!(standing, Standing::Stops);
        let (pass, start) = match stops {
            true => (Pass::Last(before.received), running.into()),
            false => (Pass::Second(before.received), YesNo::No.into()),
        };
        if stops {
            let guest = self.guest.clone();
            p.on(
                self.host,
                StopGuest {
                    guest,
                    running: running.into(),
                },
            )
            .undo(Gating);
        }
        let read = p.on(self.host, reading(2, stops, read.since)).answers();
        // Not patient: a guest that was stopped for it waits.
        let received = self.pull(p, read, bytes, pass).answers();
        p.on(
            self.host,
            GoOn {
                guest: self.guest.clone(),
                job: names.job,
                start,
                post,
            },
        );
        (begin, read.since, received)
    }

    fn pull<'p>(
        &self,
        p: &'p mut Planner,
        read: LivingRead,
        bytes: Ref<u64>,
        pass: Pass,
    ) -> Placed<'p, ReceiveGeneration> {
        let (number, still, before) = match pass {
            Pass::Picture => (0, YesNo::Yes, 0.into()),
            Pass::Only => (1, YesNo::Yes, 0.into()),
            Pass::First => (1, YesNo::No, 0.into()),
            Pass::Second(before) => (2, YesNo::No, before.into()),
            Pass::Last(before) => (2, YesNo::Yes, before.into()),
        };
        p.on(
            self.host,
            ReceiveGeneration {
                folder: self.folder.clone(),
                tree: self.tree,
                guest: self.guest.clone(),
                source: self.place.destination.clone(),
                shell: self.place.shell.clone(),
                remote: self.place.rsync.clone(),
                snapshot: read.tree,
                lists: read.lists,
                bytes,
                bwlimit: self.place.bwlimit,
                pass: number,
                still,
                before,
            },
        )
    }

    /// Where its tree is while it is received.
    pub(crate) fn place(&self) -> Result<(Line, TreeKind), Refusal> {
        let place = format!("{}/{}", self.folder, self.guest);
        Ok((
            place.parse().map_err(|why| Refusal::bad("name", &why))?,
            self.tree,
        ))
    }

    /// What it needed on the host goes.
    pub(crate) fn clean(&self, p: &mut Planner, names: Names, read: StepNo) {
        p.on(
            self.host,
            DropSnapshot {
                snapshot: names.snapshot,
                job: names.job,
            },
        )
        .strikes(&[read]);
    }
}

/// What of a guest is received, after how many bytes.
enum Pass {
    /// A picture of it.
    Picture,
    /// Its tree, as it stands.
    Only,
    /// Its tree, while it is written to.
    First,
    /// The same once more.
    Second(Ref<u64>),
    /// The same once more, as it stands by then.
    Last(Ref<u64>),
}

fn plan(request: &Backup, site: &Site) -> Result<Planned, Refusal> {
    let Backup {
        guest, host, mode, ..
    } = request;
    let consolidation = Consolidation::of(guest, host, *mode, site)?;
    let mut p = Planner::default();

    let begun = consolidation.prepare(&mut p, &request.excludes)?;
    let standing = match mode {
        SnapshotMode::Hot => Standing::Runs {
            pre: request.pre.clone(),
            post: request.post.clone(),
        },
        SnapshotMode::Cold => Standing::Stops,
    };
    let (read, sealed) = consolidation.make(&mut p, begun, standing);
    sealed.pivot();
    consolidation.clean(&mut p, begun.names, read);
    if let Some(keep) = &request.keep {
        p.here(PruneGenerations {
            folder: consolidation.folder,
            tree: consolidation.tree,
            guest: guest.clone(),
            keep: Line::of(keep).map_err(|why| Refusal::bad("keep", &why))?,
        });
    }

    Ok(Planned {
        plan: p.finish(),
        locks: vec![
            Held::Guest(guest.clone()).alone(),
            Held::Host(host.clone()).shared(),
        ],
        title: format!("back up {guest} from {host}, {mode}"),
        not_before: None,
    })
}
