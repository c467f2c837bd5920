//! Writes a plan down, step by step. A step is an action with typed arguments; what it will have answered is handed
//! on as typed references, so a plan that names an output which no earlier step has does not compile.

use std::fmt::Display;
use std::marker::PhantomData;
use std::time::Duration;

use vsjob_engine::{Arg, HostName, Object, Placing, Plan, Retry, Step, StepNo, UndoKind, Value};
use vsjob_workers::Action;

use crate::GuestName;

/// The longest that a step may take whose length is that of a guest's tree.
pub(crate) const LONG: Duration = Duration::from_secs(7 * 24 * 3600);
/// The longest that a transfer may tell no progress.
pub(crate) const STALL: Duration = Duration::from_secs(600);

/// What an earlier step will have answered: a `T`, unknown until that step is done.
#[derive(Debug)]
pub struct Ref<T> {
    step: StepNo,
    key: &'static str,
    of: PhantomData<fn() -> T>,
}

impl<T> Clone for Ref<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Ref<T> {}

impl<T> Ref<T> {
    /// The output `key` of `step`.
    pub(crate) fn new(step: StepNo, key: &'static str) -> Self {
        Self {
            step,
            key,
            of: PhantomData,
        }
    }
}

/// What can be the argument of an action: a value of a type that is one line by construction, or a [`Ref`].
pub trait Argument {
    /// As it stands in the plan.
    fn value(&self) -> Value;
}

impl<T: Display> Argument for T {
    fn value(&self) -> Value {
        Value::Text(self.to_string())
    }
}

impl<T> Argument for Ref<T> {
    fn value(&self) -> Value {
        Value::Output {
            step: self.step,
            key: self.key.to_owned(),
        }
    }
}

/// An argument that some plans know and others have from an earlier step.
#[derive(Clone, Debug)]
pub enum Given<T> {
    /// Known when the plan is made.
    Known(T),
    /// The answer of an earlier step.
    From(Value),
}

impl<T> From<T> for Given<T> {
    fn from(known: T) -> Self {
        Self::Known(known)
    }
}

impl<T> From<Ref<T>> for Given<T> {
    fn from(answer: Ref<T>) -> Self {
        Self::From(answer.value())
    }
}

impl<T: Argument> Argument for Given<T> {
    fn value(&self) -> Value {
        match self {
            Self::Known(known) => known.value(),
            Self::From(value) => value.clone(),
        }
    }
}

/// An action with its arguments: what a step performs. Declared with `host_action!` or `master_action!`.
pub trait Call {
    /// References to what it will have answered.
    type Answers;
    /// The action.
    fn action() -> Action;
    /// What it does, in a few words; `{name}` stands for the argument of that name.
    const TITLE: &'static str;
    /// Its arguments, in the order of the action's.
    fn values(&self) -> Vec<Value>;
    /// References to the outputs of this action as step `no`.
    fn answers(no: StepNo) -> Self::Answers;
}

