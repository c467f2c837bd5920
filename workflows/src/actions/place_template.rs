//! Makes room for a template on a host.

use vsjob_workers::HostAction;

use crate::planner::host_action;
use crate::{Ref, ShortId};

host_action! {
    /// Makes the folder that the template of the job goes to; its undo removes the template.
    PlaceTemplate { job: Ref<ShortId> } -> TemplatePlaced {}
    "place-template" version 1, "make room for the template",
    HostAction {
        probe: include_str!("place_template.probe.sh"),
        do_: include_str!("place_template.do.sh"),
        undo: include_str!("place_template.undo.sh"),
        ..HostAction::EMPTY
    }
}
