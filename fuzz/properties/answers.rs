//! What a host says: it is read or refused whole, what is read is what was said, and nothing of it can act on the
//! terminal of whoever reads the complaint.

use vsjob_engine::{Epoch, HostName};
use vsjob_workers::{Answer, Capture, fuzzing};

/// The first byte is the exit code; a NUL ends the standard output.
pub(crate) fn answers(bytes: &[u8]) {
    let Some((&code, said)) = bytes.split_first() else {
        return;
    };
    let (stdout, stderr) = super::split(said, 0);
    let answer = Answer {
        code,
        stdout: Capture::of(stdout),
        stderr: Capture::of(stderr),
    };
    let Ok(host) = "vsh-01".parse::<HostName>() else {
        return;
    };
    outputs_are_what_was_said(&host, &answer, stdout);
    claims_name_what_was_said(&host, &answer, stdout);
    let (failed, message) = fuzzing::failure(&host, &answer);
    assert!(failed.len() == 7 && failed.starts_with("VSJ"), "{failed}");
    is_harmless(&message);
    let _ = fuzzing::progress(&host, answer);
}

fn outputs_are_what_was_said(host: &HostName, answer: &Answer, stdout: &[u8]) {
    match fuzzing::outputs(host, answer) {
        Ok(outputs) => {
            let text = String::from_utf8_lossy(stdout);
            for (key, value) in outputs.iter() {
                assert!(!key.contains(['=', '\n']) && !value.contains('\n'));
                assert!(text.lines().any(|line| line == format!("{key}={value}")));
            }
            assert!(text.lines().all(|line| line.contains('=')));
        }
        Err(error) => is_harmless(&error.to_string()),
    }
}

fn claims_name_what_was_said(host: &HostName, answer: &Answer, stdout: &[u8]) {
    let ours = Epoch {
        counter: 7,
        id: Default::default(),
    };
    match fuzzing::claim(host, ours, answer) {
        Ok(claim) => {
            assert!(answer.code == 0 && stdout.starts_with(b"claimed"));
            let text = String::from_utf8_lossy(stdout);
            for run in claim.runs {
                assert!(text.lines().any(|line| line == format!("run {run}")), "{run}");
            }
        }
        Err(error) => is_harmless(&error.to_string()),
    }
}

fn is_harmless(text: &str) {
    let acts = |c: char| c.is_control() && c != '\n' && c != '\t';
    assert!(!text.contains(acts), "{text:?}");
}
