//! `generation`: the copies of guests that the master keeps.

use vsjob_workflows::{GenerationName, GuestName, Keep};

use crate::args::Generation;
use crate::complaint::Stop;
use crate::message::{GenerationFacts, GenerationList, GenerationVerified};
use crate::session::Session;
use crate::words::size;
use crate::{Exit, follow, words};

pub(crate) async fn generation(session: &Session, generation: &Generation) -> Result<Exit, Stop> {
    match generation {
        Generation::List { name } => {
            let all = get(session, name.as_ref(), None).await?;
            show(session, &all, "no generations; `vsjob submit backup` makes them")
        }
        Generation::Show { name, generation } => one(session, name, generation).await,
        Generation::Verify { name, generation } => verify(session, name, generation).await,
        Generation::Pin {
            name,
            generation,
            reason,
        } => {
            let which = ("generation", generation.to_string());
            order(session, "generation-pin", name, which, reason.as_ref()).await
        }
        Generation::Unpin {
            name,
            generation,
            reason,
        } => {
            let which = ("generation", generation.to_string());
            order(session, "generation-unpin", name, which, reason.as_ref()).await
        }
        Generation::Prune {
            name,
            keep,
            plan: true,
            ..
        } => {
            let doomed = get(session, Some(name), Some(keep)).await?;
            show(session, &doomed, "nothing would be deleted")
        }
        Generation::Prune {
            name, keep, reason, ..
        } => {
            let by = ("keep", keep.to_string());
            order(session, "generation-prune", name, by, reason.as_ref()).await
        }
    }
}

async fn get(
    session: &Session,
    name: Option<&GuestName>,
    keep: Option<&Keep>,
) -> Result<GenerationList, Stop> {
    let name = name.map(|name| format!("name={name}"));
    let keep = keep.map(|keep| format!("keep={keep}"));
    let query: Vec<String> = name.into_iter().chain(keep).collect();
    let path = format!("/v1/generations?{}", query.join("&"));
    Ok(session.client.get(&path).await?)
}

fn show(session: &Session, list: &GenerationList, none: &str) -> Result<Exit, Stop> {
    let out = session.output;
    if out.json {
        out.document(list)?;
        return Ok(Exit::Done);
    }
    if list.generations.is_empty() {
        out.talk(none);
    }
    let rows = list.generations.iter().map(|line| {
        let of = |tell: fn(&GenerationFacts) -> String| line.facts.as_ref().map_or_else(String::new, tell);
        let is_torn = line.facts.as_ref().is_some_and(|facts| !facts.crash_consistent);
        let notes = [
            line.pinned.then_some("pinned"),
            is_torn.then_some("not crash-consistent"),
            line.trouble.as_deref(),
        ];
        [
            line.guest.clone(),
            line.generation.clone(),
            of(|facts| facts.mode.clone()),
            of(|facts| facts.host.clone()),
            of(|facts| facts.files.to_string()),
            of(|facts| size(facts.size)),
            of(|facts| size(facts.received)),
            notes.into_iter().flatten().collect::<Vec<_>>().join(", "),
        ]
    });
    out.table(
        [
            "guest",
            "generation",
            "taken",
            "on",
            "files",
            "size",
            "received",
            "",
        ],
        rows.collect(),
    )?;
    Ok(Exit::Done)
}

async fn one(session: &Session, name: &GuestName, generation: &GenerationName) -> Result<Exit, Stop> {
    let mut list = get(session, Some(name), None).await?;
    list.generations
        .retain(|line| line.generation == generation.as_str());
    let out = session.output;
    let Some(line) = list.generations.first() else {
        // The master says it in its own words.
        return verify(session, name, generation).await;
    };
    if out.json {
        out.document(line)?;
        return Ok(Exit::Done);
    }
    let mut rows = vec![("pinned", if line.pinned { "yes" } else { "no" }.to_owned())];
    if let Some(trouble) = &line.trouble {
        rows.push(("cannot be read", trouble.clone()));
    }
    if let Some(facts) = &line.facts {
        let was = [(facts.running, "running"), (facts.enabled, "enabled")];
        let was: Vec<&str> = was
            .into_iter()
            .filter_map(|(so, word)| so.then_some(word))
            .collect();
        rows.extend([
            ("taken", format!("{}, {}", facts.taken, facts.mode)),
            ("lived on", facts.host.clone()),
            ("was", was.join(", ")),
            ("address", facts.address.clone()),
            ("files", format!("{}, {}", facts.files, size(facts.size))),
            ("received", size(facts.received)),
            (
                "begun from",
                facts.base.clone().unwrap_or_else(|| "nothing".to_owned()),
            ),
            ("kept as", facts.tree.clone()),
            ("left out", facts.excludes.join(" ")),
        ]);
    }
    let rows = rows.into_iter().map(|(key, value)| [key.to_owned(), value]);
    out.table([line.guest.as_str(), line.generation.as_str()], rows.collect())?;
    Ok(Exit::Done)
}

async fn verify(session: &Session, name: &GuestName, generation: &GenerationName) -> Result<Exit, Stop> {
    let path = format!("/v1/generations/{name}/{generation}/verify");
    let verified: GenerationVerified = session.client.get(&path).await?;
    let out = session.output;
    let count = u32::try_from(verified.differences.len()).unwrap_or(u32::MAX);
    if out.json {
        out.document(&verified)?;
    } else if count == 0 {
        out.line(format!(
            "{} {}: every file is as it was sealed",
            verified.guest, verified.generation
        ))?;
    } else {
        let rows = verified.differences.into_iter().map(|one| [one.name, one.what]);
        out.table(["file", "is wrong"], rows.collect())?;
        out.talk(format!("{} VSJ0498", words::several(count, "difference")));
    }
    Ok(if count == 0 { Exit::Done } else { Exit::Store })
}

/// Submits an operation on the generations of a guest, waits for it, and shows what there is then.
async fn order(
    session: &Session,
    operation: &str,
    name: &GuestName,
    (parameter, value): (&'static str, String),
    reason: Option<&String>,
) -> Result<Exit, Stop> {
    let given = [("name", name.to_string()), (parameter, value)];
    let exit = follow::order(session, operation, given, reason).await?;
    if exit != Exit::Done || session.output.json {
        return Ok(exit);
    }
    let left = get(session, Some(name), None).await?;
    show(session, &left, "")
}
