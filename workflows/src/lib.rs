//! What each operation does. An operation is one file: its request, its refusals, its plan, its tests, in this order.
//! An action that a plan is made of is one file under `actions/`, with its scripts beside it.

pub mod actions;
mod demo;
mod names;
mod operation;
mod planner;
mod refusal;
mod request;
mod site;

pub use actions::registry;
pub use names::{BadAmount, CpuPercent, DeviceName, GuestName, Megabytes, Span, TemplateName, VlanId};
pub use operation::{Held, Lock, Operation, Planned, operation, operations};
pub use planner::{Argument, Call, Placed, Planner, Ref};
pub use refusal::Refusal;
pub use request::{Parameter, Parameters, Reading};
pub use site::{Site, SiteHost};
