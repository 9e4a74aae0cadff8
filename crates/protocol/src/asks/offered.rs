//! What a legacy client can be asked, by its revision.

use bytes::Bytes;

use crate::json::Object;
use crate::revision::Revision;

use super::{ELICIT, SAMPLE, is_url, with_tools};

/// The capabilities that a legacy client declared, without those that its revision does not have: elicitation came with
/// 2025-06-18, and what kinds of elicitation and sampling there are with 2025-11-25. A server that hears of them would
/// ask questions that cannot be put in the client's words.
pub fn offered(declared: &Bytes, revision: Revision) -> Bytes {
    let Ok(mut object) = Object::open(declared) else { return declared.clone() };
    if revision < Revision::R2025_06_18 {
        object.remove("elicitation");
    }
    for key in ["elicitation", "sampling"] {
        let kinds = object.get(key).filter(|value| value.starts_with(b"{") && *value != b"{}");
        let gone = key == "elicitation" && revision < Revision::R2025_06_18;
        if kinds.is_some() && !gone && revision < Revision::R2025_11_25 {
            object.set(key, *b"{}");
        }
    }
    object.finish().map_or_else(|| declared.clone(), Bytes::from)
}

/// The capabilities object of a client that can be asked this, as modern errors give it.
pub fn needed(method: &str, params: &[u8]) -> &'static str {
    match method {
        ELICIT if is_url(params) => "{\"elicitation\":{\"url\":{}}}",
        ELICIT => "{\"elicitation\":{\"form\":{}}}",
        SAMPLE if with_tools(params) => "{\"sampling\":{\"tools\":{}}}",
        SAMPLE => "{\"sampling\":{}}",
        _ => "{\"roots\":{}}",
    }
}

/// Longest text of a server that is told to a user, in characters.
const TOLD_MAX: usize = 2000;

/// What to tell the user of a question that the client cannot be asked: who asks, for what, and where to go if that is
/// a page to visit.
pub fn told(server: &str, method: &str, params: &[u8]) -> String {
    let cut = |text: String| text.chars().filter(|c| !c.is_control()).take(TOLD_MAX).collect::<String>();
    let message =
        Object::open(params).ok().and_then(|params| params.text("message")).map(cut).unwrap_or_default();
    match super::url_of(params).map(cut).filter(|url| !url.contains(' ')) {
        Some(url) => format!(
            "the server \"{server}\" asks the user to open a page, which this client cannot show: {message} {url} (open it, then \
             call again)"
        ),
        None => format!("the server \"{server}\" asks for {method}, which this client does not offer"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_offered_that_the_revision_does_not_have() {
        let declared = Bytes::from_static(
            br#"{"roots":{"listChanged":true},"elicitation":{"form":{},"url":{}},"sampling":{"tools":{}},"x":{"a":1.0}}"#,
        );
        for (revision, expected) in [
            (Revision::R2024_11_05, r#"{"roots":{"listChanged":true},"sampling":{},"x":{"a":1.0}}"#),
            (Revision::R2025_03_26, r#"{"roots":{"listChanged":true},"sampling":{},"x":{"a":1.0}}"#),
            (
                Revision::R2025_06_18,
                r#"{"roots":{"listChanged":true},"elicitation":{},"sampling":{},"x":{"a":1.0}}"#,
            ),
        ] {
            assert_eq!(offered(&declared, revision), expected);
        }
        assert_eq!(offered(&declared, Revision::R2025_11_25), declared);
        let plain = Bytes::from_static(br#"{"elicitation":{},"sampling":{}}"#);
        assert_eq!(offered(&plain, Revision::R2025_06_18), plain);
    }

    #[test]
    fn who_cannot_be_asked_is_told_what_and_where() {
        let page = br#"{"mode":"url","message":"Sign\nin","url":"https://a/b?c"}"#;
        let text = told("git", ELICIT, page);
        assert!(text.contains("\"git\"") && text.contains("Signin https://a/b?c"), "{text}");
        assert_eq!(needed(ELICIT, page), r#"{"elicitation":{"url":{}}}"#);
        assert!(told("git", SAMPLE, b"").contains("sampling/createMessage"));
    }
}