/// Declares an action on a host: its arguments and answers as types, and a [`vsjob_workers::HostAction`] of them.
macro_rules! host_action {
    (
        $(#[$doc:meta])*
        $call:ident { $($arg:ident: $type:ty),* $(,)? } -> $answers:ident { $($(#[$key_doc:meta])* $key:ident: $of:ty),* $(,)? }
        $name:literal version $version:literal, $title:literal, $action:expr
    ) => {
        $crate::planner::declare_call! {
            $(#[$doc])* $call { $($arg: $type),* } -> $answers { $($(#[$key_doc])* $key: $of),* } $title,
            vsjob_workers::Action::Host(&<$call>::ACTION)
        }

        impl $call {
            /// The action and its scripts.
            pub const ACTION: vsjob_workers::HostAction = vsjob_workers::HostAction {
                name: $name,
                version: $version,
                args: &[$(stringify!($arg)),*],
                outputs: &[$(stringify!($key)),*],
                ..$action
            };
        }
    };
}

/// Declares an action on the master: its arguments and answers as types, and the function that performs it.
macro_rules! master_action {
    (
        $(#[$doc:meta])*
        $call:ident { $($arg:ident: $type:ty),* $(,)? } -> $answers:ident { $($(#[$key_doc:meta])* $key:ident: $of:ty),* $(,)? }
        $name:literal version $version:literal, $title:literal, $run:expr
    ) => {
        $crate::planner::declare_call! {
            $(#[$doc])* $call { $($arg: $type),* } -> $answers { $($(#[$key_doc])* $key: $of),* } $title,
            vsjob_workers::Action::Master(&<$call>::ACTION)
        }

        impl $call {
            /// The action and the function that performs it.
            pub const ACTION: vsjob_workers::MasterAction = vsjob_workers::MasterAction {
                name: $name,
                version: $version,
                args: &[$(stringify!($arg)),*],
                outputs: &[$(stringify!($key)),*],
                run: $run,
            };
        }
    };
}

/// What both kinds of declarations share.
macro_rules! declare_call {
    (
        $(#[$doc:meta])*
        $call:ident { $($arg:ident: $type:ty),* } -> $answers:ident { $($(#[$key_doc:meta])* $key:ident: $of:ty),* } $title:literal,
        $action:expr
    ) => {
        $(#[$doc])*
        pub struct $call {
            $(#[doc = concat!("The argument `", stringify!($arg), "`.")] pub $arg: $type,)*
        }

        #[doc = concat!("What [`", stringify!($call), "`] will have answered.")]
        #[derive(Clone, Copy)]
        pub struct $answers {
            $($(#[$key_doc])* pub $key: $crate::planner::Ref<$of>,)*
        }

        impl $crate::planner::Call for $call {
            type Answers = $answers;

            fn action() -> vsjob_workers::Action {
                $action
            }

            const TITLE: &'static str = $title;

            fn values(&self) -> Vec<vsjob_engine::Value> {
                vec![$($crate::planner::Argument::value(&self.$arg)),*]
            }

            fn answers(_no: vsjob_engine::StepNo) -> $answers {
                $answers {
                    $($key: $crate::planner::Ref::new(_no, stringify!($key)),)*
                }
            }
        }
    };
}

pub(crate) use {declare_call, host_action, master_action};

/// A plan being written.
#[derive(Debug, Default)]
pub struct Planner {
    steps: Vec<Step>,
}

impl Planner {
    /// The next step: `call` on the master.
    pub fn here<C: Call>(&mut self, call: C) -> Placed<'_, C> {
        self.add(vec![], &call)
    }

    /// The next step: `call` on `host`.
    pub fn on<C: Call>(&mut self, host: &HostName, call: C) -> Placed<'_, C> {
        self.add(vec![host.clone()], &call)
    }

    /// The next step: `call` on `host`, which works with `other` too.
    pub fn between<C: Call>(&mut self, host: &HostName, other: &HostName, call: C) -> Placed<'_, C> {
        self.add(vec![host.clone(), other.clone()], &call)
    }

    /// The plan as written.
    #[must_use]
    pub fn finish(self) -> Plan {
        Plan { steps: self.steps }
    }

    fn add<C: Call>(&mut self, hosts: Vec<HostName>, call: &C) -> Placed<'_, C> {
        let no = StepNo(u16::try_from(self.steps.len()).unwrap_or(u16::MAX));
        let args: Vec<Arg> = C::action()
            .args()
            .iter()
            .zip(call.values())
            .map(|(name, value)| Arg {
                name: (*name).to_owned(),
                value,
            })
            .collect();
        self.steps.push(Step {
            title: title(C::TITLE, &args),
            action: C::action().reference(),
            args,
            hosts,
            undo: None,
            pivot: false,
            retry: Retry::default(),
            creates: vec![],
            strikes: vec![],
            places: vec![],
        });
        Placed {
            planner: self,
            no,
            call: PhantomData,
        }
    }
}

/// `template` with each `{name}` replaced by the argument of that name, where that is known.
fn title(template: &str, args: &[Arg]) -> String {
    args.iter()
        .fold(template.to_owned(), |text, arg| match &arg.value {
            Value::Text(value) => text.replace(&format!("{{{}}}", arg.name), value),
            Value::Output { .. } => text,
        })
}

/// The step written last: what more there is to say about it, and what it will have answered.
pub struct Placed<'p, C> {
    planner: &'p mut Planner,
    no: StepNo,
    call: PhantomData<C>,
}

impl<C: Call> Placed<'_, C> {
    /// It is taken back when the job unwinds.
    pub fn undo(self, kind: UndoKind) -> Self {
        self.with(|step| step.undo = Some(kind))
    }

    /// From its intent on the job only goes forward.
    pub fn pivot(self) -> Self {
        self.with(|step| step.pivot = true)
    }

    /// It may leave an object of that kind and name on its host. `{job}` in a name stands for the job's short id.
    pub fn creates(self, kind: &str, name: impl Display) -> Self {
        self.with(|step| {
            if let Some(host) = step.hosts.first() {
                step.creates.push(Object {
                    kind: kind.to_owned(),
                    host: host.clone(),
                    name: name.to_string(),
                });
            }
        })
    }

    /// The same, on another of its hosts.
    pub fn creates_on(self, host: &HostName, kind: &str, name: impl Display) -> Self {
        self.with(|step| {
            step.creates.push(Object {
                kind: kind.to_owned(),
                host: host.clone(),
                name: name.to_string(),
            });
        })
    }

    /// When it is done, what these steps may have left is gone, or is somebody's own.
    pub fn strikes(self, steps: &[StepNo]) -> Self {
        self.with(|step| step.strikes.extend(steps))
    }

    /// When it is done, the guest lives on this host.
    pub fn places(self, guest: &GuestName, host: &HostName) -> Self {
        self.with(|step| {
            step.places.push(Placing::Place {
                guest: guest.to_string(),
                host: host.clone(),
            });
        })
    }

    /// When it is done, the guest lives nowhere.
    pub fn unplaces(self, guest: &GuestName) -> Self {
        self.with(|step| {
            step.places.push(Placing::Remove {
                guest: guest.to_string(),
            });
        })
    }

    /// It is called this in the plan, and not what its action is.
    pub fn titled(self, words: Option<&str>) -> Self {
        self.with(|step| {
            if let Some(words) = words {
                words.clone_into(&mut step.title);
            }
        })
    }

    /// How often an attempt at it is repeated.
    pub fn retry(self, retry: Retry) -> Self {
        self.with(|step| step.retry = retry)
    }

    /// Its number.
    pub fn no(&self) -> StepNo {
        self.no
    }

    /// References to what it will have answered.
    pub fn answers(&self) -> C::Answers {
        C::answers(self.no)
    }

    fn with(self, change: impl FnOnce(&mut Step)) -> Self {
        if let Some(step) = self.planner.steps.get_mut(self.no.index()) {
            change(step);
        }
        self
    }
}
