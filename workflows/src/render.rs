//! `--plan`: shows a plan from the same objects that a run performs: each step with its script, the script's hash and
//! its arguments, `<step 3: snapshot>` for what is not known yet, and, if asked, the scripts' text.

use std::fmt::Write;

use vsjob_engine::{Plan, Step, UndoKind, Value};
use vsjob_workers::{Action, Drivers, HostAction, Registry, Script, Side};

use crate::Site;

/// Shows `plan`; with the text of every script once, if `verbose`.
#[must_use]
pub fn render(plan: &Plan, registry: &Registry, site: &Site, verbose: bool) -> String {
    let mut shown = String::new();
    let mut texts: Vec<Script> = Vec::new();
    for (no, step) in plan.numbered() {
        let place = step
            .hosts
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        let place = if place.is_empty() {
            "the master".to_owned()
        } else {
            place
        };
        let _ = writeln!(shown, "{no:>3}  {}  [{place}]{}", step.title, marks(step));
        match registry.find(&step.action) {
            Some(Action::Host(action)) => {
                let drivers = step.hosts.first().and_then(|host| site.hosts.get(host));
                let drivers = drivers.map_or_else(Drivers::default, |host| host.drivers);
                for script in scripts(action, step, &drivers) {
                    let _ = writeln!(shown, "     {} {}", script.name, script.hash);
                    if verbose && !texts.iter().any(|known| known.hash == script.hash) {
                        texts.push(script);
                    }
                }
            }
            Some(Action::Master(action)) => {
                let _ = writeln!(shown, "     {} (on the master)", action.name);
            }
            None => {
                let _ = writeln!(shown, "     {} (not in this program)", step.action.name);
            }
        }
        for arg in &step.args {
            let _ = writeln!(shown, "       {} = {}", arg.name, value(&arg.value));
        }
    }
    for script in texts {
        let _ = writeln!(shown, "\n==> {} {}\n{}", script.name, script.hash, script.text);
    }
    shown
}

/// The scripts that performing the step, or taking it back, may send.
fn scripts(action: &'static HostAction, step: &Step, drivers: &Drivers) -> Vec<Script> {
    let mut sides = vec![Side::Do];
    if !action.read_only {
        sides.push(Side::Probe);
    }
    if step.undo.is_some() {
        sides.push(Side::Undo);
    }
    sides
        .into_iter()
        .filter_map(|side| action.script(side, drivers))
        .collect()
}

fn marks(step: &Step) -> String {
    let undo = match step.undo {
        Some(UndoKind::Gating) => "  undo: gating",
        Some(UndoKind::Cleaning) => "  undo: cleaning",
        None => "",
    };
    let pivot = if step.pivot {
        "  PIVOT: from here on only forward"
    } else {
        ""
    };
    format!("{undo}{pivot}")
}

fn value(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Output { step, key } => format!("<step {step}: {key}>"),
    }
}
