//! Questions of servers to users: what a modern server wants before it goes on (2026-07-28, multi round-trip requests),
//! and how it is put to a legacy client.

mod choices;
mod field;
mod form;
mod offered;
mod translation;

use std::sync::LazyLock;

use bytes::Bytes;
use memchr::memmem::Finder;
use trunkline_model::{Params, Text};

use crate::bridge::members;
use crate::compose::{self, Message};
use crate::json::{Reader, escape_into, splice};

pub use offered::{needed, offered, told};
pub use translation::{AskAgain, Translation, params_upward};

/// `elicitation/create`.
pub const ELICIT: &str = "elicitation/create";
/// `sampling/createMessage`.
pub const SAMPLE: &str = "sampling/createMessage";
/// `roots/list`.
pub const ROOTS: &str = "roots/list";

/// The answer to an elicitation of a user who is not there, or who refused without saying how.
pub const CANCELLED: &[u8] = b"{\"action\":\"cancel\"}";

/// The answer to a question that nobody can be asked: what an absent user would say, so that the server's call can come
/// to an end. `None` when `method` is no question.
pub fn unanswered(id: &[u8], method: &str) -> Option<Message> {
    Some(match method {
        ELICIT => compose::result(id, &Bytes::from_static(CANCELLED)),
        ROOTS => compose::result(id, &Bytes::from_static(b"{\"roots\":[]}")),
        SAMPLE => {
            let text = "sampling is not available through this gateway";
            compose::error(Some(id), &compose::error_object(-1, text, None))
        }
        _ => return None,
    })
}

/// Most questions in one round.
const QUESTIONS_MAX: usize = 32;

/// What a server wants before it goes on.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Its questions, in its order.
    pub questions: Vec<Question>,
    /// Its state, as the literal that came; it goes back byte for byte.
    pub state: Option<Bytes>,
}

/// One question.
#[derive(Clone, Debug)]
pub struct Question {
    /// The server's name for it.
    pub key: Text,
    /// What is asked.
    pub method: Text,
    /// The params object, raw; empty for none.
    pub params: Bytes,
}

/// Made once: making it costs as much as searching a small result.
static INPUT_REQUIRED: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"input_required"));

/// Whether a result may be one that asks for input: it has the word somewhere.
pub(crate) fn mentioned(raw: &[u8]) -> bool {
    INPUT_REQUIRED.find(raw).is_some()
}

/// Whether a result says at its beginning or at its end, where servers say it, that it is complete. A quotation mark behind
/// a bracket or a comma opens a key there, and the last bracket is the result's own; one that says something else besides
/// has a key twice, and asks nothing. So whatever stands between can be as large as it likes.
fn says_complete(raw: &[u8]) -> bool {
    const SAID: &[u8] = b"\"resultType\":\"complete\"";
    let behind = raw.strip_prefix(b"{").and_then(|raw| raw.strip_prefix(SAID));
    let before = raw.strip_suffix(b"}").and_then(|raw| raw.strip_suffix(SAID));
    matches!(behind, Some([b',' | b'}', ..])) || matches!(before, Some([.., b',' | b'{']))
}

/// Reads a result that asks for input; `None` when it is any other result.
pub fn wanted(raw: &Bytes) -> Option<Wanted> {
    if says_complete(raw) || !mentioned(raw) {
        return None;
    }
    let (mut asks, mut requests, mut state) = (false, None, None);
    members(raw, |key, value| match key {
        "resultType" => asks = value == b"\"input_required\"",
        "inputRequests" => requests = Some(raw.slice_ref(value)),
        "requestState" if value.starts_with(b"\"") => state = Some(raw.slice_ref(value)),
        _ => {}
    })
    .ok()?;
    if !asks {
        return None;
    }
    let questions = requests.map(|requests| listed(&requests)).unwrap_or_default();
    Some(Wanted { questions, state })
}

/// The questions in an `inputRequests` object, in its order.
pub fn listed(requests: &Bytes) -> Vec<Question> {
    let mut questions = Vec::new();
    let _ = members(requests, |key, value| {
        if questions.len() < QUESTIONS_MAX
            && let Some(question) = question(key, &requests.slice_ref(value))
        {
            questions.push(question);
        }
    });
    questions
}

fn question(key: &str, raw: &Bytes) -> Option<Question> {
    let (mut method, mut params) = (None, Bytes::new());
    members(raw, |name, value| match name {
        "method" => method = serde_json::from_slice::<String>(value).ok(),
        "params" if value.starts_with(b"{") => params = raw.slice_ref(value),
        _ => {}
    })
    .ok()?;
    Some(Question { key: Text::from(key), method: Text::from(method?), params })
}

