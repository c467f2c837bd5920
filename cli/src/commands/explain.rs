//! `explain`: more about an error code, from the files compiled in.

use serde_json::json;

use crate::Exit;
use crate::complaint::{Complaint, Stop};
use crate::explain::{explanation, index};
use crate::output::Output;

pub(crate) fn explain(output: Output, code: Option<&str>) -> Result<Exit, Stop> {
    let Some(code) = code else {
        let rows = index().map(|(code, title)| [code.to_owned(), title.to_owned()]);
        output.table(["code", "means"], rows.collect())?;
        return Ok(Exit::Done);
    };
    let Some(text) = explanation(code) else {
        let message = format!("there is no error code `{}`", code.escape_default());
        return Err(Complaint::new("VSJ0509", Exit::Usage, message)
            .hint("`vsjob explain` lists all of them")
            .into());
    };
    match output.json {
        true => output.document(&json!({ "code": code, "text": text }))?,
        false => output.raw(text)?,
    }
    Ok(Exit::Done)
}
