//! `get` and `put`, as VS-Tools have them: a guest to the master's store, and from there to a host. They are a backup and a
//! restore in fewer words: made by the same code, of the same steps.

use crate::{Operation, Parameter, backup, restore};

pub(crate) const GET: Operation = Operation {
    name: "get",
    summary: "bring a guest to the master's store, as its next generation",
    parameters: &[
        Parameter::GUEST,
        Parameter::optional("host", "HOST", "refuse unless it is there now"),
        Parameter::ANY_HOUR,
    ],
    all: None,
    plan: backup::OPERATION.plan,
};

pub(crate) const PUT: Operation = Operation {
    name: "put",
    summary: "bring a guest from the master's store to a host, as its newest generation has it",
    parameters: &[
        Parameter::GUEST,
        Parameter::required(
            "host",
            "HOST",
            "where; nothing of that name may be left where it was",
        ),
    ],
    all: None,
    plan: restore::OPERATION.plan,
};
