//! Rounds of questions towards a modern client (2026-07-28, multi round-trip requests): the result that asks, and the
//! retry that answers.

use std::sync::LazyLock;

use bytes::Bytes;
use memchr::memmem::Finder;
use trunkline_model::{Params, Span, Text};

use crate::asks::{ELICIT, is_answer, params_upward};
use crate::bridge::members;
use crate::json::{escape_into, splice};

/// What a retry brings besides the request itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// The `requestState`, decoded.
    pub state: Option<String>,
    /// The `inputResponses` object, raw; `None` when there is none.
    pub responses: Option<Bytes>,
}

/// Made once: making it costs as much as searching the params of a small call.
static STATE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"requestState"));

/// Whether `params` may be a retry's: they have the word somewhere.
pub fn mentions_state(params: &[u8]) -> bool {
    STATE.find(params).is_some()
}

/// Whether a call goes on with a round of questions: it brings answers, or the state that it was asked with.
pub fn goes_on(raw: &Bytes) -> bool {
    matches!(answers(raw), Ok(Some(_)))
}

/// Reads what a retry brings; `None` when `params` are no retry's. The usual request passes by one search for a word.
///
/// # Errors
/// `requestState` that is no string, or `inputResponses` that are no object.
pub fn answers(params: &Bytes) -> Result<Option<Answers>, &'static str> {
    if !mentions_state(params) {
        return Ok(None);
    }
    let mut answers = Answers::default();
    let mut wrong = None;
    let walked = members(params, |key, value| match key {
        "requestState" => match serde_json::from_slice(value) {
            Ok(state) => answers.state = Some(state),
            Err(_) => wrong = Some("params.requestState must be a string"),
        },
        "inputResponses" if value.starts_with(b"{") => answers.responses = Some(params.slice_ref(value)),
        "inputResponses" => wrong = Some("params.inputResponses must be an object"),
        _ => {}
    });
    if let Some(wrong) = wrong {
        return Err(wrong);
    }
    Ok((walked.is_ok() && answers.state.is_some()).then_some(answers))
}

/// The params of the request that a retry repeats: without the answers and the state, which are not the server's.
pub fn first_try(params: &Params) -> Params {
    let mut bare = Params::default();
    let mut raw = b"{".to_vec();
    let starts_at = |span: &Option<Span>, at: usize| span.as_ref().is_some_and(|span| span.start == at);
    let walked = members(&params.raw, |key, value| {
        if matches!(key, "inputResponses" | "requestState") {
            return;
        }
        if raw.len() > 1 {
            raw.push(b',');
        }
        escape_into(&mut raw, key);
        raw.push(b':');
        // The slice lies inside the params, so its place follows from the addresses.
        let old = value.as_ptr() as usize - params.raw.as_ptr() as usize;
        let new = raw.len()..raw.len() + value.len();
        raw.extend_from_slice(value);
        let parts = [
            (&params.target, &mut bare.target),
            (&params.meta, &mut bare.meta),
            (&params.arguments, &mut bare.arguments),
        ];
        for (was, is) in parts {
            if starts_at(was, old) {
                *is = Some(new.clone());
            }
        }
    });
    if walked.is_err() {
        return params.clone();
    }
    raw.push(b'}');
    Params { raw: Bytes::from(raw), ..bare }
}

/// The params of a progress notification under another token (raw): each retry is a request with a token of its own.
pub fn under_token(progress: &Bytes, token: &[u8]) -> Bytes {
    let mut at = None;
    let _ = members(progress, |key, value| {
        if key == "progressToken" {
            let start = value.as_ptr() as usize - progress.as_ptr() as usize;
            at = Some(start..start + value.len());
        }
    });
    at.map_or_else(|| progress.clone(), |span| Bytes::from(splice(progress, &[(span, token)])))
}

