//! A channel's answer stream: every byte is output or frame, none is lost and none is invented, and what is kept of an
//! endless output is bounded.

use std::io::ErrorKind;

use vsjob_workers::fuzzing;

const NONCE: &str = "n0";

/// The bytes as a stream. `\x01` in them stands for a mark, so that frames are found at once.
pub(crate) fn frames(bytes: &[u8]) {
    let mark = format!("\n{NONCE} ").into_bytes();
    let stream: Vec<u8> = bytes.split(|&byte| byte == 1).collect::<Vec<_>>().join(&mark[..]);
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else {
        return;
    };
    let (found, end) = runtime.block_on(fuzzing::frames(&stream, NONCE));
    let mut again = Vec::new();
    for (output, frame) in &found {
        let Some(output) = output.whole() else {
            return;
        };
        assert!(!has(output, &mark), "a mark was taken for output");
        assert!(!frame.contains('\n'));
        again.extend_from_slice(output);
        again.extend_from_slice(&mark);
        again.extend_from_slice(frame.as_bytes());
        again.push(b'\n');
    }
    // A frame line is text; where it was none, it was made one.
    if std::str::from_utf8(&stream).is_ok() {
        assert!(
            stream.starts_with(&again),
            "the frames are not those of the stream"
        );
        if end == ErrorKind::UnexpectedEof {
            let rest = &stream[again.len()..];
            let whole = rest.windows(mark.len()).position(|window| window == mark);
            assert!(
                whole.is_none_or(|at| !rest[at + mark.len()..].contains(&b'\n')),
                "a frame was overlooked"
            );
        }
    }
}

fn has(bytes: &[u8], mark: &[u8]) -> bool {
    bytes.windows(mark.len()).any(|window| window == mark)
}