/// The original params with the answers and the server's state: the retry of the same request. Answers are result
/// objects, raw.
pub fn answered(params: &Params, answers: &[(Text, Bytes)], state: Option<&Bytes>) -> Params {
    let mut head = b"\"inputResponses\":{".to_vec();
    for (at, (key, answer)) in answers.iter().enumerate() {
        if at > 0 {
            head.push(b',');
        }
        escape_into(&mut head, key);
        head.push(b':');
        head.extend_from_slice(answer);
    }
    head.push(b'}');
    if let Some(state) = state {
        head.extend_from_slice(b",\"requestState\":");
        head.extend_from_slice(state);
    }
    let base: &[u8] = if params.raw.starts_with(b"{") { &params.raw } else { b"{}" };
    if base[1..base.len() - 1].iter().any(|b| !b.is_ascii_whitespace()) {
        head.push(b',');
    }
    let shift = head.len();
    let moved = |span: &Option<trunkline_model::Span>| span.as_ref().map(|s| s.start + shift..s.end + shift);
    Params {
        target: moved(&params.target),
        meta: moved(&params.meta),
        arguments: moved(&params.arguments),
        raw: Bytes::from(splice(base, &[(1..1, &head)])),
    }
}

/// The token by which a legacy server wants to hear progress of its question, raw.
pub fn progress_token(params: &[u8]) -> Option<Bytes> {
    let mut token = None;
    let _ = members(params, |key, value| {
        if key == "_meta" && value.starts_with(b"{") {
            let _ = members(value, |key, value| {
                if key == "progressToken" && matches!(value.first(), Some(b'"' | b'-' | b'0'..=b'9')) {
                    token = Some(Bytes::copy_from_slice(value));
                }
            });
        }
    });
    token
}

/// Whether a client that declared `capabilities` can be asked this.
pub fn can_answer(capabilities: &[u8], method: &str, params: &[u8]) -> bool {
    let (capability, flag) = match method {
        ELICIT if is_url(params) => ("elicitation", Some("url")),
        ELICIT => ("elicitation", None),
        // Tools in a request for sampling need a client that knows them (2025-11-25, sampling, capabilities).
        SAMPLE if with_tools(params) => ("sampling", Some("tools")),
        SAMPLE => ("sampling", None),
        ROOTS => ("roots", None),
        _ => return false,
    };
    let mut can = false;
    let walked = members(capabilities, |key, value| {
        if key == capability && value.starts_with(b"{") {
            can = flag.is_none_or(|flag| {
                let mut has = false;
                let _ = members(value, |key, _| has |= key == flag);
                has
            });
        }
    });
    walked.is_ok() && can
}

fn is_url(params: &[u8]) -> bool {
    let mut url = false;
    let _ = members(params, |key, value| url |= key == "mode" && value == b"\"url\"");
    url
}

fn with_tools(params: &[u8]) -> bool {
    let mut tools = false;
    let _ = members(params, |key, _| tools |= matches!(key, "tools" | "toolChoice"));
    tools
}

/// The address of an elicitation by URL.
pub fn url_of(params: &[u8]) -> Option<String> {
    let mut url = None;
    if is_url(params) {
        let _ = members(params, |key, value| {
            if key == "url" {
                url = serde_json::from_slice(value).ok();
            }
        });
    }
    url
}

/// What a legacy client's declaration amounts to for a modern server: everything but tasks that the client would host,
/// which are not relayed. What we do not know passes: extensions are between client and server.
pub fn capabilities_upward(declared: &[u8]) -> Vec<u8> {
    if declared == b"{}" {
        return declared.to_vec();
    }
    let mut out = b"{".to_vec();
    let walked = members(declared, |key, value| {
        let value: &[u8] = match key {
            // Modern roots have no change notification.
            "roots" => b"{}",
            "tasks" => return,
            _ if value.starts_with(b"{") => value,
            _ => return,
        };
        if out.len() > 1 {
            out.push(b',');
        }
        escape_into(&mut out, key);
        out.push(b':');
        out.extend_from_slice(value);
    });
    if walked.is_err() {
        return b"{}".to_vec();
    }
    out.push(b'}');
    out
}