/// The answer to the question `key`, if the responses hold one that has the form that its method demands.
pub fn response(responses: &Bytes, wanted: &str, method: &str) -> Option<Bytes> {
    let mut found = None;
    members(responses, |key, value| {
        if key == wanted {
            found = Some(Bytes::copy_from_slice(value));
        }
    })
    .ok()?;
    found.filter(|raw| is_answer(method, raw) && (method != ELICIT || action_is_known(raw)))
}

fn action_is_known(raw: &[u8]) -> bool {
    let mut known = false;
    let _ = members(raw, |key, value| {
        known |= key == "action" && matches!(value, b"\"accept\"" | b"\"decline\"" | b"\"cancel\"");
    });
    known
}

/// Whether the user agreed.
pub fn is_accepted(raw: &[u8]) -> bool {
    let mut accepted = false;
    let _ = members(raw, |key, value| accepted |= key == "action" && value == b"\"accept\"");
    accepted
}

/// How a result that puts questions begins.
const ASKING: &[u8] = b"{\"resultType\":\"input_required\"";
/// An answer's id and what is around it are shorter than this.
const HEAD_BYTES_MAX: usize = 4 << 10;

/// Whether this piece of an answer seems to be the beginning of a result that puts questions. A result that holds the
/// same words is taken for one.
pub fn asks(piece: &[u8]) -> bool {
    memchr::memmem::find(&piece[..piece.len().min(HEAD_BYTES_MAX)], ASKING).is_some()
}

/// The result that puts questions: key, method and params (raw, empty for none) of each, and the state to bring back.
pub fn input_required<'a>(
    questions: impl Iterator<Item = (&'a str, &'a Text, &'a Bytes)>,
    state: &str,
) -> Bytes {
    let mut out = ASKING.to_vec();
    out.extend_from_slice(b",\"inputRequests\":");
    out.extend_from_slice(&self::questions(questions));
    out.extend_from_slice(b",\"requestState\":");
    escape_into(&mut out, state);
    out.push(b'}');
    Bytes::from(out)
}

/// The `inputRequests` object alone, as tasks list it.
pub fn questions<'a>(questions: impl Iterator<Item = (&'a str, &'a Text, &'a Bytes)>) -> Bytes {
    let mut out = b"{".to_vec();
    for (at, (key, method, params)) in questions.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        escape_into(&mut out, key);
        out.extend_from_slice(b":{\"method\":");
        escape_into(&mut out, method);
        if !params.is_empty() {
            out.extend_from_slice(b",\"params\":");
            out.extend_from_slice(&params_upward(method, params));
        }
        out.push(b'}');
    }
    out.push(b'}');
    Bytes::from(out)
}

/// The visits that a 2025-11-25 server demands by its error -32042: the params object of each elicitation.
pub fn demanded_visits(error: &Bytes) -> Vec<Bytes> {
    let mut visits = Vec::new();
    let _ = members(error, |key, data| {
        if key != "data" || !data.starts_with(b"{") {
            return;
        }
        let _ = members(data, |key, list| {
            if key != "elicitations" || !list.starts_with(b"[") {
                return;
            }
            let Ok(mut reader) = crate::json::Reader::new(list) else { return };
            let _ = reader.array(|reader| {
                let span = reader.value()?;
                if let Some(one) = list.get(span).filter(|one| one.starts_with(b"{"))
                    && visits.len() < VISITS_MAX
                    && crate::asks::url_of(one).is_some()
                {
                    visits.push(Bytes::copy_from_slice(one));
                }
                Ok(())
            });
        });
    });
    visits
}

