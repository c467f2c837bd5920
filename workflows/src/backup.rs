//! `backup`: the incremental copy of a guest onto the master, its consolidation. Hot, from a snapshot of the guest as it
//! runs, or cold, from one taken while it is stopped for just that. It is received into a place of its own, begun as the
//! last generation is; sealed by one rename, it is the next generation. Whatever fails before, the last one is as it
//! was. OPERATIONS.md, 'Plans'.

use std::time::Duration;

use vsjob_engine::UndoKind::{Cleaning, Gating};
use vsjob_engine::{HostName, Retry, StepNo, UndoKind};
use vsjob_workers::Capability;

use crate::actions::begin_generation::{BeginGeneration, GenerationBegun};
use crate::actions::check_source::CheckSource;
use crate::actions::choose_names::{ChooseNames, Names};
use crate::actions::complete_generation::CompleteGeneration;
use crate::actions::drop_snapshot::DropSnapshot;
use crate::actions::list_changes::ListChanges;
use crate::actions::prune_generations::PruneGenerations;
use crate::actions::read_facts::{Facts, ReadFacts};
use crate::actions::receive_generation::ReceiveGeneration;
use crate::actions::seal_generation::SealGeneration;
use crate::actions::take_snapshot::TakeSnapshot;
use crate::batch::Many;
use crate::{
    GuestName, Held, Keep, Line, Operation, Parameter, Placed, Planned, Planner, Reading, Ref, Refusal, Site,
    SiteHost, SnapshotMode, TreeKind,
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
}

impl<'a> Consolidation<'a> {
    /// None where no snapshot can be taken.
    pub(crate) fn of(
        guest: &'a GuestName,
        host: &'a HostName,
        mode: SnapshotMode,
        site: &'a Site,
    ) -> Result<Option<Self>, Refusal> {
        let place = site.known(host)?;
        let folder =
            Line::of(&site.generations.folder.display()).map_err(|why| Refusal::bad("name", &why))?;
        Ok(place.drivers.can(Capability::Snapshot).then_some(Self {
            guest,
            host,
            place,
            folder,
            tree: site.generations.kind,
            mode,
        }))
    }

    /// A place for it on the master.
    pub(crate) fn begin(
        &self,
        p: &mut Planner,
        was: Facts,
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
        });
        Ok(begun.undo(Cleaning).answers())
    }

    /// From the snapshot that `taking` takes to a generation that is sealed by the last step; and which step takes it.
    pub(crate) fn make<'p>(
        &self,
        p: &'p mut Planner,
        (names, begun): (Names, GenerationBegun),
        bytes: Ref<u64>,
        taking: (TakeSnapshot, UndoKind),
    ) -> (StepNo, Placed<'p, SealGeneration>) {
        let snapshot = self.receive(p, (names, begun), bytes, taking);
        let sealed = p.here(SealGeneration {
            folder: self.folder.clone(),
            tree: self.tree,
            guest: self.guest.clone(),
            name: begun.name,
        });
        (snapshot, sealed)
    }

    /// All of it but the seal; and which step takes the snapshot.
    pub(crate) fn receive(
        &self,
        p: &mut Planner,
        (names, begun): (Names, GenerationBegun),
        bytes: Ref<u64>,
        (taking, undo): (TakeSnapshot, UndoKind),
    ) -> StepNo {
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
                since: begun.since,
            },
        );
        let received = p
            .on(
                self.host,
                ReceiveGeneration {
                    folder: self.folder.clone(),
                    tree: self.tree,
                    guest: self.guest.clone(),
                    source: self.place.destination.clone(),
                    shell: self.place.shell.clone(),
                    remote: self.place.rsync.clone(),
                    snapshot: taken.tree,
                    lists: taken.lists,
                    bytes,
                    bwlimit: self.place.bwlimit,
                },
            )
            .retry(PATIENT)
            .answers();
        p.here(CompleteGeneration {
            folder: self.folder.clone(),
            tree: self.tree,
            guest: self.guest.clone(),
            since: taken.since,
            files: received.files,
            size: received.size,
            received: received.received,
        });
        snapshot
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
    pub(crate) fn clean(&self, p: &mut Planner, names: Names, snapshot: StepNo) {
        p.on(
            self.host,
            DropSnapshot {
                snapshot: names.snapshot,
                job: names.job,
            },
        )
        .strikes(&[snapshot]);
    }
}

fn plan(request: &Backup, site: &Site) -> Result<Planned, Refusal> {
    let Backup {
        guest, host, mode, ..
    } = request;
    let Some(consolidation) = Consolidation::of(guest, host, *mode, site)? else {
        return Err(Refusal::Unable {
            host: host.clone(),
            what: "a snapshot of a volume",
        });
    };
    let mut p = Planner::default();

    let checked = p.on(host, CheckSource { guest: guest.clone() }).answers();
    let was = p.on(host, ReadFacts { guest: guest.clone() }).answers();
    let names = p.here(ChooseNames { guest: guest.clone() }).answers();
    let begun = consolidation.begin(&mut p, was, &request.excludes)?;
    // A guest that was stopped for it is started again before anything else.
    let undo = match mode {
        SnapshotMode::Hot => Cleaning,
        SnapshotMode::Cold => Gating,
    };
    let taking = TakeSnapshot {
        guest: guest.clone(),
        snapshot: names.snapshot,
        job: names.job,
        mode: *mode,
        running: was.running.into(),
        pre: request.pre.clone(),
        post: request.post.clone(),
    };
    let (snapshot, sealed) = consolidation.make(&mut p, (names, begun), checked.bytes, (taking, undo));
    sealed.pivot();
    consolidation.clean(&mut p, names, snapshot);
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
