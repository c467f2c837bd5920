//! Waits for a host that is away, in a job that has nothing to ask of it before it acts.

use vsjob_workers::HostAction;

use crate::planner::host_action;

host_action! {
    /// It answers.
    AwaitHost {} -> HostAnswers {}
    "await-host" version 1, "wait for the host",
    HostAction {
        read_only: true,
        do_: include_str!("await_host.do.sh"),
        ..HostAction::EMPTY
    }
}