/// Most visits that one error can demand.
const VISITS_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_is_known_by_its_state() {
        let read = |text: &'static str| answers(&Bytes::from_static(text.as_bytes()));
        assert_eq!(read(r#"{"name":"x","inputResponses":{}}"#), Ok(None));
        assert_eq!(read(r#"{"arguments":{"requestState":"x"}}"#), Ok(None));
        let retry = read(r#"{"requestState":"s\u0031","inputResponses":{"a":{}}}"#).unwrap().unwrap();
        assert_eq!(
            (retry.state.as_deref(), retry.responses.as_deref()),
            (Some("s1"), Some(&b"{\"a\":{}}"[..]))
        );
        assert!(read(r#"{"requestState":7}"#).is_err());
        assert!(read(r#"{"requestState":"s","inputResponses":[]}"#).is_err());
    }

    #[test]
    fn a_retry_without_what_it_brings_is_the_first_try() {
        let raw = r#" { "requestState":"s", "arguments" : {"n":1.10}, "inputResponses":{"a":{}}, "_meta":{"k":1},"name":"t" } "#;
        let span = |text: &str| raw.find(text).map(|at| at..at + text.len());
        let retry = Params {
            raw: Bytes::from_static(raw.as_bytes()),
            target: span("\"t\""),
            meta: span("{\"k\":1}"),
            arguments: span("{\"n\":1.10}"),
        };
        let first = first_try(&retry);
        assert_eq!(first.raw, r#"{"arguments":{"n":1.10},"_meta":{"k":1},"name":"t"}"#);
        let at = |span: Option<Span>| first.raw.slice(span.unwrap());
        assert_eq!(at(first.target.clone()), "\"t\"");
        assert_eq!(at(first.meta.clone()), "{\"k\":1}");
        assert_eq!(at(first.arguments.clone()), "{\"n\":1.10}");
    }

    #[test]
    fn progress_is_told_under_the_token_of_the_request_that_waits() {
        let said = Bytes::from_static(br#"{"progress":1.0,"progressToken":"a","total":2}"#);
        assert_eq!(under_token(&said, b"7"), r#"{"progress":1.0,"progressToken":7,"total":2}"#);
    }

    #[test]
    fn only_answers_of_the_right_form_count() {
        let responses = Bytes::from_static(
            br#"{"e":{"action":"accept"},"b":{"action":"maybe"},"r":{"roots":[]},"n":null}"#,
        );
        assert!(response(&responses, "e", ELICIT).is_some());
        assert!(response(&responses, "b", ELICIT).is_none());
        assert!(response(&responses, "r", "roots/list").is_some());
        assert!(response(&responses, "n", "roots/list").is_none());
        assert!(response(&responses, "x", ELICIT).is_none());
    }

    #[test]
    fn questions_lose_what_only_the_server_and_its_client_knew() {
        let method = Text::from(ELICIT);
        let params = Bytes::from_static(
            br#"{"mode":"url","elicitationId":"e","url":"https://a","_meta":{"progressToken":1,"k":2},"n":1.10}"#,
        );
        let raw = input_required([("elicit_1", &method, &params)].into_iter(), "gw1.x");
        assert_eq!(
            raw,
            r#"{"resultType":"input_required","inputRequests":{"elicit_1":{"method":"elicitation/create","params":{"mode":"url","url":"https://a","_meta":{"k":2},"n":1.10}}},"requestState":"gw1.x"}"#
        );
        let roots = Text::from("roots/list");
        let only = Bytes::from_static(br#"{"message":"m","_meta":{"progressToken":1}}"#);
        assert_eq!(params_upward(ELICIT, &only), r#"{"message":"m"}"#);
        let raw = input_required([("roots_1", &roots, &Bytes::new())].into_iter(), "s");
        assert!(raw.starts_with(
            br#"{"resultType":"input_required","inputRequests":{"roots_1":{"method":"roots/list"}}"#
        ));
    }

    #[test]
    fn visits_are_read_from_the_error() {
        let error = Bytes::from_static(
            br#"{"code":-32042,"message":"m","data":{"elicitations":[{"mode":"url","url":"https://a","elicitationId":"1","message":"go"},{"mode":"form"},7]}}"#,
        );
        assert_eq!(demanded_visits(&error).len(), 1);
        assert!(demanded_visits(&Bytes::from_static(b"{\"code\":1}")).is_empty());
    }
}
