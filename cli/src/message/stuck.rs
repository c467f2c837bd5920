//! What people say of a job that gets nowhere.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Who;

/// What somebody vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Said {
    /// The host of the step is off and stays off. Refused if it answers.
    HostIsOff,
    /// What the step was to do, or its undo, has been done by hand, and nothing that it started still runs.
    DoneByHand,
}

/// A step counts as done, or as undone.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Skip {
    /// What is vouched for; needed where others rely on the step.
    #[serde(default)]
    pub said: Option<Said>,
    /// Who asks, and why; a reason is needed.
    #[serde(default)]
    pub who: Who,
}

/// A job is given up.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Abandon {
    /// What is vouched for; needed where something may be out of service.
    #[serde(default)]
    pub said: Option<Said>,
    /// It is not left as it stands but taken back from its point of no return, which it does not know to have passed.
    #[serde(default)]
    pub to_source: bool,
    /// Who asks, and why; a reason is needed.
    #[serde(default)]
    pub who: Who,
}
