//! The scripts of the workers themselves: what launches, follows, stops and claims. They are put together once.

use std::sync::LazyLock;

use crate::Script;

const PROCESS: &str = include_str!("launch/process.sh");
const STATE: &str = include_str!("launch/state.sh");

macro_rules! scripts {
    ($($(#[doc = $doc:literal])* $name:ident = $file:literal with $libraries:expr;)*) => {
        $($(#[doc = $doc])*
        pub(crate) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::compose($file, &$libraries, include_str!($file)));)*
    };
}

scripts! {
    /// Who the host is.
    HELLO = "hello.sh" with [];
    /// Where its sshd listens.
    SSHD = "sshd.sh" with [];
    /// Claims a host.
    CLAIM = "claim.sh" with [PROCESS];
    /// Ends a channel that hangs.
    END_CHANNEL = "launch/end_channel.sh" with [PROCESS];
    /// Launches a command.
    LAUNCH = "launch/launch.sh" with [PROCESS, STATE];
    /// Says how a launched command is.
    FOLLOW = "launch/follow.sh" with [PROCESS, STATE];
    /// Stops launched commands.
    STOP = "launch/stop.sh" with [PROCESS, STATE];
    /// Makes durable what a launched command that is gone has done.
    SETTLE = "launch/settle.sh" with [];
    /// Removes the run directories of a job.
    FORGET = "launch/forget.sh" with [PROCESS, STATE];
}

/// What runs a launched command. Without the prelude, since it must outlive whatever fails.
pub(crate) static WRAPPER: LazyLock<Script> = LazyLock::new(|| {
    Script::bare(
        "launch/wrapper.sh",
        &[STATE, include_str!("launch/wrapper.sh")].join("\n"),
    )
});
