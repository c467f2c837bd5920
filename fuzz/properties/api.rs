//! The API: whatever is asked of it, it answers with JSON and without a fault; and what it refuses, or only tells, has changed
//! nothing.

#![expect(clippy::expect_used, reason = "a property that cannot be tried has failed")]

use serde_json::Value;
use vsjob::fuzzing::Api;

/// Each two lines are a request: method and path, then a body. `JOB` is the last one that was accepted.
pub(crate) fn api(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let api = Api::new(folder.path()).await.expect("an API");
        are_answered(&api, text).await;
        api.close().await.expect("a whole store");
    });
}

async fn are_answered(api: &Api, text: &str) {
    let (mut job, mut lines, mut moves) = ("none".to_owned(), text.lines(), false);
    while let Some(line) = lines.next() {
        let (method, uri) = line.split_once(' ').unwrap_or(("GET", line));
        let (uri, body) = (uri.replace("JOB", &job), lines.next().unwrap_or_default());
        let before = api.change();
        let Some((status, said)) = api.ask(method, &uri, &body.replace("JOB", &job)).await else {
            continue;
        };
        let said = is_an_answer(method, status, &said);
        let done = status == 200 && method == "POST";
        // Jobs that were accepted go on beside.
        moves |= done;
        assert!(
            moves || api.change() == before,
            "{method} {uri}: {status} has changed something"
        );
        if let Some(accepted) = said["job"].as_str().filter(|_| done) {
            accepted.clone_into(&mut job);
        }
    }
}

/// The body: what was asked for, or why not, in words that cannot act on a terminal.
fn is_an_answer(method: &str, status: u16, body: &[u8]) -> Value {
    assert!(
        [200, 400, 404, 405, 409].contains(&status),
        "{status}: {}",
        String::from_utf8_lossy(body)
    );
    if method == "HEAD" {
        return Value::Null;
    }
    let said: Value = serde_json::from_slice(body).expect("JSON");
    if status != 200 {
        let error = &said["error"];
        let code = error["code"].as_str().and_then(|code| code.strip_prefix("VSJ"));
        assert!(code.is_some_and(|digits| digits.len() == 4), "{said}");
        for text in [&error["message"], &error["hint"]] {
            let text = text.as_str().unwrap_or_default();
            assert!(
                !text.is_empty() && !text.contains(|c: char| c.is_control() && c != '\n' && c != '\t'),
                "{said}"
            );
        }
    }
    said
}