/// Whether `raw` is an object with the members that an answer to `method` must have.
pub fn is_answer(method: &str, raw: &[u8]) -> bool {
    let needed: &[&str] = match method {
        ELICIT => &["action"],
        SAMPLE => &["role", "content", "model"],
        ROOTS => &["roots"],
        _ => &[],
    };
    let mut found = 0;
    let walked = members(raw, |key, _| found += usize::from(needed.contains(&key)));
    let object = Reader::new(raw).is_ok_and(|mut reader| reader.peek() == Ok(b'{'));
    object && walked.is_ok() && found == needed.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKS: &[u8] = br#"{"resultType":"input_required","inputRequests":{"name":{"method":"elicitation/create","params":{"mode":"form","message":"who?","requestedSchema":{"type":"object","properties":{}}}},"dirs":{"method":"roots/list"}},"requestState":"a\"b"}"#;

    #[test]
    fn questions_are_read_and_other_results_are_none() {
        let wanted = wanted(&Bytes::from_static(ASKS)).unwrap();
        assert_eq!(wanted.questions.len(), 2);
        assert_eq!((&*wanted.questions[0].key, &*wanted.questions[1].method), ("name", ROOTS));
        assert_eq!(wanted.state.unwrap(), r#""a\"b""#);
        assert!(
            super::wanted(&Bytes::from_static(br#"{"content":[{"type":"text","text":"input_required"}]}"#))
                .is_none()
        );
    }

    #[test]
    fn a_complete_result_is_told_by_its_ends_and_by_nothing_between() {
        for (raw, complete) in [
            (r#"{"resultType":"complete","content":[]}"#, true),
            (r#"{"content":[],"resultType":"complete"}"#, true),
            (r#"{"resultType":"complete"}"#, true),
            // These are looked at whole.
            (r#"{"content":[], "resultType":"complete"}"#, false),
            (r#"{"resultType":"complete" ,"content":[]}"#, false),
            (r#"{"content":[],"resultType":"complete","x":1}"#, false),
            (r#"{"resultType":"input_required","_meta":{"resultType":"complete"}}"#, false),
            (r#"{"resultType":"input_required","x":[{"resultType":"complete"}]}"#, false),
            (r#"{"resultType":"input_required","x":",\"resultType\":\"complete"}"#, false),
            (r#"{"resultType":"input_required","x":"\\\",\"resultType\":\"complete\"}"}"#, false),
            ("", false),
            ("{", false),
        ] {
            assert_eq!(says_complete(raw.as_bytes()), complete, "{raw}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_result_that_asks_is_never_taken_for_a_complete_one(
            inside in r#"[{}\[\],:"\\]{0,6}|,"resultType":"complete"|"resultType":"complete"|\{"resultType":"complete"\}"#,
            value in r#"[{}\[\],:"\\]{0,4}(,?"resultType":"complete"\}?)?"#,
        ) {
            let value = serde_json::to_string(&value).unwrap();
            for raw in [
                format!(r#"{{"x":{value},"resultType":"input_required"}}"#),
                format!(r#"{{"resultType":"input_required","x":{value}}}"#),
                format!(r#"{{"resultType":"input_required","x":{inside}}}"#),
                format!(r#"{{"resultType":"input_required"{inside}}}"#),
            ] {
                let message = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{raw}}}"#);
                let Ok(scanned) = crate::scan::scan(Bytes::from(message)) else { continue };
                let result = scanned.share(scanned.result.as_ref().unwrap());
                let is_sound = members(&result, |_, _| {}).is_ok();
                proptest::prop_assert_eq!(wanted(&result).is_some(), is_sound, "{}", raw);
            }
        }
    }

    #[test]
    fn a_retry_carries_answers_and_state_and_keeps_the_rest() {
        let text =
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{"n":1.10}}}"#;
        let scanned = crate::scan::scan(Bytes::from_static(text.as_bytes())).unwrap();
        let params = crate::request::params_of(&scanned, scanned.params.name.as_ref());
        let again = answered(
            &params,
            &[(Text::from("k"), Bytes::from_static(b"{\"action\":\"accept\"}"))],
            Some(&Bytes::from_static(b"\"s\"")),
        );
        assert_eq!(
            again.raw,
            r#"{"inputResponses":{"k":{"action":"accept"}},"requestState":"s","name":"x","arguments":{"n":1.10}}"#
        );
        assert_eq!(&again.raw[again.target.clone().unwrap()], b"\"x\"");
        assert_eq!(&again.raw[again.arguments.clone().unwrap()], br#"{"n":1.10}"#);
        assert_eq!(answered(&Params::default(), &[], None).raw, r#"{"inputResponses":{}}"#);
    }

    #[test]
    fn only_declared_capabilities_can_be_asked() {
        let declared = br#"{"elicitation":{"form":{}},"roots":{"listChanged":true},"tasks":{}}"#;
        assert!(can_answer(declared, ELICIT, br#"{"mode":"form"}"#));
        assert!(!can_answer(declared, ELICIT, br#"{"mode":"url","url":"https://a"}"#));
        assert!(!can_answer(declared, SAMPLE, b""));
        assert!(can_answer(declared, ROOTS, b""));
        let tools = br#"{"messages":[],"tools":[]}"#;
        assert!(!can_answer(br#"{"sampling":{}}"#, SAMPLE, tools));
        assert!(can_answer(br#"{"sampling":{"tools":{}}}"#, SAMPLE, tools));
        assert_eq!(capabilities_upward(declared), br#"{"elicitation":{"form":{}},"roots":{}}"#);
        assert_eq!(capabilities_upward(b"{}"), b"{}");
        let extended = br#"{"extensions":{"io.modelcontextprotocol/ui":{"mimeTypes":["text/html;profile=mcp-app"]}},"experimental":{"x":1.10},"sampling":true,"new":{}}"#;
        assert_eq!(
            capabilities_upward(extended),
            br#"{"extensions":{"io.modelcontextprotocol/ui":{"mimeTypes":["text/html;profile=mcp-app"]}},"experimental":{"x":1.10},"new":{}}"#
        );
    }

    #[test]
    fn answers_are_checked_for_their_form() {
        assert!(is_answer(ELICIT, br#"{"action":"accept","content":{}}"#));
        assert!(!is_answer(ELICIT, b"{}") && !is_answer(ELICIT, b"7") && !is_answer(ROOTS, b"[]"));
    }
}
