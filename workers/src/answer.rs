//! What a script's answer means: results, or a failure with its class, by the conventions of `prelude.sh`.

use vsjob_engine::{Class, Failure, HostName, Outputs};

use crate::channel::Answer;
use crate::{HostError, frame};

/// How much of what a failed command said is kept, in bytes.
const DETAIL: usize = 4096;

/// Whether a script did not end by itself: it, or what it ran, was killed, as everything is when a host goes down.
pub(crate) fn was_killed(code: u8) -> bool {
    const HANGUP: u8 = 129;
    const INTERRUPT: u8 = 130;
    const KILL: u8 = 137;
    const TERMINATE: u8 = 143;
    matches!(code, HANGUP | INTERRUPT | KILL | TERMINATE)
}

/// The results of a script that ended well, or why it failed.
pub(crate) fn settle(host: &HostName, what: &str, answer: &Answer) -> Result<Outputs, Failure> {
    if answer.code == 0 {
        parse_outputs(host, what, answer).map_err(|e| e.failure())
    } else {
        Err(failure(host, what, answer))
    }
}

/// The `key=value` lines of an answer. What a host says is shown to people and handed to other hosts: a result with a
/// character that could act on a terminal is refused as a whole, and so is a key that comes twice.
pub(crate) fn parse_outputs(host: &HostName, what: &str, answer: &Answer) -> Result<Outputs, HostError> {
    let bad = |why: String| HostError::BadAnswer {
        host: host.clone(),
        what: what.to_owned(),
        why,
    };
    let Some(bytes) = answer.stdout.whole() else {
        return Err(bad(format!("{} bytes of results", answer.stdout.total())));
    };
    let text = std::str::from_utf8(bytes).map_err(|_| bad("results that are not text".to_owned()))?;
    let mut outputs = Outputs::new();
    for line in text.lines() {
        let no_result = || bad(format!("`{}` is no result", frame::printable(line)));
        let (key, value) = line.split_once('=').ok_or_else(no_result)?;
        if line.chars().any(frame::acts_on_a_terminal) {
            return Err(no_result());
        }
        if outputs.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(bad(format!("`{key}` comes twice")));
        }
    }
    Ok(outputs)
}

/// Why a script that ended with an exit code other than 0 failed.
pub(crate) fn failure(host: &HostName, what: &str, answer: &Answer) -> Failure {
    let class = match answer.code {
        75 => Class::Transient,
        76 => Class::Partial,
        77 => Class::Vanished,
        code if was_killed(code) => Class::Transient,
        _ => Class::Permanent,
    };
    let said = answer.stderr.end(DETAIL);
    let (code, message) = coded(&said).map_or_else(
        || {
            let last = said.lines().last().unwrap_or("it said nothing");
            (
                "VSJ0310",
                format!("{what} ended with exit code {}: {last}", answer.code),
            )
        },
        |(code, message)| (code, message.to_owned()),
    );
    Failure {
        detail: said.clone(),
        ..Failure::new(class, code, format!("{host}: {message}"))
    }
}

/// The code and the message that a script has ended with, by the conventions of `prelude.sh`.
#[must_use]
pub fn coded(said: &str) -> Option<(&str, &str)> {
    said.lines().rev().find_map(parts)
}

/// The parts of a line `VSJ0312: message` that may be shown.
fn parts(line: &str) -> Option<(&str, &str)> {
    let (code, message) = line.split_once(": ")?;
    let digits = code.strip_prefix("VSJ")?;
    let is_code = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit());
    (is_code && !message.chars().any(frame::acts_on_a_terminal)).then_some((code, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Capture;

    fn answer(code: u8, stdout: &str, stderr: &str) -> Answer {
        Answer {
            code,
            stdout: Capture::of(stdout.as_bytes()),
            stderr: Capture::of(stderr.as_bytes()),
        }
    }

    fn settled(answer: &Answer) -> Result<Outputs, Failure> {
        settle(&"vsh-01".parse().unwrap(), "guest-stop.do", answer)
    }

    #[test]
    fn results_are_lines_of_key_and_value() {
        let outputs = settled(&answer(0, "a=1\nb=x=y\nc=\n", "noise")).unwrap();
        let pairs: Vec<_> = outputs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(pairs, [("a", "1"), ("b", "x=y"), ("c", "")]);
        assert_eq!(settled(&answer(0, "hello\n", "")).unwrap_err().code, "VSJ0311");
    }

    #[test]
    fn results_that_could_act_on_a_terminal_or_contradict_themselves_are_refused() {
        for said in [
            "a=\u{1b}[2J\n",
            "a=\u{9b}2J\n",
            "a=\u{202e}b\n",
            "\u{7f}=1\n",
            "a=1\na=2\n",
        ] {
            let refused = settled(&answer(0, said, "")).unwrap_err();
            assert_eq!(refused.code, "VSJ0311", "{said:?}");
            assert!(
                !refused.message.chars().any(frame::acts_on_a_terminal),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn a_failure_has_the_class_and_code_that_the_script_gave() {
        let failure = settled(&answer(75, "", "tool: no\nVSJ0412: no route\n")).unwrap_err();
        assert_eq!(
            (failure.class, failure.code.as_str()),
            (Class::Transient, "VSJ0412")
        );
        assert_eq!(failure.message, "vsh-01: no route");
        assert_eq!(failure.detail, "tool: no\nVSJ0412: no route");
    }

    #[test]
    fn what_was_killed_may_be_tried_again() {
        for code in [129, 130, 137, 143] {
            assert_eq!(
                settled(&answer(code, "", "")).unwrap_err().class,
                Class::Transient
            );
        }
    }

    #[test]
    fn any_other_exit_code_is_permanent() {
        for code in [1, 2, 74, 78, 127, 255] {
            let failure = settled(&answer(code, "", "sh: nope")).unwrap_err();
            assert_eq!(
                (failure.class, failure.code.as_str()),
                (Class::Permanent, "VSJ0310")
            );
            assert!(failure.message.contains(&format!("exit code {code}: sh: nope")));
        }
    }
}
