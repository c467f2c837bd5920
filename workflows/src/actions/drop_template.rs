//! Removes the template from the host.

use vsjob_workers::HostAction;

use crate::planner::host_action;
use crate::{Ref, ShortId};

host_action! {
    /// Removes the copy of the template that the job brought.
    DropTemplate { job: Ref<ShortId> } -> TemplateDropped {}
    "drop-template" version 1, "remove the template",
    HostAction {
        needs: &[],
        probe: include_str!("drop_template.probe.sh"),
        do_: include_str!("drop_template.do.sh"),
        ..HostAction::EMPTY
    }
}
