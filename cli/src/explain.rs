//! The explanations of error codes, one file each in `docs/errors`, compiled in.

/// Code and text, sorted by code.
static EXPLANATIONS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/explanations.rs"));

/// What is known about a code, which may be written in lower case or without its letters.
#[must_use]
pub(crate) fn explanation(code: &str) -> Option<&'static str> {
    let code = code.trim().to_uppercase();
    let digits = code.strip_prefix("VSJ").unwrap_or(&code);
    EXPLANATIONS
        .iter()
        .find(|(known, _)| known.strip_prefix("VSJ") == Some(digits))
        .map(|(_, text)| *text)
}

/// Every code with the first line of its explanation.
pub(crate) fn index() -> impl Iterator<Item = (&'static str, &'static str)> {
    EXPLANATIONS.iter().map(|(code, text)| {
        let first = text.lines().next().unwrap_or("");
        (*code, first.split_once(": ").map_or(first, |(_, title)| title))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_explained_however_it_is_written() {
        assert!(explanation("VSJ0502").is_some());
        assert_eq!(explanation("vsj0502"), explanation("0502"));
        assert_eq!(explanation("VSJ9999"), None);
    }

    #[test]
    fn every_explanation_begins_with_its_code_and_a_title() {
        for (code, text) in EXPLANATIONS {
            assert!(text.starts_with(&format!("# {code}: ")), "{code}");
        }
    }
}
